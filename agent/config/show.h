// A configuration as text: all of it with its defaults, and the JSON Schema of the file.
#ifndef SONDE_AGENT_CONFIG_SHOW_H_
#define SONDE_AGENT_CONFIG_SHOW_H_

#include <string>

#include "agent/config/config.h"

namespace sonde::config {

/// YAML that reads back to the same configuration, but for secrets, which show as "********".
std::string ShowConfig(const Config& config);

/// JSON Schema (draft 2020-12) for editors: names, types, meanings, bounds, defaults.
std::string ConfigSchema();

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_SHOW_H_
