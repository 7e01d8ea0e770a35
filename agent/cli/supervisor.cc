#include "agent/cli/supervisor.h"

#include <fcntl.h>
#include <unistd.h>

#include <set>
#include <utility>

namespace sonde::cli {
namespace {

/// Whether a shell with job control looks at Sonde's process group just now.
bool InForeground() {
  const int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (terminal < 0) return false;
  const bool foreground = tcgetpgrp(terminal) == getpgrp();
  close(terminal);
  return foreground;
}

bool EndsWaiting(unsigned signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

}  // namespace

bool Supervisor::ChildIsStopped() const {
  const auto status = procfs_.ReadStatus(child_->pid());
  return status && status->state == 'T';
}

void Supervisor::RelaySignals() {
  // Two of one number that came before the first question counted once with the bystander.
  std::set<int> sent_to_group;
  while (const auto info = signals_->Next()) {
    const int number = static_cast<int>(info->ssi_signo);
    // Asked for those of the terminal too: they must not stay pending for a later one.
    if (bystander_ != nullptr && bystander_->AlsoReceived(number)) sent_to_group.insert(number);
    if (!IsForwarded(*info) || sent_to_group.contains(number)) continue;
    if (number == SIGCONT && !ChildIsStopped()) continue;
    child_->Signal(number);
  }
}

void Supervisor::StopWith(int signal) {
  // Without a terminal nobody would continue Sonde together with the command.
  if (signal == SIGSTOP && !InForeground()) return;
  StopSelf(signal);
}

int Supervisor::WaitForChild() {
  while (true) {
    turn_({signals_->fd()});
    RelaySignals();
    while (const auto change = child_->NextChange()) {
      if (child_->ended()) return change->exit_status();
      if (change->kind == ChildChange::Kind::kStopped) StopWith(change->value);
    }
  }
}

void Supervisor::WaitForOthers(const std::function<bool()>& others_alive) {
  while (others_alive()) {
    turn_({signals_->fd()});
    while (const auto info = signals_->Next()) {
      if (EndsWaiting(info->ssi_signo)) return;
    }
  }
}

}  // namespace sonde::cli
