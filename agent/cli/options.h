// What can be said on Sonde's command line.
#ifndef SONDE_AGENT_CLI_OPTIONS_H_
#define SONDE_AGENT_CLI_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace sonde::cli {

/// Where calls go; the same for all commands that report calls.
struct OutputOptions {
  std::string lines = "auto";  ///< auto, always, never, or a file's path (with a / or a dot).
  bool json = false;           ///< Records and bill as JSON lines on standard error.
  std::string records;         ///< File for usage records, "-": standard output; empty: none.
  std::string otlp;            ///< URL; empty: no export unless otlp_from_env.
  std::vector<std::string> otlp_headers;  ///< NAME=VALUE.
  bool otlp_from_env = false;
  std::string metrics;  ///< ADDRESS:PORT of a Prometheus page; empty: no port.
  std::string service_name;
  std::string profile = "1.41";
  std::string prices;                  ///< Directory of overrides; empty: none.
  std::vector<std::string> providers;  ///< HOST[:PORT]=ID.
  std::string seed;                    ///< Of the calls' ids; empty: random.
};

/// How the kernel is watched.
struct CaptureFlags {
  bool no_sockets = false;
  uint64_t ring_bytes = 16U << 20;
};

enum class Command : uint8_t {
  kRun,
  kAttach,
  kRecord,
  kReplay,
  kPricesShow,
  kPricesExplain,
  kPricesCheck,
  kDoctor,
  kAgent,
  kConfigCheck,
  kConfigShow,
  kConfigSchema,
};

struct PriceOptions {
  std::string provider;
  std::string model;
  std::string tier;
  std::string region;
  std::string at;                       ///< Date or time in UTC; empty is now.
  std::vector<std::string> quantities;  ///< UNIT=COUNT.
  std::vector<std::string> paths;       ///< Of `check`: files and directories.
  std::vector<std::string> words;       ///< [PROVIDER] [MODEL]; of `explain` also UNIT=COUNT.
};

struct Options {
  Command command = Command::kRun;
  OutputOptions output;
  CaptureFlags capture;
  PriceOptions price;
  bool keep_root = false;
  bool wait_all = false;
  bool tree = false;
  bool mask_text = false;
  uint32_t pid = 0;                    ///< Of attach, and of record without a command; 0: none.
  std::string capture_file;            ///< Of record and replay.
  std::string config_file;             ///< Of agent and config.
  std::vector<std::string> arguments;  ///< CMD and its arguments.
};

/// What to do instead of a command: print `text` and leave.
struct ParseExit {
  int status = 0;
  std::string text;
};

struct Parsed {
  std::optional<Options> options;
  ParseExit exit;  ///< Meaningful without options.
};

/// Exit status of a command line that cannot be understood, for commands that start no other.
inline constexpr int kExitUsage = 2;

/// `words` are argv without the program's name. For `run` and `record`, the first word that is no
/// flag, or what follows "--", begins the command; nothing behind it is looked at.
Parsed ParseCommandLine(const std::vector<std::string>& words);

/// "64k", "16M", "1g" or plain bytes.
absl::StatusOr<uint64_t> ParseSize(const std::string& text);

/// HOST[:PORT]=ID as a price book source that maps the hosts; "" for none. The error names the
/// word that is wrong.
absl::StatusOr<std::string> ProviderSource(const std::vector<std::string>& mappings);

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_OPTIONS_H_
