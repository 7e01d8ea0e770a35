#include "agent/export/otlp/span_exporter.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/export/otlp/span.h"
#include "agent/export/otlp/test_support.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};
constexpr absl::Duration kDeadline = absl::Seconds(20);

// The collector as the exporter sees it: answers by script, then with success; can be held shut.
class Script {
 public:
  void Next(std::vector<SendResult> results) {
    const std::lock_guard<std::mutex> lock(mutex_);
    results_.assign(results.begin(), results.end());
  }
  void Always(SendResult result) {
    const std::lock_guard<std::mutex> lock(mutex_);
    always_ = std::move(result);
  }
  void Hold(bool held) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  // False when `count` requests did not arrive in time.
  bool WaitForRequests(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
  }
  std::vector<TraceRequest> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  std::vector<absl::Duration> timeouts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return timeouts_;
  }

  SendResult Send(const TraceRequest& request, absl::Duration timeout) {
    std::unique_lock<std::mutex> lock(mutex_);
    requests_.push_back(request);
    timeouts_.push_back(timeout);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_ || cancelled_; });
    if (cancelled_) return {.outcome = SendOutcome::kRetry, .message = "ended"};
    if (results_.empty()) return always_;
    SendResult result = results_.front();
    results_.pop_front();
    return result;
  }
  void Cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SendResult> results_;
  SendResult always_{.answered = true};
  std::vector<TraceRequest> requests_;
  std::vector<absl::Duration> timeouts_;
  bool held_ = false;
  bool cancelled_ = false;
};

class ScriptTransport : public OtlpTransport {
 public:
  explicit ScriptTransport(Script* script) : script_(script) {}
  SendResult Send(Signal signal, const Request& request, absl::Duration timeout) override {
    EXPECT_EQ(signal, Signal::kTraces);
    return script_->Send(dynamic_cast<const TraceRequest&>(request), timeout);
  }
  void Cancel() override { script_->Cancel(); }

 private:
  Script* script_;
};

SpanExporter::Options QuickOptions() {
  SpanExporter::Options options;
  options.settings.batch.schedule_delay = absl::ZeroDuration();
  options.settings.batch.first_backoff = absl::Milliseconds(1);
  options.settings.batch.longest_backoff = absl::Milliseconds(2);
  return options;
}

std::unique_ptr<SpanExporter> StartWith(Script* script,
                                        SpanExporter::Options options = QuickOptions()) {
  return SpanExporter::StartWith(std::move(options), std::make_unique<ScriptTransport>(script));
}

calls::Call Numbered(uint64_t number) {
  calls::Call call = MakeOpenAiStream();
  call.number = number;
  call.span_id[7] = static_cast<uint8_t>(number);
  return call;
}

// The last byte of each span's id, in the order of arrival.
std::vector<int> SpanNumbers(const std::vector<TraceRequest>& requests) {
  std::vector<int> numbers;
  for (const TraceRequest& request : requests) {
    for (const auto& resource : request.resource_spans()) {
      for (const auto& scope : resource.scope_spans()) {
        for (const auto& span : scope.spans()) {
          numbers.push_back(static_cast<uint8_t>(span.span_id()[7]));
        }
      }
    }
  }
  return numbers;
}

SendResult Later(std::optional<absl::Duration> after = std::nullopt) {
  return {
      .outcome = SendOutcome::kRetry, .answered = true, .retry_after = after, .message = "later"};
}
SendResult Unreachable() { return {.outcome = SendOutcome::kRetry, .message = "unreachable"}; }

void ExpectBalanced(const SpanStats& stats) {
  EXPECT_EQ(stats.queued, stats.sent + stats.rejected + stats.dropped() + stats.waiting);
}

TEST(SpanExporter, GroupsSpansByProcess) {
  Script script;
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  options.settings.service_name = "svc";
  const auto exporter = StartWith(&script, options);
  calls::Call other = Numbered(2);
  calls::Process process = *other.process;
  process.id.pid = 7;
  other.process = std::make_shared<calls::Process>(process);
  exporter->OnCall(Numbered(1));
  exporter->OnCall(other);
  exporter->OnCall(Numbered(3));
  exporter->Stop(kDeadline);
  const std::vector<TraceRequest> requests = script.requests();
  ASSERT_EQ(requests.size(), 1u);
  ASSERT_EQ(requests[0].resource_spans_size(), 2);
  EXPECT_EQ(SpanNumbers(requests), (std::vector<int>{1, 3, 2}));
  const auto& scope = requests[0].resource_spans(0).scope_spans(0);
  EXPECT_EQ(scope.scope().name(), "sonde");
  EXPECT_EQ(scope.schema_url(), "https://opentelemetry.io/schemas/1.41.1");
  EXPECT_TRUE(MessageDifferencer::Equals(scope.spans(0), ToSpan(Numbered(1), {})));
  EXPECT_TRUE(
      MessageDifferencer::Equals(requests[0].resource_spans(0).resource(),
                                 ToResource(Numbered(1).process.get(), {.service_name = "svc"})));
  EXPECT_EQ(exporter->stats().sent, 3u);
  ExpectBalanced(exporter->stats());
}

TEST(SpanExporter, SendsAFullBatchWithoutWaiting) {
  Script script;
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  options.settings.batch.batch_spans = 2;
  const auto exporter = StartWith(&script, options);
  for (uint64_t i = 1; i <= 5; ++i) exporter->OnCall(Numbered(i));
  ASSERT_TRUE(script.WaitForRequests(2));
  exporter->Stop(kDeadline);
  EXPECT_EQ(SpanNumbers(script.requests()), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(exporter->stats().batches, 3u);
}

TEST(SpanExporter, SendsAnUnfilledBatchAfterTheDelay) {
  Script script;
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Milliseconds(1);
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  EXPECT_TRUE(script.WaitForRequests(1));
}

TEST(SpanExporter, CutsBatchesBySize) {
  Script script;
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  const auto exporter = StartWith(&script, options);
  calls::Call large = Numbered(1);
  large.request.stop_sequences.assign(64, std::string(1024, 's'));
  constexpr int kCalls = 100;  // About 6.6 MB.
  for (int i = 0; i < kCalls; ++i) exporter->OnCall(large);
  exporter->Stop(kDeadline);
  EXPECT_EQ(exporter->stats().sent, static_cast<uint64_t>(kCalls));
  EXPECT_GE(script.requests().size(), 3u);
  for (const TraceRequest& request : script.requests()) {
    EXPECT_LT(request.ByteSizeLong(), 2.2 * 1024 * 1024);
  }
}

TEST(SpanExporter, RetriesUntilItWorks) {
  Script script;
  script.Next({Unreachable(), Later(), Later(absl::Milliseconds(1))});
  std::vector<std::string> problems;
  SpanExporter::Options options = QuickOptions();
  options.on_problem = [&](std::string_view text) { problems.emplace_back(text); };
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  ASSERT_TRUE(script.WaitForRequests(4));
  exporter->Stop(kDeadline);
  EXPECT_EQ(SpanNumbers(script.requests()), (std::vector<int>{1, 1, 1, 1}));
  const SpanStats stats = exporter->stats();
  EXPECT_EQ(stats.sent, 1u);
  EXPECT_EQ(stats.retries, 3u);
  EXPECT_EQ(stats.dropped(), 0u);
  EXPECT_EQ(problems, std::vector<std::string>{"unreachable"});  // Once until it works again.
  ExpectBalanced(stats);
}

TEST(SpanExporter, DropsWhatIsRefusedAndGoesOn) {
  Script script;
  script.Next({{.outcome = SendOutcome::kRefused, .answered = true, .message = "bad data"}});
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.batch_spans = 1;
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  exporter->OnCall(Numbered(2));
  exporter->Stop(kDeadline);
  const SpanStats stats = exporter->stats();
  EXPECT_EQ(SpanNumbers(script.requests()), (std::vector<int>{1, 2}));
  EXPECT_EQ(stats.dropped_refused, 1u);
  EXPECT_EQ(stats.sent, 1u);
  EXPECT_EQ(stats.retries, 0u);
  EXPECT_EQ(stats.last_error, "bad data");
  ExpectBalanced(stats);
}

TEST(SpanExporter, CountsPartialSuccessAndNeverRetriesIt) {
  Script script;
  script.Next({{.rejected = 1, .answered = true, .message = "one was bad"}});
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  exporter->OnCall(Numbered(2));
  exporter->Stop(kDeadline);
  EXPECT_EQ(script.requests().size(), 1u);
  EXPECT_EQ(exporter->stats().sent, 1u);
  EXPECT_EQ(exporter->stats().rejected, 1u);
  ExpectBalanced(exporter->stats());
}

TEST(SpanExporter, GivesABatchUpAfterItsTime) {
  Script script;
  script.Next({Later()});
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.batch_spans = 1;
  options.settings.batch.give_up_after = absl::ZeroDuration();
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  exporter->OnCall(Numbered(2));
  ASSERT_TRUE(script.WaitForRequests(2));
  exporter->Stop(kDeadline);
  EXPECT_EQ(exporter->stats().dropped_gave_up, 1u);
  EXPECT_EQ(exporter->stats().sent, 1u);
  ExpectBalanced(exporter->stats());
}

TEST(SpanExporter, FullQueueDropsTheOldestAndNeverBlocks) {
  Script script;
  script.Hold(true);
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.queue_spans = 3;
  options.settings.batch.batch_spans = 1;
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  ASSERT_TRUE(script.WaitForRequests(1));  // Under way and stuck; the queue is empty.
  for (uint64_t i = 2; i <= 9; ++i) exporter->OnCall(Numbered(i));
  EXPECT_EQ(exporter->stats().dropped_queue_full, 5u);
  EXPECT_EQ(exporter->stats().waiting, 4u);
  ExpectBalanced(exporter->stats());
  script.Hold(false);
  exporter->Stop(kDeadline);
  EXPECT_EQ(SpanNumbers(script.requests()), (std::vector<int>{1, 7, 8, 9}));
  EXPECT_EQ(exporter->stats().sent, 4u);
  ExpectBalanced(exporter->stats());
}

std::chrono::steady_clock::duration TimeOf(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::steady_clock::now() - start;
}

TEST(SpanExporter, StopReturnsAtItsDeadlineWhenTheCollectorIsSilent) {
  Script script;
  script.Hold(true);
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.batch_spans = 1;
  const auto exporter = StartWith(&script, options);
  for (uint64_t i = 1; i <= 3; ++i) exporter->OnCall(Numbered(i));
  ASSERT_TRUE(script.WaitForRequests(1));
  const auto took = TimeOf([&] { exporter->Stop(absl::Milliseconds(200)); });
  EXPECT_GE(took, std::chrono::milliseconds(190));
  EXPECT_LT(took, std::chrono::seconds(2));
  EXPECT_EQ(exporter->stats().dropped_at_stop, 3u);
  ExpectBalanced(exporter->stats());
  exporter->OnCall(Numbered(4));  // After the end: counted, not kept.
  EXPECT_EQ(exporter->stats().dropped_at_stop, 4u);
}

TEST(SpanExporter, StopGivesTheAttemptNoLongerThanTheDeadline) {
  Script script;
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  exporter->Stop(absl::Seconds(2));
  ASSERT_EQ(script.timeouts().size(), 1u);
  EXPECT_LE(script.timeouts()[0], absl::Seconds(2));
}

TEST(SpanExporter, StopDoesNotWaitForACollectorThatIsNotThere) {
  Script script;
  script.Always(Unreachable());
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.batch_spans = 1;
  options.settings.batch.schedule_delay = absl::Hours(1);
  options.settings.batch.first_backoff = absl::Hours(1);
  options.settings.batch.longest_backoff = absl::Hours(1);
  options.settings.batch.give_up_after = absl::Hours(9);
  const auto exporter = StartWith(&script, options);
  for (uint64_t i = 1; i <= 20; ++i) exporter->OnCall(Numbered(i));
  ASSERT_TRUE(script.WaitForRequests(1));
  const auto took = TimeOf([&] { exporter->Stop(kDeadline); });
  EXPECT_LT(took, std::chrono::seconds(5));
  EXPECT_EQ(exporter->stats().dropped_at_stop, 20u);
  EXPECT_EQ(exporter->stats().last_error, "unreachable");
  ExpectBalanced(exporter->stats());
}

TEST(SpanExporter, StopAsksAgainWhenTheCollectorSaysLater) {
  Script script;
  script.Next({Later(), Later(absl::Milliseconds(1)), Later()});
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.schedule_delay = absl::Hours(1);
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  exporter->Stop(kDeadline);
  EXPECT_EQ(exporter->stats().sent, 1u);
  EXPECT_EQ(exporter->stats().retries, 3u);
}

TEST(SpanExporter, StopDoesNotWaitBeyondItsDeadlineForAThrottle) {
  Script script;
  script.Always(Later(absl::Hours(1)));
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.give_up_after = absl::Hours(9);
  const auto exporter = StartWith(&script, options);
  exporter->OnCall(Numbered(1));
  ASSERT_TRUE(script.WaitForRequests(1));
  const auto took = TimeOf([&] { exporter->Stop(kDeadline); });
  EXPECT_LT(took, std::chrono::seconds(5));
  EXPECT_EQ(script.requests().size(), 1u);  // The collector's word was kept.
  EXPECT_EQ(exporter->stats().dropped_at_stop, 1u);
}

TEST(SpanExporter, KeepsTheThrottleForTheNextBatchToo) {
  Script script;
  script.Always(Later(absl::Hours(1)));
  SpanExporter::Options options = QuickOptions();
  options.settings.batch.batch_spans = 1;
  const auto exporter = StartWith(&script, options);  // Gives a batch up after five minutes.
  exporter->OnCall(Numbered(1));
  exporter->OnCall(Numbered(2));
  ASSERT_TRUE(script.WaitForRequests(1));
  exporter->Stop(kDeadline);
  EXPECT_EQ(script.requests().size(), 1u);
  EXPECT_EQ(exporter->stats().dropped(), 2u);
  ExpectBalanced(exporter->stats());
}

TEST(SpanExporter, StopIsImmediateWhenNothingWaits) {
  Script script;
  const auto exporter = StartWith(&script);
  EXPECT_LT(TimeOf([&] { exporter->Stop(kDeadline); }), std::chrono::seconds(5));
  exporter->Stop(kDeadline);  // Twice is once.
  EXPECT_TRUE(script.requests().empty());
}

TEST(SpanExporter, EndsWithoutStop) {
  Script script;
  script.Hold(true);
  const auto exporter = StartWith(&script);
  exporter->OnCall(Numbered(1));
}

TEST(SpanExporter, SilentPortsEndWithTheDeadlineOverBothTransports) {
  for (const char* scheme : {"grpc://", "http://"}) {
    const SilentPort port(/*listening=*/true);
    SpanExporter::Options options;
    const auto settings = SettingsFromUrl(scheme + port.Host());
    ASSERT_TRUE(settings.ok());
    options.settings = *settings;
    auto exporter = SpanExporter::Start(options);
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    (*exporter)->OnCall(Numbered(1));
    const auto took = TimeOf([&] { (*exporter)->Stop(absl::Milliseconds(300)); });
    EXPECT_LT(took, std::chrono::seconds(2)) << scheme;
    EXPECT_EQ((*exporter)->stats().dropped_at_stop, 1u);
    EXPECT_THAT((*exporter)->stats().last_error, HasSubstr("did not answer")) << scheme;
  }
}

TEST(SpanExporter, DeadPortsEndQuicklyOverBothTransports) {
  for (const char* scheme : {"grpc://", "http://"}) {
    const SilentPort port(/*listening=*/false);
    SpanExporter::Options options;
    options.settings = *SettingsFromUrl(scheme + port.Host());
    auto exporter = SpanExporter::Start(options);
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    (*exporter)->OnCall(Numbered(1));
    const auto took = TimeOf([&] { (*exporter)->Stop(kDeadline); });
    EXPECT_LT(took, std::chrono::seconds(5)) << scheme;
    EXPECT_EQ((*exporter)->stats().dropped_at_stop, 1u);
    EXPECT_THAT((*exporter)->stats().last_error, HasSubstr("did not answer")) << scheme;
  }
}

}  // namespace
}  // namespace sonde::exporter
