// Usage records on disk: every call, whole lines, whatever becomes of spans.
#ifndef SONDE_AGENT_EXPORT_LEDGER_LEDGER_H_
#define SONDE_AGENT_EXPORT_LEDGER_LEDGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/calls/call.h"
#include "agent/export/ledger/ledger_files.h"

namespace sonde::exporter {

/// What became of every record: taken = written + lost + waiting.
struct LedgerStats {
  uint64_t taken = 0;
  uint64_t written = 0;
  uint64_t lost = 0;     ///< The disk took nothing until the queue was full, or the end came.
  uint64_t waiting = 0;  ///< Now in memory.
  uint64_t waiting_bytes = 0;
  uint64_t bytes = 0;      ///< Written.
  uint64_t failures = 0;   ///< Writes and syncs that failed; records stayed in memory.
  std::string last_error;  ///< Of the latest attempt; empty when it went well.
  std::string file;        ///< The one that is written to.
};

/// A thread of its own writes, so a slow or full disk holds up nobody. A record reaches the kernel
/// within milliseconds of its call's end, where it survives a SIGKILL, and the disk within the sync
/// interval.
class Ledger final : public calls::CallSink {
 public:
  struct Options {
    LedgerSettings files;
    absl::Duration sync_interval = absl::Seconds(1);
    std::string user_salt;
    uint64_t most_waiting_bytes = 16U << 20;  ///< Beyond it new records are lost, and counted.
    absl::Duration retry_interval = absl::Seconds(1);  ///< After a failure.
    std::function<int64_t()> clock;                    ///< Unix nanoseconds; empty: the system's.
    /// Told on the ledger's thread when writing begins to fail, once until it works again.
    std::function<void(std::string_view)> on_problem;
  };

  /// NotFound or PermissionDenied when nothing can be written to the directory.
  static absl::StatusOr<std::unique_ptr<Ledger>> Start(Options options);
  /// Stops without patience.
  ~Ledger() override;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void OnCall(const calls::Call& call) override;

  /// Writes and syncs what waits; what the disk does not take by the deadline is lost and counted.
  void Stop(absl::Duration deadline);

  LedgerStats stats() const;  ///< Any thread.

 private:
  class Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_LEDGER_LEDGER_H_
