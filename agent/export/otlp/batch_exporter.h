// Finished calls, one encoded item each, sent in batches from a thread of its own.
#ifndef SONDE_AGENT_EXPORT_OTLP_BATCH_EXPORTER_H_
#define SONDE_AGENT_EXPORT_OTLP_BATCH_EXPORTER_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "agent/calls/call.h"
#include "agent/export/names.h"
#include "agent/export/otlp/delivery.h"
#include "agent/export/otlp/settings.h"
#include "agent/export/otlp/transport.h"

namespace sonde::exporter {

/// What became of every item (a span, a log record):
/// queued = sent + rejected + dropped() + what still waits.
struct ExportStats {
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

/// What a call becomes on its way into a request.
class BatchEncoder {
 public:
  struct Item {
    std::shared_ptr<const calls::Process> process;
    std::string bytes;  ///< Serialized: a quarter of a message's memory.
  };
  virtual ~BatchEncoder() = default;
  /// On the caller's thread.
  virtual std::string Encode(const calls::Call& call) const = 0;
  /// On the exporter's thread. Empties the items' bytes: no batch stands in memory twice.
  virtual std::unique_ptr<OtlpTransport::Request> ToRequest(std::vector<Item>& items) const = 0;
};

/// OnCall() never waits for the network: a full queue drops its oldest item and counts it.
class BatchExporter : public calls::CallSink {
 public:
  struct Options {
    OtlpSettings settings;
    Profile profile = Profile::kSemconv141;
    std::string user_salt;
    std::optional<int64_t> wall_minus_boottime_ns;  ///< See ResourceOptions.
    /// Told on the exporter's thread when sending begins to fail, once until it works again.
    std::function<void(std::string_view)> on_problem;
  };

  /// Stops without waiting if Stop() was not called.
  ~BatchExporter() override;
  BatchExporter(const BatchExporter&) = delete;
  BatchExporter& operator=(const BatchExporter&) = delete;

  void OnCall(const calls::Call& call) override;

  /// Sends what waits and ends the thread, at the latest after `deadline`; then what is left is
  /// dropped and counted. Returns at once when nothing waits. A collector that answers "later" is
  /// asked again until the deadline, one that cannot be reached once more only.
  void Stop(absl::Duration deadline);

  /// Any thread.
  ExportStats stats() const;

 protected:
  /// The thread it starts takes no signals.
  BatchExporter(Signal signal, const Options& options, std::unique_ptr<BatchEncoder> encoder,
                std::unique_ptr<OtlpTransport> transport);

 private:
  struct Waiting {
    BatchEncoder::Item item;
    Delivery::Clock::time_point since;
  };

  void Work();
  std::vector<BatchEncoder::Item> NextBatch();
  Delivery::Result Deliver(std::vector<BatchEncoder::Item> batch);
  void Count(const Delivery::Result& result, uint64_t items);

  const BatchSettings settings_;
  const std::unique_ptr<BatchEncoder> encoder_;
  Delivery delivery_;

  mutable std::mutex mutex_;  // Guards what follows, up to the thread.
  std::condition_variable changed_;
  std::deque<Waiting> queue_;
  size_t queue_bytes_ = 0;
  ExportStats stats_;
  bool stopping_ = false;
  bool finished_ = false;

  std::thread worker_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_BATCH_EXPORTER_H_
