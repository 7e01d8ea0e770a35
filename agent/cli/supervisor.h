// Stands between a terminal and the command: passes signals on, stops and continues with it, takes
// events meanwhile.
#ifndef SONDE_AGENT_CLI_SUPERVISOR_H_
#define SONDE_AGENT_CLI_SUPERVISOR_H_

#include <functional>
#include <vector>

#include "agent/cli/bystander.h"
#include "agent/cli/child_process.h"
#include "agent/cli/proc_fs.h"
#include "agent/cli/signals.h"

namespace sonde::cli {

/// State x event:
///   running: signal sent to Sonde by a process -> the same to the command, unless the whole group
///            got it;
///            signal of the terminal -> nothing, the command has it;
///            command stopped -> Sonde stops too (job control; SIGSTOP only in the foreground);
///            command ended -> ended
///   ended:   --wait-all: waits until `others_alive` says no; SIGINT, SIGTERM, SIGHUP and SIGQUIT
///            end the waiting.
class Supervisor {
 public:
  /// `turn` waits for a short while or until one of the descriptors is readable, and does the other
  /// work of the loop.
  using Turn = std::function<void(const std::vector<int>&)>;

  /// `bystander` may be null: then a signal to the whole group reaches the command twice.
  Supervisor(ChildProcess* child, SignalQueue* signals, Bystander* bystander, Turn turn)
      : child_(child), signals_(signals), bystander_(bystander), turn_(std::move(turn)) {}

  /// Returns the command's exit status when it has ended.
  int WaitForChild();
  /// Returns when `others_alive` returns false or somebody asked to end.
  void WaitForOthers(const std::function<bool()>& others_alive);

 private:
  void RelaySignals();
  void StopWith(int signal);
  bool ChildIsStopped() const;

  ChildProcess* const child_;
  SignalQueue* const signals_;
  Bystander* const bystander_;
  const Turn turn_;
  ProcFs procfs_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_SUPERVISOR_H_
