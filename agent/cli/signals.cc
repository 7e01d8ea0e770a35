#include "agent/cli/signals.h"

#include <unistd.h>

#include <array>

namespace sonde::cli {
namespace {

/// A crash must end Sonde and leave its core, not wait in a queue.
constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

sigset_t QueuedSignals() {
  sigset_t set;
  sigfillset(&set);
  for (int signal : kCrashSignals) sigdelset(&set, signal);
  sigdelset(&set, SIGPIPE);
  return set;
}

}  // namespace

SignalState TakeOverSignals() {
  SignalState state;
  for (int number = 1; number < SignalState::kSignals; ++number) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0) continue;
    state.ignored[number] = action.sa_handler == SIG_IGN;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  const sigset_t set = QueuedSignals();
  pthread_sigmask(SIG_SETMASK, &set, &state.mask);
  return state;
}

void SignalState::Restore() const {
  for (int number = 1; number < kSignals; ++number) {
    struct sigaction action {};
    action.sa_handler = ignored[number] ? SIG_IGN : SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

SignalQueue::SignalQueue() {
  const sigset_t set = QueuedSignals();
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

SignalQueue::~SignalQueue() {
  if (fd_ >= 0) close(fd_);
}

std::optional<signalfd_siginfo> SignalQueue::Next() {
  signalfd_siginfo info{};
  if (read(fd_, &info, sizeof info) != sizeof info) return std::nullopt;
  return info;
}

bool SentByProcess(const signalfd_siginfo& info) {
  return info.ssi_code == SI_USER || info.ssi_code == SI_TKILL || info.ssi_code == SI_QUEUE;
}

bool IsForwarded(const signalfd_siginfo& info) {
  return SentByProcess(info) && info.ssi_signo != SIGCHLD;
}

void StopSelf(int signal) {
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  // The signal is blocked: it waits until the mask is opened, and stops all threads there.
  kill(getpid(), signal);
  if (signal == SIGSTOP) return;
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  pthread_sigmask(SIG_BLOCK, &only, nullptr);
}

}  // namespace sonde::cli
