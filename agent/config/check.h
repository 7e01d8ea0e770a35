// What types and bounds alone cannot say of a configuration.
#ifndef SONDE_AGENT_CONFIG_CHECK_H_
#define SONDE_AGENT_CONFIG_CHECK_H_

#include <functional>

#include "agent/config/config.h"
#include "agent/config/problem.h"

namespace sonde::config {

/// Looks at the configuration as a whole and at the files it names. Problems come without lines.
/// A fatal one means that the agent could not do what is asked; a warning, that it cannot yet (a
/// cgroup that may still be made) or that something has no effect.
void Check(const Config& config, const std::function<void(Problem)>& tell);

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_CHECK_H_
