// The subcommands. Each returns Sonde's exit status.
#ifndef SONDE_AGENT_CLI_COMMANDS_H_
#define SONDE_AGENT_CLI_COMMANDS_H_

#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "agent/cli/environment.h"
#include "agent/cli/options.h"
#include "agent/cli/signals.h"

namespace sonde::cli {

/// What Sonde was started with, taken before anything else happens.
struct Start {
  Environment environment;
  std::vector<int> descriptors;
  SignalState signals;
  std::span<char> arguments;  ///< Memory of argv.
};

int RunCommand(const Options& options, const Start& start);  ///< `run` and `record`.
int AttachCommand(const Options& options, const Start& start);
int ReplayCommand(const Options& options, const Start& start);
int PricesCommand(const Options& options);
int DoctorCommand();
int AgentCommand(const Options& options);
int ConfigCommand(const Options& options);

/// "sonde: MESSAGE" on standard error; returns `status`.
int Fail(int status, std::string_view message);
/// The same for an error, with a full stop nowhere and a hint where one is known.
int Fail(int status, const absl::Status& error);

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_COMMANDS_H_
