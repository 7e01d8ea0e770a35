#include "agent/cli/bystander.h"

#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace sonde::cli {
namespace {

/// Runs in the copy: system calls only.
[[noreturn]] void DoNothing(pid_t parent, std::span<char> arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  prctl(PR_SET_NAME, "sonde-bystander");
  if (!arguments.empty()) memset(arguments.data(), 0, arguments.size());
  syscall(SYS_close_range, 0U, ~0U, 0);
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  while (true) pause();
}

}  // namespace

Bystander::Bystander(std::span<char> arguments) : arguments_(arguments) { Begin(); }

Bystander::~Bystander() { End(pid_); }

void Bystander::Begin() {
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) DoNothing(parent, arguments_);
}

void Bystander::End(pid_t pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

uint64_t Bystander::PendingOn(pid_t pid) const {
  if (pid <= 0) return 0;
  const auto status = procfs_.ReadStatus(pid);
  return status ? status->pending : 0;
}

bool Bystander::AlsoReceived(int signal) {
  const uint64_t bit = uint64_t{1} << (signal - 1);
  const bool by_the_last = (from_the_last_ & bit) != 0;
  from_the_last_ &= ~bit;
  if ((PendingOn(pid_) & bit) == 0) return by_the_last;
  // What is pending cannot be taken away from outside; a new one has nothing pending. The two
  // overlap, so that no signal falls between them.
  const pid_t last = pid_;
  Begin();
  from_the_last_ |= PendingOn(last) & ~bit;
  End(last);
  return true;
}

}  // namespace sonde::cli
