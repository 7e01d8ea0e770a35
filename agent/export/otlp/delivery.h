// One request after the other to a collector, with the retries that OTLP asks for.
#ifndef SONDE_AGENT_EXPORT_OTLP_DELIVERY_H_
#define SONDE_AGENT_EXPORT_OTLP_DELIVERY_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/export/otlp/settings.h"
#include "agent/export/otlp/transport.h"

namespace sonde::exporter {

/// Requests stay well below the 4 MiB that many gRPC servers take.
inline constexpr size_t kRequestBytes = size_t{2} * 1024 * 1024;

/// Send() and WaitForQuietEnd() belong to one thread, the rest to any.
class Delivery {
 public:
  /// Waits and deadlines hold when the wall clock is set.
  using Clock = std::chrono::steady_clock;
  using Problem = std::function<void(std::string_view)>;

  enum class Fate : uint8_t {
    kAccepted,
    kGaveUp,   ///< Its time was over.
    kRefused,  ///< The collector's answer was final.
    kStopped,  ///< Stopping, and no attempt is worth it or in time.
  };
  struct Result {
    Fate fate = Fate::kAccepted;
    uint64_t rejected = 0;    ///< Items that the collector refused of an accepted request.
    bool unanswered = false;  ///< Some attempt may have arrived though no answer came.
  };
  struct Stats {
    uint64_t accepted = 0;   ///< Requests.
    uint64_t retries = 0;    ///< Requests sent again.
    std::string last_error;  ///< A sentence for a person; empty if none.
  };

  /// `on_problem` is told on the sending thread when sending begins to fail, once until it works.
  Delivery(Signal signal, const OtlpSettings& settings, Problem on_problem,
           std::unique_ptr<OtlpTransport> transport)
      : signal_(signal),
        settings_(settings),
        on_problem_(std::move(on_problem)),
        transport_(std::move(transport)) {}

  /// Tries until the collector decides, at least once; begins no attempt after `give_up_at`.
  Result Send(const OtlpTransport::Request& request, Clock::time_point give_up_at);

  /// The collector asked for quiet until then.
  Clock::time_point quiet_until() const { return quiet_until_; }
  /// Waits for that. False when the end comes before.
  bool WaitForQuietEnd();

  /// From now on waits are short, and none goes beyond `deadline`. The first call counts.
  void BeginStop(absl::Duration deadline);
  Clock::time_point stop_at() const;
  /// Ends an attempt under way.
  void Cancel() { transport_->Cancel(); }

  Stats stats() const;

 private:
  std::optional<Fate> AfterFailure(const SendResult& result, Clock::time_point give_up_at,
                                   int attempt);
  void Report(const SendResult& result);
  absl::Duration Backoff(int attempt, bool stopping);
  // False when the end comes before `until`; then it does not wait.
  bool WaitUntil(Clock::time_point until, bool wake_at_stop);

  const Signal signal_;
  const OtlpSettings settings_;
  const Problem on_problem_;
  const std::unique_ptr<OtlpTransport> transport_;

  mutable std::mutex mutex_;  // Guards what follows, up to the sender's own.
  std::condition_variable changed_;
  Stats stats_;
  bool stopping_ = false;
  Clock::time_point stop_at_ = Clock::time_point::max();

  // The sender's own.
  Clock::time_point quiet_until_ = Clock::time_point::min();
  int unanswered_ = 0;  // Attempts in a row.
  bool failing_ = false;
  std::mt19937 random_{std::random_device{}()};
};

/// For the clock above; what is longer than a year is a year.
Delivery::Clock::duration Chrono(absl::Duration duration);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_DELIVERY_H_
