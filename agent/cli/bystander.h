// Tells a signal that was meant for Sonde alone from one that its whole process group got.
#ifndef SONDE_AGENT_CLI_BYSTANDER_H_
#define SONDE_AGENT_CLI_BYSTANDER_H_

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "agent/cli/proc_fs.h"

namespace sonde::cli {

/// A process that does nothing, in Sonde's process group, with all signals blocked: what is pending
/// on it was sent to the group (`kill -TERM -PGID`, timeout(1), a service manager), so the command
/// has it too and must not get it twice. It ends with Sonde.
class Bystander {
 public:
  /// `arguments` is the memory of argv, wiped in the copy: it must not look like a second Sonde.
  /// Call it with all signals blocked.
  explicit Bystander(std::span<char> arguments);
  ~Bystander();
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  /// Whether the signal reached the bystander since the last time it was asked about it. Two of one
  /// number between two questions count once.
  bool AlsoReceived(int signal);
  pid_t pid() const { return pid_; }

 private:
  void Begin();
  static void End(pid_t pid);
  /// Bit N-1 stands for signal N.
  uint64_t PendingOn(pid_t pid) const;

  const std::span<char> arguments_;
  const ProcFs procfs_;
  pid_t pid_ = -1;
  uint64_t from_the_last_ = 0;  ///< Pending on the one before when it was replaced.
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_BYSTANDER_H_
