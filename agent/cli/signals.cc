#include "agent/cli/signals.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace sonde::cli {
namespace {

/// A crash must end Sonde and leave its core, not wait in a queue.
constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

/// The kernel's own form: the C library keeps signals 32 and 33 to itself and refuses them, but
/// make hands them to its children ignored, and the command is to have them so.
struct KernelAction {
  void (*handler)(int) = SIG_DFL;
  unsigned long flags = 0;
  void (*restorer)() = nullptr;
  uint64_t mask = 0;
};
constexpr int kFirstOfLibrary = 32;
constexpr int kLastOfLibrary = 33;

bool IsOfLibrary(int number) { return number >= kFirstOfLibrary && number <= kLastOfLibrary; }

bool IsIgnored(int number) {
  KernelAction action;
  return syscall(SYS_rt_sigaction, number, nullptr, &action, sizeof(action.mask)) == 0 &&
         action.handler == SIG_IGN;
}

void Ignore(int number) {
  KernelAction action;
  action.handler = SIG_IGN;
  syscall(SYS_rt_sigaction, number, &action, nullptr, sizeof(action.mask));
}

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
    state.ignored[number] = IsIgnored(number);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  const sigset_t set = QueuedSignals();
  pthread_sigmask(SIG_SETMASK, &set, &state.mask);
  return state;
}

void SignalState::Restore() const {
  for (int number = 1; number < kSignals; ++number) {
    if (IsOfLibrary(number)) {
      // Otherwise the library's handler stays, which exec resets.
      if (ignored[number]) Ignore(number);
      continue;
    }
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
