// `sonde agent` and `sonde config`.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/cli/commands.h"
#include "agent/cli/random_seed.h"
#include "agent/cli/signals.h"
#include "agent/config/read.h"
#include "agent/config/show.h"
#include "agent/daemon/daemon.h"
#include "agent/daemon/log.h"
#include "agent/export/otlp/settings.h"

namespace sonde::cli {
namespace {

const char* Variable(const char* name) { return getenv(name); }

/// Prints what is wrong; null when the file cannot be used.
std::shared_ptr<const config::Config> Load(const std::string& path) {
  const config::Loaded loaded = config::LoadConfig(path, Variable);
  for (const config::Problem& problem : loaded.problems.all()) {
    std::fprintf(stderr, "%s\n", config::Describe(path, problem).c_str());
  }
  if (loaded.problems.left_out() > 0) {
    std::fprintf(stderr, "%s: and %zu more\n", path.c_str(), loaded.problems.left_out());
  }
  return loaded.config;
}

/// What only the rooms that use a value can say of it. True when all of it can be used.
bool CheckByUse(const std::string& path, const config::Config& config) {
  bool good = true;
  const auto tell = [&](const std::string& where, const absl::Status& status) {
    if (status.ok()) return;
    good = false;
    std::fprintf(stderr, "%s: %s: %s\n", path.c_str(), where.c_str(),
                 std::string(status.message()).c_str());
  };
  for (size_t i = 0; i < config.otlp.size(); ++i) {
    const std::string where = "otlp[" + std::to_string(i) + "]";
    tell(where + ".endpoint", exporter::SettingsFromUrl(config.otlp[i].endpoint).status());
    for (const auto& [name, value] : config.otlp[i].headers) {
      if (exporter::IsExportHeader(name, value.value)) continue;
      tell(where + ".headers",
           absl::InvalidArgumentError(
               "\"" + name +
               "\" cannot be sent: a name has lower-case letters, a value printable ASCII"));
    }
  }
  tell("prices", daemon::LoadBook(config.prices).status());
  return good;
}

}  // namespace

int ConfigCommand(const Options& options) {
  if (options.command == Command::kConfigSchema) {
    std::fputs(config::ConfigSchema().c_str(), stdout);
    return 0;
  }
  const auto config = Load(options.config_file);
  if (config == nullptr || !CheckByUse(options.config_file, *config)) return 1;
  if (options.command == Command::kConfigShow) {
    std::fputs(config::ShowConfig(*config).c_str(), stdout);
  } else {
    std::printf("%s: good\n", options.config_file.c_str());
  }
  return 0;
}

int AgentCommand(const Options& options) {
  const auto config = Load(options.config_file);
  if (config == nullptr || !CheckByUse(options.config_file, *config)) return kExitUsage;
  daemon::Log log(exporter::LineQueue::ForDescriptor(STDERR_FILENO, "standard error", {}),
                  config->log);
  SignalQueue signals;
  daemon::Daemon::Options setup;
  setup.version = SONDE_VERSION;
  setup.config_path = options.config_file;
  setup.environment = Variable;
  setup.config = config;
  setup.id_seed = RandomSeed();
  setup.signal_fd = signals.fd();
  setup.next_signal = [&signals]() -> std::optional<int> {
    const auto info = signals.Next();
    return info ? std::optional<int>(static_cast<int>(info->ssi_signo)) : std::nullopt;
  };
  const auto agent = daemon::Daemon::Start(std::move(setup), &log);
  if (!agent.ok()) {
    log.Error(std::string(agent.status().message()));
    log.Flush();
    return 1;
  }
  (*agent)->Run();
  return 0;
}

}  // namespace sonde::cli
