// Live lines and the bill of `sonde run`, `attach`, `record` and `replay`.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_CONSOLE_H_
#define SONDE_AGENT_EXPORT_CONSOLE_CONSOLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

#include "agent/calls/call.h"
#include "agent/export/console/bill.h"
#include "agent/export/console/line_output.h"

namespace sonde::exporter::console {

/// Prints a line when a call ends and sums it up for the bill. Used on one thread.
class Console : public calls::CallSink {
 public:
  struct Options {
    bool lines = true;  ///< Print live lines.
  };
  /// `output` must outlive the console.
  Console(const Options& options, LineOutput* output) : options_(options), output_(output) {}

  /// Start of the run, from which the first column counts.
  void SetOrigin(events::MonoNs ns) { origin_ns_ = ns; }

  bool lines() const { return options_.lines; }

  void OnCall(const calls::Call& call) override;
  void OnNotice(const calls::Notice& notice) override;

  const Bill& bill() const { return bill_; }

 private:
  /// Attempts whose ends are remembered, to say how long a retry waited.
  static constexpr size_t kAttempts = 4096;
  std::optional<uint64_t> Waited(const calls::Call& call);

  const Options options_;
  LineOutput* const output_;
  Bill bill_;
  events::MonoNs origin_ns_ = 0;
  std::map<uint64_t, events::MonoNs> last_attempt_;  // Number of the first attempt -> newest end.
};

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_CONSOLE_H_
