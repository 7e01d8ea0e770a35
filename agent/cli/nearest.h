// "Did you mean ...?" for words of the command line.
#ifndef SONDE_AGENT_CLI_NEAREST_H_
#define SONDE_AGENT_CLI_NEAREST_H_

#include <string>
#include <vector>

namespace sonde::cli {

/// "; did you mean X?" for the nearest candidate (text::Nearest); else "".
std::string Nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_NEAREST_H_
