// YAML text to a Config.
#ifndef SONDE_AGENT_CONFIG_READ_H_
#define SONDE_AGENT_CONFIG_READ_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "agent/config/problem.h"

namespace sonde::config {

/// Larger files are refused.
inline constexpr size_t kMostBytes = 1U << 20;

/// Value of an environment variable, or null.
using Lookup = const char* (*)(const char* name);

/// A file as read. `config` is null when a problem is fatal: a broken file is refused whole.
struct Loaded {
  std::shared_ptr<const Config> config;
  Problems problems;
};

/// Reads and checks `text`. Types, bounds, unknown and repeated keys, and what Check (check.h)
/// finds are told with their lines. In text, ${env:NAME} stands for a variable that `environment`
/// must know.
Loaded ReadConfig(const std::string& text, Lookup environment);

/// The same of a file; one that cannot be read is a problem too.
Loaded LoadConfig(const std::string& path, Lookup environment);

/// "64k", "16MiB", "1G" or plain bytes; false when it is none.
bool ParseBytes(std::string_view text, uint64_t* count);

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_READ_H_
