#include "agent/export/otlp/metric_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/export/metrics/call_metrics.h"
#include "agent/export/otlp/received_metrics.h"
#include "agent/export/otlp/test_collector.h"
#include "agent/export/otlp/test_support.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using Answer = TestCollector::Answer;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr absl::Duration kDeadline = absl::Seconds(20);
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNow = 1'700'000'000 * kSecond;

MetricExporter::Options OptionsFor(const std::string& url, absl::Duration interval) {
  MetricExporter::Options options;
  const auto settings = SettingsFromUrl(url);
  EXPECT_TRUE(settings.ok()) << settings.status();
  options.settings = *settings;
  options.settings.metrics.interval = interval;
  options.settings.batch.first_backoff = absl::Milliseconds(1);
  options.settings.batch.longest_backoff = absl::Milliseconds(2);
  return options;
}

std::unique_ptr<MetricExporter> Start(const MetricExporter::Options& options,
                                      const Registry* registry) {
  auto exporter = MetricExporter::Start(options, registry);
  EXPECT_TRUE(exporter.ok()) << exporter.status();
  return *std::move(exporter);
}

ReceivedMetrics Received(const TestCollector& collector) {
  ReceivedMetrics received(Profile::kSemconv141);
  for (const auto& request : collector.Taken<MetricsRequest>(Signal::kMetrics)) {
    received.Add(request);
  }
  return received;
}

std::chrono::steady_clock::duration TimeOf(const std::function<void()>& work) {
  const auto before = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - before;
}

class OverBoth : public testing::TestWithParam<OtlpProtocol> {
 protected:
  std::string Scheme() const { return GetParam() == OtlpProtocol::kGrpc ? "grpc://" : "http://"; }
  std::unique_ptr<TestCollector> collector_ = TestCollector::Make(GetParam());
  Registry registry_{{}};
};
INSTANTIATE_TEST_SUITE_P(Transports, OverBoth,
                         testing::Values(OtlpProtocol::kGrpc, OtlpProtocol::kHttpProtobuf),
                         [](const auto& test) {
                           return test.param == OtlpProtocol::kGrpc ? "grpc" : "http";
                         });

// Calls end on several threads while exports fail in every way, so that most requests find the
// figures changed.
TEST_P(OverBoth, WhatArrivesAddsUpToTheRegistry) {
  for (const Temporality temporality : {Temporality::kCumulative, Temporality::kDelta}) {
    const auto collector = TestCollector::Make(GetParam());
    Registry registry({});
    std::vector<Answer> answers;
    for (int i = 0; i < 10; ++i) {
      answers.insert(answers.end(),
                     {Answer::kTake, Answer::kLater, Answer::kRefuse, Answer::kLater});
    }
    collector->Next(answers);
    auto options = OptionsFor(collector->Url(), absl::Milliseconds(3));
    options.settings.metrics.temporality = temporality;
    const auto exporter = Start(options, &registry);
    CallMetrics metrics(Profile::kSemconv141, "", &registry);
    std::atomic<bool> enough = false;
    constexpr int kThreads = 2;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; !enough; ++i) {
          calls::Call call = MakeOpenAiStream();
          call.request.model = "m" + std::to_string(thread) + std::to_string(i % 30);
          metrics.OnCall(call);
          std::this_thread::yield();
        }
      });
    }
    EXPECT_TRUE(collector->WaitForRequests(answers.size() + 5));
    enough = true;
    for (std::thread& thread : threads) thread.join();
    exporter->Stop(kDeadline);

    const ReceivedMetrics received = Received(*collector);
    EXPECT_THAT(received.faults(), IsEmpty());
    EXPECT_EQ(received.totals(), ReceivedMetrics::Of(registry.Collect(), Profile::kSemconv141));
    const MetricStats stats = exporter->stats();
    EXPECT_EQ(stats.sent, received.points());
    EXPECT_EQ(stats.exports, collector->Taken<MetricsRequest>(Signal::kMetrics).size());
    EXPECT_GE(stats.failures, 10u);
    EXPECT_EQ(stats.rejected, 0u);
  }
}

TEST_P(OverBoth, StopExportsOnceMore) {
  const auto exporter = Start(OptionsFor(collector_->Url(), absl::Hours(1)), &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  exporter->Stop(kDeadline);
  EXPECT_EQ(Received(*collector_).totals(),
            ReceivedMetrics::Of(registry_.Collect(), Profile::kSemconv141));
  EXPECT_EQ(exporter->stats().exports, 1u);
  exporter->Stop(kDeadline);  // Twice is once.
  EXPECT_EQ(collector_->requests().size(), 1u);
}

TEST_P(OverBoth, StopAsksAgainWhenTheCollectorSaysLater) {
  collector_->Next({Answer::kLater, Answer::kLater, Answer::kLater});
  auto options = OptionsFor(collector_->Url(), absl::Hours(1));
  options.settings.batch.first_backoff = absl::Hours(1);
  const auto exporter = Start(options, &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  exporter->Stop(kDeadline);
  EXPECT_EQ(exporter->stats().exports, 1u);
  EXPECT_EQ(exporter->stats().retries, 3u);
}

TEST_P(OverBoth, NothingToSayIsNoRequest) {
  std::atomic<int> rounds = 0;
  auto options = OptionsFor(collector_->Url(), absl::Milliseconds(1));
  std::mutex mutex;
  std::condition_variable changed;
  options.refresh = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    ++rounds;
    changed.notify_all();
  };
  const auto exporter = Start(options, &registry_);
  {
    std::unique_lock<std::mutex> lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return rounds >= 3; }));
  }
  exporter->Stop(kDeadline);
  EXPECT_THAT(collector_->requests(), IsEmpty());
}

TEST_P(OverBoth, RefreshesGaugesBeforeEachExport) {
  auto options = OptionsFor(collector_->Url(), absl::Hours(1));
  options.refresh = [this] { registry_.Set(Metric::kProcesses, {}, 42, kNow); };
  const auto exporter = Start(options, &registry_);
  exporter->Stop(kDeadline);
  const ReceivedMetrics received = Received(*collector_);
  ASSERT_EQ(received.totals().size(), 1u);
  EXPECT_EQ(received.totals().begin()->second.sum, 42);
}

TEST_P(OverBoth, CountsPartialSuccessAndDoesNotRepeatIt) {
  collector_->Reject(1, "too old\nforged line");
  auto options = OptionsFor(collector_->Url(), absl::Hours(1));
  std::vector<std::string> problems;
  options.on_problem = [&](std::string_view text) { problems.emplace_back(text); };
  const auto exporter = Start(options, &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  exporter->Stop(kDeadline);
  EXPECT_EQ(collector_->requests().size(), 1u);
  const MetricStats stats = exporter->stats();
  EXPECT_EQ(stats.sent, 1u);
  EXPECT_EQ(stats.rejected, 1u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_THAT(stats.last_error, HasSubstr("rejected 1 data points: too old forged line"));
  EXPECT_EQ(problems, std::vector<std::string>{stats.last_error});
}

TEST_P(OverBoth, GarbageHarmsNothing) {
  collector_->Next({Answer::kGarbage, Answer::kGarbage});
  const auto exporter = Start(OptionsFor(collector_->Url(), absl::Milliseconds(2)), &registry_);
  registry_.Add(Metric::kCalls, {}, 3, kNow);
  ASSERT_TRUE(collector_->WaitForRequests(4));
  exporter->Stop(kDeadline);
  EXPECT_GE(exporter->stats().exports, 2u);
  // Over HTTP, success is success whatever the body says; gRPC's unknown status is final.
  const bool refused = GetParam() == OtlpProtocol::kGrpc;
  EXPECT_EQ(exporter->stats().failures, refused ? 2u : 0u);
}

TEST_P(OverBoth, AWaitLongerThanTheIntervalGivesTheExportUp) {
  collector_->Next({Answer::kLater});
  auto options = OptionsFor(collector_->Url(), absl::Milliseconds(5));
  options.settings.batch.first_backoff = absl::Hours(1);
  options.settings.batch.longest_backoff = absl::Hours(1);
  const auto exporter = Start(options, &registry_);
  registry_.Add(Metric::kCalls, {}, 3, kNow);
  ASSERT_TRUE(collector_->WaitForRequests(3));
  exporter->Stop(kDeadline);
  EXPECT_EQ(exporter->stats().failures, 1u);
  EXPECT_EQ(exporter->stats().retries, 0u);
  EXPECT_THAT(Received(*collector_).faults(), IsEmpty());
  EXPECT_EQ(Received(*collector_).totals(),
            ReceivedMetrics::Of(registry_.Collect(), Profile::kSemconv141));
}

TEST_P(OverBoth, TimeDoesNotGoBackWithTheClock) {
  std::atomic<int64_t> clock = kNow;
  auto options = OptionsFor(collector_->Url(), absl::Milliseconds(2));
  options.wall_clock = [&clock] { return clock += kSecond; };
  const auto exporter = Start(options, &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  ASSERT_TRUE(collector_->WaitForRequests(3));
  clock -= 3600 * kSecond;
  registry_.Add(Metric::kCalls, {}, 1, clock);
  registry_.Add(Metric::kErrors, {}, 1, clock);
  const size_t before = collector_->requests().size();
  ASSERT_TRUE(collector_->WaitForRequests(before + 3));
  exporter->Stop(kDeadline);
  EXPECT_THAT(Received(*collector_).faults(), IsEmpty());
  EXPECT_EQ(Received(*collector_).totals(),
            ReceivedMetrics::Of(registry_.Collect(), Profile::kSemconv141));
}

TEST_P(OverBoth, ASilentCollectorEndsWithTheDeadline) {
  const SilentPort port(/*listening=*/true);
  const auto exporter = Start(OptionsFor(Scheme() + port.Host(), absl::Hours(1)), &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  const auto took = TimeOf([&] { exporter->Stop(absl::Milliseconds(300)); });
  EXPECT_LT(took, std::chrono::seconds(2));
  EXPECT_EQ(exporter->stats().failures, 1u);
  EXPECT_EQ(exporter->stats().sent, 0u);
  EXPECT_THAT(exporter->stats().last_error, HasSubstr("did not answer"));
}

TEST_P(OverBoth, ADeadPortEndsQuickly) {
  const SilentPort port(/*listening=*/false);
  const auto exporter = Start(OptionsFor(Scheme() + port.Host(), absl::Hours(1)), &registry_);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  const auto took = TimeOf([&] { exporter->Stop(kDeadline); });
  EXPECT_LT(took, std::chrono::seconds(5));
  EXPECT_EQ(exporter->stats().failures, 1u);
}

TEST_P(OverBoth, EndsWithoutStop) {
  const SilentPort port(/*listening=*/true);
  registry_.Add(Metric::kCalls, {}, 1, kNow);
  const auto exporter =
      Start(OptionsFor(Scheme() + port.Host(), absl::Milliseconds(1)), &registry_);
}

// The protocol's other end speaks something else altogether.
TEST(MetricExporter, SurvivesAPeerOfTheOtherProtocol) {
  for (const OtlpProtocol peer : {OtlpProtocol::kGrpc, OtlpProtocol::kHttpProtobuf}) {
    const auto collector = TestCollector::Make(peer);
    std::string url = collector->Url();
    url.replace(0, 4, peer == OtlpProtocol::kGrpc ? "http" : "grpc");
    Registry registry({});
    registry.Add(Metric::kCalls, {}, 1, kNow);
    const auto exporter = Start(OptionsFor(url, absl::Hours(1)), &registry);
    exporter->Stop(absl::Seconds(2));
    EXPECT_EQ(exporter->stats().exports, 0u);
    EXPECT_EQ(exporter->stats().failures, 1u);
    EXPECT_FALSE(exporter->stats().last_error.empty());
  }
}

TEST(MetricExporter, NeedsAnEndpoint) {
  const Registry registry({});
  MetricExporter::Options options;
  options.settings.target = "http://127.0.0.1:1/v1/traces";
  const auto exporter = MetricExporter::Start(options, &registry);
  EXPECT_EQ(exporter.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(exporter.status().message()), HasSubstr("metrics"));
}

}  // namespace
}  // namespace sonde::exporter
