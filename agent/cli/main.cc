// The program `sonde`: understands the command line and hands over to a subcommand.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "agent/cli/child_process.h"
#include "agent/cli/commands.h"
#include "agent/cli/options.h"

extern char** environ;

namespace sonde::cli {

int Fail(int status, std::string_view message) {
  std::fprintf(stderr, "sonde: %.*s\n", static_cast<int>(message.size()), message.data());
  return status;
}

int Fail(int status, const absl::Status& error) {
  return Fail(status, std::string(error.message()));
}

namespace {

/// Sonde's own files must not land on 0, 1 or 2 when it was started with these closed. The command
/// gets them closed, as it would have.
void OccupyStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null != fd && null >= 0) close(null);
  }
}

int Dispatch(const Options& options, Start& start) {
  switch (options.command) {
    case Command::kRun:
    case Command::kRecord:
      start.signals = TakeOverSignals();
      return RunCommand(options, start);
    case Command::kAttach:
      start.signals = TakeOverSignals();
      return AttachCommand(options, start);
    case Command::kReplay:
      return ReplayCommand(options, start);
    case Command::kPricesShow:
    case Command::kPricesExplain:
    case Command::kPricesCheck:
      return PricesCommand(options);
    case Command::kDoctor:
      return DoctorCommand();
    case Command::kAgent:
      start.signals = TakeOverSignals();
      return AgentCommand(options);
    case Command::kConfigCheck:
    case Command::kConfigShow:
    case Command::kConfigSchema:
      return ConfigCommand(options);
  }
  return kExitUsage;
}

int Main(int count, char** words) {
  Start start;
  char* const last = words[count - 1];
  start.arguments = {words[0], static_cast<size_t>(last + strlen(last) + 1 - words[0])};
  start.descriptors = OpenDescriptors();
  OccupyStandardDescriptors();
  start.environment = Environment::FromArray(environ);
  const Parsed parsed = ParseCommandLine(std::vector<std::string>(words + 1, words + count));
  if (!parsed.options) {
    std::fputs(parsed.exit.text.c_str(), parsed.exit.status == 0 ? stdout : stderr);
    return parsed.exit.status;
  }
  return Dispatch(*parsed.options, start);
}

}  // namespace
}  // namespace sonde::cli

int main(int count, char** words) {
  const int status = sonde::cli::Main(count, words);
  std::fflush(nullptr);
  // Everything was printed and sent; libraries' own ends would only keep the shell waiting.
  _exit(status);
}
