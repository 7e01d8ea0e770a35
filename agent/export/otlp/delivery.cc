#include "agent/export/otlp/delivery.h"

#include <algorithm>

namespace sonde::exporter {
namespace {

using Lock = std::unique_lock<std::mutex>;

// While stopping, waits are short: somebody's prompt waits too.
constexpr absl::Duration kFirstStopBackoff = absl::Milliseconds(50);
// Attempts without an answer after which nobody waits for the collector any more, while stopping.
constexpr int kUnansweredAtStop = 2;
// Of a collector's own "not before".
constexpr absl::Duration kLongestThrottle = absl::Hours(1);
constexpr double kJitter = 0.2;  // +- of each wait.
constexpr absl::Duration kYear = absl::Hours(24 * 365);

}  // namespace

Delivery::Clock::duration Chrono(absl::Duration duration) {
  return std::chrono::duration_cast<Delivery::Clock::duration>(
      absl::ToChronoNanoseconds(std::min(duration, kYear)));
}

Delivery::Result Delivery::Send(const OtlpTransport::Request& request,
                                Clock::time_point give_up_at) {
  Result delivery;
  for (int attempt = 0;; ++attempt) {
    absl::Duration timeout = settings_.timeout;
    {
      const Lock lock(mutex_);
      const Clock::time_point now = Clock::now();
      if (now >= stop_at_) {
        delivery.fate = Fate::kStopped;
        return delivery;
      }
      if (stopping_) timeout = std::min(timeout, absl::FromChrono(stop_at_ - now));
      if (attempt > 0) ++stats_.retries;
    }
    const SendResult result = transport_->Send(signal_, request, timeout);
    Report(result);
    if (result.outcome == SendOutcome::kAccepted) {
      unanswered_ = 0;
      delivery.rejected = result.rejected;
      const Lock lock(mutex_);
      ++stats_.accepted;
      return delivery;
    }
    delivery.unanswered |= !result.answered;
    const std::optional<Fate> fate = AfterFailure(result, give_up_at, attempt);
    if (!fate) continue;
    delivery.fate = *fate;
    return delivery;
  }
}

// Waits before the next attempt, or says why there is none.
std::optional<Delivery::Fate> Delivery::AfterFailure(const SendResult& result,
                                                     Clock::time_point give_up_at, int attempt) {
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
    quiet_until_ = next;
  }
  if (next > give_up_at) return Fate::kGaveUp;
  // A wait begun before BeginStop() is cut short by it, unless the collector asked for it.
  if (!WaitUntil(next, /*wake_at_stop=*/!stopping && !result.retry_after)) return Fate::kStopped;
  return std::nullopt;
}

absl::Duration Delivery::Backoff(int attempt, bool stopping) {
  constexpr int kMostDoublings = 20;
  const absl::Duration base = stopping ? kFirstStopBackoff : settings_.batch.first_backoff;
  const absl::Duration wait = std::min(base * (int64_t{1} << std::min(attempt, kMostDoublings)),
                                       settings_.batch.longest_backoff);
  return wait * std::uniform_real_distribution<double>(1 - kJitter, 1 + kJitter)(random_);
}

bool Delivery::WaitForQuietEnd() { return WaitUntil(quiet_until_, /*wake_at_stop=*/false); }

bool Delivery::WaitUntil(Clock::time_point until, bool wake_at_stop) {
  Lock lock(mutex_);
  const auto hopeless = [this, until] { return stopping_ && stop_at_ <= until; };
  if (until > Clock::now()) {
    changed_.wait_until(lock, until, [&] { return hopeless() || (wake_at_stop && stopping_); });
  }
  return (wake_at_stop && stopping_) || !hopeless();
}

void Delivery::Report(const SendResult& result) {
  if (!result.message.empty()) {
    const Lock lock(mutex_);
    stats_.last_error = result.message;
  }
  const bool failed = result.outcome != SendOutcome::kAccepted || result.rejected > 0;
  if (failed && !failing_ && on_problem_) on_problem_(result.message);
  failing_ = failed;
}

void Delivery::BeginStop(absl::Duration deadline) {
  const Lock lock(mutex_);
  if (stopping_) return;
  stopping_ = true;
  stop_at_ = Clock::now() + Chrono(deadline);
  changed_.notify_all();
}

Delivery::Clock::time_point Delivery::stop_at() const {
  const Lock lock(mutex_);
  return stop_at_;
}

Delivery::Stats Delivery::stats() const {
  const Lock lock(mutex_);
  return stats_;
}

}  // namespace sonde::exporter
