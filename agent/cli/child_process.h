// Starts the command: a child that waits until Sonde has selected it and put its probes in, then
// becomes what it would have been without Sonde.
#ifndef SONDE_AGENT_CLI_CHILD_PROCESS_H_
#define SONDE_AGENT_CLI_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/cli/environment.h"
#include "agent/cli/invoking_user.h"
#include "agent/cli/signals.h"

namespace sonde::cli {

/// Exit statuses of `sonde run` that are not the command's, as env(1) and timeout(1) have them.
inline constexpr int kExitSondeFailed = 125;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignalBase = 128;

/// Everything the child is given. What is absent stays as Sonde has it.
struct Launch {
  std::vector<std::string> arguments;  ///< The first one is the program. Not empty.
  Environment environment;             ///< Its PATH finds the program.
  std::optional<User> user;            ///< Drop to this user before exec.
  Limits limits;
  std::optional<mode_t> umask;
  SignalState signals;
  /// Descriptors that Sonde itself was started with; all others close at exec.
  std::vector<int> inherited_descriptors;
};

/// Descriptors open now, in order. Called at the start of main, before Sonde opens its own.
std::vector<int> OpenDescriptors();

/// Why a child did not become its program.
struct LaunchFailure {
  int exit_status = kExitSondeFailed;
  std::string message;  ///< One sentence.
};

/// A change of the child's state.
struct ChildChange {
  enum class Kind { kExited, kSignaled, kStopped, kContinued };
  Kind kind = Kind::kExited;
  int value = 0;  ///< Exit status or signal.
  /// What a shell would report: the status, or 128 + signal.
  int exit_status() const { return kind == Kind::kExited ? value : kExitSignalBase + value; }
};

class ChildProcess {
 public:
  /// Forks. The child stays in Sonde's process group, so the terminal's signals reach it, and waits
  /// for Release. Unavailable when there is no process or descriptor to be had.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const Launch& launch);

  /// A child that was not released ends without having run anything.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// Lets the child go on to its program and waits until it has become it. The failure, if it
  /// could not; the child is reaped then.
  std::optional<LaunchFailure> Release();

  /// The next change of state, or nothing. Never waits. After kExited or kSignaled the pid is no
  /// longer the child's.
  std::optional<ChildChange> NextChange();

  /// Sends a signal, unless the child has ended.
  void Signal(int number) const;
  bool ended() const { return ended_; }

 private:
  ChildProcess(pid_t pid, int go_fd, int result_fd, std::string program);
  void Reap();

  pid_t pid_;
  int go_fd_;
  int result_fd_;
  std::string program_;
  bool ended_ = false;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_CHILD_PROCESS_H_
