// Signals while a command runs. Sonde must outlive what is meant for the command and pass on what
// was sent to Sonde alone.
#ifndef SONDE_AGENT_CLI_SIGNALS_H_
#define SONDE_AGENT_CLI_SIGNALS_H_

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include <array>
#include <optional>

namespace sonde::cli {

/// What Sonde was started with, for the command to get back. Restore is async-signal-safe.
struct SignalState {
  static constexpr int kSignals = 65;
  sigset_t mask{};
  std::array<bool, kSignals> ignored{};
  void Restore() const;
};

/// Blocks every signal that can be blocked and is not the mark of a crash, in this thread and in
/// those it starts later. SIGPIPE is ignored, SIGCHLD is not. Call once, before any thread.
SignalState TakeOverSignals();

/// Blocked signals as a descriptor that epoll can wait for.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;
  int fd() const { return fd_; }
  /// The next signal, or nothing. Never waits.
  std::optional<signalfd_siginfo> Next();

 private:
  int fd_ = -1;
};

/// True when a process sent it (kill, sigqueue) and not the kernel. The kernel sends a terminal's
/// signals to the whole foreground group, so the command has them already.
bool SentByProcess(const signalfd_siginfo& info);

/// True for the signals that go on to the command when they were sent to Sonde alone.
bool IsForwarded(const signalfd_siginfo& info);

/// Stops Sonde by `signal` as its default action would, so that a shell reports the same reason.
/// Returns when Sonde is continued.
void StopSelf(int signal);

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_SIGNALS_H_
