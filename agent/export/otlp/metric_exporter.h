// Sends the metrics as OTLP at a fixed interval, from a thread of its own.
#ifndef SONDE_AGENT_EXPORT_OTLP_METRIC_EXPORTER_H_
#define SONDE_AGENT_EXPORT_OTLP_METRIC_EXPORTER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"
#include "agent/export/otlp/delivery.h"
#include "agent/export/otlp/metric_requests.h"
#include "agent/export/otlp/settings.h"
#include "agent/export/otlp/transport.h"

namespace sonde::exporter {

struct MetricStats {
  uint64_t exports = 0;    ///< Requests accepted.
  uint64_t sent = 0;       ///< Data points accepted, zeros among them.
  uint64_t rejected = 0;   ///< Data points refused by a collector that took the rest.
  uint64_t failures = 0;   ///< Requests given up: what they said comes with the next export.
  uint64_t retries = 0;    ///< Requests sent again.
  std::string last_error;  ///< A sentence for a person; empty if none.
};

/// What is exported, and what a failure means, is MetricRequests' matter. A request is repeated
/// until the next export is due.
class MetricExporter {
 public:
  struct Options {
    OtlpSettings settings;
    Profile profile = Profile::kSemconv141;
    /// Called on the exporter's thread before each export, to bring gauges up to date.
    std::function<void()> refresh;
    /// The wall clock in nanoseconds since 1970; empty: the system's.
    std::function<int64_t()> wall_clock;
    /// Told on the exporter's thread when sending begins to fail, once until it works again.
    std::function<void(std::string_view)> on_problem;
  };

  /// `registry` must outlive it. The thread takes no signals. Start it after forking: gRPC does not
  /// survive a fork.
  static absl::StatusOr<std::unique_ptr<MetricExporter>> Start(const Options& options,
                                                               const Registry* registry);
  /// With a transport of the caller's choice.
  static std::unique_ptr<MetricExporter> StartWith(const Options& options, const Registry* registry,
                                                   std::unique_ptr<OtlpTransport> transport);
  /// Stops without waiting if Stop() was not called.
  ~MetricExporter();
  MetricExporter(const MetricExporter&) = delete;
  MetricExporter& operator=(const MetricExporter&) = delete;

  /// Exports once more and ends the thread, at the latest after `deadline`.
  void Stop(absl::Duration deadline);

  /// Any thread.
  MetricStats stats() const;

 private:
  using Clock = Delivery::Clock;

  MetricExporter(const Options& options, const Registry* registry,
                 std::unique_ptr<OtlpTransport> transport);
  void Work();
  // True when stopping.
  bool WaitUntilDue(Clock::time_point due);
  // False when nothing can be sent any more.
  bool Export(Clock::time_point give_up_at);
  Delivery::Result Deliver(const MetricRequests::Request& request, Clock::time_point give_up_at);
  void Count(const Delivery::Result& result, uint64_t points);

  const Options options_;
  const Registry* const registry_;
  MetricRequests requests_;  // The worker's own.
  Delivery delivery_;

  mutable std::mutex mutex_;  // Guards what follows, up to the thread.
  std::condition_variable changed_;
  MetricStats stats_;
  bool stopping_ = false;
  bool finished_ = false;

  std::thread worker_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_METRIC_EXPORTER_H_
