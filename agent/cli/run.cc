// `sonde run` and `sonde record`.
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/file/secrets.h"
#include "agent/cli/bystander.h"
#include "agent/cli/child_process.h"
#include "agent/cli/commands.h"
#include "agent/cli/invoking_user.h"
#include "agent/cli/live_session.h"
#include "agent/cli/outputs.h"
#include "agent/cli/supervisor.h"

namespace sonde::cli {
namespace {

constexpr size_t kLongestAgain = 160;

/// For the advice to repeat a command: as typed, quoted where a shell needs it.
std::string CommandText(const Options& options) {
  std::string text = "sonde run --";
  for (const std::string& word : options.arguments) {
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n\"'\\$`&|;<>()*?[]#~!{}") == std::string::npos;
    std::string quoted = word;
    for (size_t at = 0; !plain && (at = quoted.find('\'', at)) != std::string::npos; at += 4) {
      quoted.replace(at, 1, "'\\''");
    }
    text += " " + (plain ? word : "'" + quoted + "'");
  }
  text = capture::MaskCommandLine(std::move(text));
  if (text.size() > kLongestAgain) text = text.substr(0, kLongestAgain) + " ...";
  return text;
}

/// Everything the command would have had without Sonde and sudo.
Launch MakeLaunch(const Options& options, const Start& start, const std::optional<User>& user) {
  Launch launch;
  launch.arguments = options.arguments;
  launch.environment = start.environment;
  launch.signals = start.signals;
  launch.inherited_descriptors = start.descriptors;
  launch.limits = ReadLimits(0);
  if (!user) return launch;
  const ProcFs procfs;
  const Ancestry ancestry = FindAncestry(procfs, getpid(), user->uid);
  launch.user = user;
  launch.environment = UserEnvironment(procfs, ancestry, start.environment, *user);
  if (ancestry.shell != 0) {
    const Limits limits = ReadLimits(ancestry.shell);
    if (!limits.empty()) launch.limits = limits;
    if (const auto status = procfs.ReadStatus(ancestry.shell)) launch.umask = status->umask;
  }
  return launch;
}

void AttachAhead(const Launch& launch, LiveSession& session) {
  std::error_code error;
  const std::string directory = std::filesystem::current_path(error).string();
  const absl::Status ahead = session.capture().AttachCommandAhead(
      launch.arguments.front(), launch.environment.Get("PATH").value_or("/usr/bin:/bin"),
      error ? "/" : directory);
  if (!ahead.ok()) session.Warn(std::string(ahead.message()));
}

void SayWhatIsRecorded(const Options& options, Outputs& outputs) {
  if (options.command != Command::kRecord) return;
  outputs.Say(absl::StrCat(
      options.capture_file,
      options.mask_text
          ? " will hold the conversations with message text and credentials masked; models, ids "
            "(also of users), names of tools, paths, programs and their options stay readable"
          : " will hold prompts and replies in clear text; credentials are masked, and --mask-text "
            "masks message text too"));
}

bool OthersAlive(LiveSession& session) {
  for (uint32_t pid : session.hub().descendants().alive()) {
    if (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) return true;
    session.hub().descendants().Forget(pid);
  }
  return false;
}

int Supervise(const Options& options, ChildProcess& child, SignalQueue& signals,
              Bystander& bystander, LiveSession& session) {
  Supervisor supervisor(&child, &signals, &bystander,
                        [&](const std::vector<int>& wake) { session.Turn(wake); });
  const int status = supervisor.WaitForChild();
  session.DrainUntilExit(static_cast<uint32_t>(child.pid()));
  if (options.wait_all) supervisor.WaitForOthers([&] { return OthersAlive(session); });
  EventHub::BillContext context;
  context.launched = true;
  context.sockets = !options.capture.no_sockets;
  context.again = CommandText(options);
  session.Finish(context);
  return status;
}

}  // namespace

int RunCommand(const Options& options, const Start& start) {
  absl::StatusOr<std::optional<User>> user = FindInvokingUser(start.environment, geteuid());
  if (!user.ok()) return Fail(kExitSondeFailed, user.status());
  const std::optional<User> owner = *user;
  if (options.keep_root) user->reset();

  const auto book = LoadPrices(options.output);
  if (!book.ok()) return Fail(kExitSondeFailed, book.status());
  const Launch launch = MakeLaunch(options, start, *user);
  const auto outputs =
      Outputs::Create(options.output, owner, launch.environment, Outputs::Slow::kLose);
  if (!outputs.ok()) return Fail(kExitSondeFailed, outputs.status());
  const auto session = LiveSession::Start(options, owner, *book, outputs->get());
  if (!session.ok()) return Fail(kExitSondeFailed, session.status());
  AttachAhead(launch, **session);

  SignalQueue signals;
  Bystander bystander(start.arguments);
  const auto child = ChildProcess::Start(launch);
  if (!child.ok()) return Fail(kExitSondeFailed, child.status());
  const auto selected =
      (*session)->capture().SelectProcessTree(static_cast<uint32_t>((*child)->pid()));
  if (!selected.ok()) return Fail(kExitSondeFailed, selected);
  // Threads from here on: nothing forks any more.
  const absl::Status exporting = (*outputs)->StartExport();
  if (!exporting.ok()) return Fail(kExitSondeFailed, exporting);
  SayWhatIsRecorded(options, **outputs);
  if (const auto failure = (*child)->Release()) {
    return Fail(failure->exit_status, failure->message);
  }
  return Supervise(options, **child, signals, bystander, **session);
}

}  // namespace sonde::cli
