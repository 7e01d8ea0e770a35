// A seed for the ids of calls.
#ifndef SONDE_AGENT_CLI_RANDOM_SEED_H_
#define SONDE_AGENT_CLI_RANDOM_SEED_H_

#include <string>

namespace sonde::cli {

/// 16 random bytes in hexadecimal; where the system gives none, time and process id.
std::string RandomSeed();

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_RANDOM_SEED_H_
