// Sends finished calls as OTLP spans in batches, from a thread of its own.
#ifndef SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_
#define SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/calls/call.h"
#include "agent/export/names.h"
#include "agent/export/otlp/settings.h"
#include "agent/export/otlp/transport.h"

namespace sonde::exporter {

/// What became of every span: queued = sent + rejected + dropped() + what still waits.
struct SpanStats {
  uint64_t queued = 0;              ///< Calls taken.
  uint64_t waiting = 0;             ///< Now in the queue or under way.
  uint64_t sent = 0;                ///< Accepted by the collector.
  uint64_t rejected = 0;            ///< Refused by a collector that took the rest of the batch.
  uint64_t dropped_queue_full = 0;  ///< The oldest, to make room.
  uint64_t dropped_refused = 0;     ///< The collector's answer was final.
  uint64_t dropped_gave_up = 0;     ///< Retried until BatchSettings::give_up_after.
  uint64_t dropped_at_stop = 0;     ///< The deadline of Stop() passed.
  uint64_t batches = 0;             ///< Export requests that were accepted.
  uint64_t retries = 0;             ///< Export requests sent again.
  std::string last_error;           ///< A sentence for a person; empty if none.

  uint64_t dropped() const {
    return dropped_queue_full + dropped_refused + dropped_gave_up + dropped_at_stop;
  }
};

/// OnCall() never waits for the network: a full queue drops its oldest span and counts it.
class SpanExporter : public calls::CallSink {
 public:
  struct Options {
    OtlpSettings settings;
    Profile profile = Profile::kSemconv141;
    std::string user_salt;
    std::optional<int64_t> wall_minus_boottime_ns;  ///< See ResourceOptions.
    /// Told on the exporter's thread when sending begins to fail, once until it works again.
    std::function<void(std::string_view)> on_problem;
  };

  /// The thread it starts takes no signals. Start it after forking: gRPC does not survive a fork.
  static absl::StatusOr<std::unique_ptr<SpanExporter>> Start(Options options);
  /// With a transport of the caller's choice.
  static std::unique_ptr<SpanExporter> StartWith(Options options,
                                                 std::unique_ptr<SpanTransport> transport);
  /// Stops without waiting if Stop() was not called.
  ~SpanExporter() override;
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void OnCall(const calls::Call& call) override;

  /// Sends what waits and ends the thread, at the latest after `deadline`; then what is left is
  /// dropped and counted. Returns at once when nothing waits. A collector that answers "later" is
  /// asked again until the deadline, one that cannot be reached once more only.
  void Stop(absl::Duration deadline);

  /// Any thread.
  SpanStats stats() const;

 private:
  class Impl;
  explicit SpanExporter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_
