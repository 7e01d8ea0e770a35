// `sonde attach`.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/cli/commands.h"
#include "agent/cli/invoking_user.h"
#include "agent/cli/live_session.h"
#include "agent/cli/outputs.h"
#include "agent/cli/proc_fs.h"

namespace sonde::cli {
namespace {

/// All living descendants of `root`, parents first.
std::vector<uint32_t> TreeBelow(uint32_t root) {
  std::multimap<pid_t, pid_t> children;
  const ProcFs procfs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (const auto status = procfs.ReadStatus(pid)) children.emplace(status->parent, pid);
  }
  std::vector<uint32_t> tree;
  std::vector<pid_t> pending = {static_cast<pid_t>(root)};
  while (!pending.empty()) {
    const pid_t parent = pending.back();
    pending.pop_back();
    const auto [first, last] = children.equal_range(parent);
    for (auto child = first; child != last; ++child) {
      tree.push_back(static_cast<uint32_t>(child->second));
      pending.push_back(child->second);
    }
  }
  return tree;
}

bool IsReadable(int fd) {
  pollfd poller{fd, POLLIN, 0};
  return poll(&poller, 1, 0) > 0;
}

/// True when a signal asks Sonde to end.
bool AskedToEnd(SignalQueue& signals) {
  while (const auto info = signals.Next()) {
    switch (info->ssi_signo) {
      case SIGINT:
      case SIGTERM:
      case SIGHUP:
      case SIGQUIT:
        return true;
      case SIGTSTP:
        StopSelf(SIGTSTP);
        break;
      default:
        break;
    }
  }
  return false;
}

/// Selects the process; then, again and again, whatever it has started meanwhile.
absl::Status SelectAll(const Options& options, LiveSession& session) {
  absl::Status selected = session.capture().SelectProcessTree(options.pid);
  if (!selected.ok() || !options.tree) return selected;
  const auto own = static_cast<uint32_t>(getpid());
  for (uint32_t pid : TreeBelow(options.pid)) {
    // One that is gone by now is no error; Sonde may stand below the process itself.
    if (pid != own) session.capture().SelectProcessTree(pid).IgnoreError();
  }
  return absl::OkStatus();
}

}  // namespace

int AttachCommand(const Options& options, const Start& start) {
  if (options.pid == 0) return Fail(kExitUsage, "--pid: 0 is no process");
  const int target = static_cast<int>(syscall(SYS_pidfd_open, options.pid, 0));
  if (target < 0) {
    const std::string reason =
        errno == ESRCH ? "there is no such process" : std::generic_category().message(errno);
    return Fail(1, absl::StrCat("cannot attach to ", options.pid, ": ", reason));
  }
  const auto owner = FindInvokingUser(start.environment, geteuid());
  if (!owner.ok()) return Fail(1, owner.status());
  const auto book = LoadPrices(options.output);
  if (!book.ok()) return Fail(1, book.status());
  const auto outputs =
      Outputs::Create(options.output, *owner, start.environment, Outputs::Slow::kLose);
  if (!outputs.ok()) return Fail(1, outputs.status());
  const auto session = LiveSession::Start(options, *owner, *book, outputs->get());
  if (!session.ok()) return Fail(1, session.status());
  SignalQueue signals;
  const absl::Status selected = SelectAll(options, **session);
  if (!selected.ok()) return Fail(1, selected);
  const absl::Status exporting = (*outputs)->StartExport();
  if (!exporting.ok()) return Fail(1, exporting);
  (*outputs)->Say(absl::StrCat("attached to ", options.pid, "; Ctrl-C prints the bill"));

  while (!IsReadable(target) && !AskedToEnd(signals)) (*session)->Turn({signals.fd(), target});
  if (IsReadable(target)) (*session)->DrainUntilExit(options.pid);
  EventHub::BillContext context;
  context.sockets = !options.capture.no_sockets;
  (*session)->Finish(context);
  return 0;
}

}  // namespace sonde::cli
