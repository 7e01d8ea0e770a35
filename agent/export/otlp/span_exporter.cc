#include "agent/export/otlp/span_exporter.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "agent/export/otlp/span.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto;

// Waits and deadlines hold when the wall clock is set.
using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

Clock::duration Chrono(absl::Duration duration) {
  return std::chrono::duration_cast<Clock::duration>(absl::ToChronoNanoseconds(duration));
}

// Stays well below the 4 MiB that many gRPC servers take.
constexpr size_t kBatchBytes = size_t{2} * 1024 * 1024;
// While stopping, waits are short: somebody's prompt waits too.
constexpr absl::Duration kFirstStopBackoff = absl::Milliseconds(50);
// Attempts without an answer after which nobody waits for the collector any more, while stopping.
constexpr int kUnansweredAtStop = 2;
// Of a collector's own "not before".
constexpr absl::Duration kLongestThrottle = absl::Hours(1);
constexpr double kJitter = 0.2;  // +- of each wait.

struct QueuedSpan {
  std::shared_ptr<const calls::Process> process;
  std::string span;  // Serialized: a quarter of a message's memory.
  Clock::time_point since;
};

// Threads started in its scope inherit a mask that leaves every signal to the program's own.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

class SpanExporter::Impl {
 public:
  Impl(Options options, std::unique_ptr<SpanTransport> transport)
      : options_(std::move(options)),
        span_options_{.profile = options_.profile, .user_salt = options_.user_salt},
        resource_options_{.profile = options_.profile,
                          .service_name = options_.settings.service_name,
                          .attributes = options_.settings.resource_attributes,
                          .wall_minus_boottime_ns = options_.wall_minus_boottime_ns},
        transport_(std::move(transport)) {
    const AllSignalsBlocked blocked;
    worker_ = std::thread([this] { Work(); });
  }

  void Take(const calls::Call& call);
  void Stop(absl::Duration deadline);
  SpanStats Stats() const;

 private:
  // Why the sending of a batch ended.
  enum class Fate : uint8_t { kDone, kGaveUp, kRefused, kStopped };

  void Work();
  std::vector<QueuedSpan> NextBatch();
  SpanTransport::Request ToRequest(std::vector<QueuedSpan> batch) const;
  void SendBatch(std::vector<QueuedSpan> batch);
  Fate Deliver(const SpanTransport::Request& request, uint64_t spans);
  std::optional<Fate> AfterFailure(const SendResult& result, Clock::time_point first, int attempt);
  void Report(const SendResult& result);
  absl::Duration Backoff(int attempt, bool stopping);
  // False when Stop()'s deadline comes before `until`; then it does not wait.
  bool WaitUntil(Clock::time_point until, bool wake_at_stop);
  const BatchSettings& batch_settings() const { return options_.settings.batch; }

  const Options options_;
  const SpanOptions span_options_;
  const ResourceOptions resource_options_;
  const std::unique_ptr<SpanTransport> transport_;

  mutable std::mutex mutex_;  // Guards what follows, up to the worker's own.
  std::condition_variable changed_;
  std::deque<QueuedSpan> queue_;
  size_t queue_bytes_ = 0;
  SpanStats stats_;
  bool stopping_ = false;
  Clock::time_point stop_at_ = Clock::time_point::max();
  bool finished_ = false;

  // The worker's own.
  Clock::time_point not_before_ = Clock::time_point::min();  // The collector wants quiet till then.
  int unanswered_ = 0;                                       // Attempts in a row.
  bool failing_ = false;
  std::mt19937 random_{std::random_device{}()};

  std::thread worker_;
};

void SpanExporter::Impl::Take(const calls::Call& call) {
  QueuedSpan item{call.process, ToSpan(call, span_options_).SerializeAsString(), Clock::now()};
  const Lock lock(mutex_);
  ++stats_.queued;
  if (stopping_) {
    ++stats_.dropped_at_stop;
    return;
  }
  if (queue_.size() >= batch_settings().queue_spans) {
    queue_bytes_ -= queue_.front().span.size();
    queue_.pop_front();
    --stats_.waiting;
    ++stats_.dropped_queue_full;
  }
  queue_bytes_ += item.span.size();
  queue_.push_back(std::move(item));
  ++stats_.waiting;
  const bool full = queue_.size() >= batch_settings().batch_spans || queue_bytes_ >= kBatchBytes;
  if (queue_.size() == 1 || full) changed_.notify_all();
}

void SpanExporter::Impl::Stop(absl::Duration deadline) {
  {
    Lock lock(mutex_);
    if (!stopping_) {
      stopping_ = true;
      stop_at_ = Clock::now() + Chrono(deadline);
      changed_.notify_all();
    }
    changed_.wait_until(lock, stop_at_, [this] { return finished_; });
  }
  transport_->Cancel();
  if (worker_.joinable()) worker_.join();
}

SpanStats SpanExporter::Impl::Stats() const {
  const Lock lock(mutex_);
  return stats_;
}

// Waits until a batch is due. Empty only at the end.
std::vector<QueuedSpan> SpanExporter::Impl::NextBatch() {
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (!queue_.empty()) {
    const Clock::time_point due = queue_.front().since + Chrono(batch_settings().schedule_delay);
    changed_.wait_until(lock, due, [this] {
      return stopping_ || queue_.size() >= batch_settings().batch_spans ||
             queue_bytes_ >= kBatchBytes;
    });
  }
  std::vector<QueuedSpan> batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < batch_settings().batch_spans) {
    const size_t next = queue_.front().span.size();
    if (!batch.empty() && bytes + next > kBatchBytes) break;
    bytes += next;
    queue_bytes_ -= next;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

// One ResourceSpans per process, in the order in which they first appear.
SpanTransport::Request SpanExporter::Impl::ToRequest(std::vector<QueuedSpan> batch) const {
  SpanTransport::Request request;
  std::map<events::ProcessId, otlp::trace::v1::ScopeSpans*> by_process;
  for (QueuedSpan& item : batch) {
    const events::ProcessId id = item.process == nullptr ? events::ProcessId{} : item.process->id;
    otlp::trace::v1::ScopeSpans*& spans = by_process[id];
    if (spans == nullptr) {
      otlp::trace::v1::ResourceSpans* resource = request.add_resource_spans();
      *resource->mutable_resource() = ToResource(item.process.get(), resource_options_);
      spans = resource->add_scope_spans();
      *spans->mutable_scope() = Scope();
      const std::string_view schema = SchemaUrl(options_.profile);
      spans->set_schema_url(schema.data(), schema.size());
    }
    spans->add_spans()->ParseFromString(item.span);
    item.span = {};  // No batch stands in memory twice.
  }
  return request;
}

void SpanExporter::Impl::Work() {
  for (;;) {
    std::vector<QueuedSpan> batch = NextBatch();
    if (batch.empty()) break;
    SendBatch(std::move(batch));
  }
  const Lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void SpanExporter::Impl::SendBatch(std::vector<QueuedSpan> batch) {
  const uint64_t spans = batch.size();
  const SpanTransport::Request request = ToRequest(std::move(batch));
  const Fate fate = Deliver(request, spans);
  const Lock lock(mutex_);
  stats_.waiting -= spans;
  switch (fate) {
    case Fate::kDone:
      break;
    case Fate::kGaveUp:
      stats_.dropped_gave_up += spans;
      break;
    case Fate::kRefused:
      stats_.dropped_refused += spans;
      break;
    case Fate::kStopped:
      stats_.dropped_at_stop += spans;
      break;
  }
}

SpanExporter::Impl::Fate SpanExporter::Impl::Deliver(const SpanTransport::Request& request,
                                                     uint64_t spans) {
  if (!WaitUntil(not_before_, /*wake_at_stop=*/false)) return Fate::kStopped;
  const Clock::time_point first = Clock::now();
  for (int attempt = 0;; ++attempt) {
    absl::Duration timeout = options_.settings.timeout;
    {
      const Lock lock(mutex_);
      const Clock::time_point now = Clock::now();
      if (now >= stop_at_) return Fate::kStopped;
      if (stopping_) timeout = std::min(timeout, absl::FromChrono(stop_at_ - now));
      if (attempt > 0) ++stats_.retries;
    }
    const SendResult result = transport_->Send(request, timeout);
    Report(result);
    if (result.outcome == SendOutcome::kAccepted) {
      unanswered_ = 0;
      const uint64_t rejected = std::min(result.rejected, spans);
      const Lock lock(mutex_);
      ++stats_.batches;
      stats_.rejected += rejected;
      stats_.sent += spans - rejected;
      return Fate::kDone;
    }
    const std::optional<Fate> fate = AfterFailure(result, first, attempt);
    if (fate) return *fate;
  }
}

// Waits before the next attempt, or says why there is none.
std::optional<SpanExporter::Impl::Fate> SpanExporter::Impl::AfterFailure(const SendResult& result,
                                                                         Clock::time_point first,
                                                                         int attempt) {
  if (result.outcome == SendOutcome::kRefused) return Fate::kRefused;
  bool stopping = false;
  {
    const Lock lock(mutex_);
    stopping = stopping_;
  }
  unanswered_ = result.answered ? 0 : unanswered_ + 1;
  if (stopping && unanswered_ >= kUnansweredAtStop) return Fate::kStopped;
  const Clock::time_point now = Clock::now();
  Clock::time_point next = now + Chrono(Backoff(attempt, stopping));
  if (result.retry_after) {
    next = now + Chrono(std::min(*result.retry_after, kLongestThrottle));
    not_before_ = next;
  }
  if (next - first > Chrono(batch_settings().give_up_after)) return Fate::kGaveUp;
  // A wait begun before Stop() is cut short by it, unless the collector asked for it.
  if (!WaitUntil(next, /*wake_at_stop=*/!stopping && !result.retry_after)) return Fate::kStopped;
  return std::nullopt;
}

absl::Duration SpanExporter::Impl::Backoff(int attempt, bool stopping) {
  constexpr int kMostDoublings = 20;
  const absl::Duration base = stopping ? kFirstStopBackoff : batch_settings().first_backoff;
  const absl::Duration wait = std::min(base * (int64_t{1} << std::min(attempt, kMostDoublings)),
                                       batch_settings().longest_backoff);
  return wait * std::uniform_real_distribution<double>(1 - kJitter, 1 + kJitter)(random_);
}

bool SpanExporter::Impl::WaitUntil(Clock::time_point until, bool wake_at_stop) {
  Lock lock(mutex_);
  const auto hopeless = [this, until] { return stopping_ && stop_at_ <= until; };
  if (until > Clock::now()) {
    changed_.wait_until(lock, until, [&] { return hopeless() || (wake_at_stop && stopping_); });
  }
  return (wake_at_stop && stopping_) || !hopeless();
}

void SpanExporter::Impl::Report(const SendResult& result) {
  if (!result.message.empty()) {
    const Lock lock(mutex_);
    stats_.last_error = result.message;
  }
  const bool failed = result.outcome != SendOutcome::kAccepted || result.rejected > 0;
  if (failed && !failing_ && options_.on_problem) options_.on_problem(result.message);
  failing_ = failed;
}

absl::StatusOr<std::unique_ptr<SpanExporter>> SpanExporter::Start(Options options) {
  absl::StatusOr<std::unique_ptr<SpanTransport>> transport = MakeTransport(options.settings);
  if (!transport.ok()) return transport.status();
  return StartWith(std::move(options), *std::move(transport));
}

std::unique_ptr<SpanExporter> SpanExporter::StartWith(Options options,
                                                      std::unique_ptr<SpanTransport> transport) {
  return std::unique_ptr<SpanExporter>(
      new SpanExporter(std::make_unique<Impl>(std::move(options), std::move(transport))));
}

SpanExporter::SpanExporter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpanExporter::~SpanExporter() { impl_->Stop(absl::ZeroDuration()); }
void SpanExporter::OnCall(const calls::Call& call) { impl_->Take(call); }
void SpanExporter::Stop(absl::Duration deadline) { impl_->Stop(deadline); }
SpanStats SpanExporter::stats() const { return impl_->Stats(); }

}  // namespace sonde::exporter
