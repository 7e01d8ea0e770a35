#include "agent/cli/nearest.h"

#include "agent/text/nearest.h"

namespace sonde::cli {

std::string Nearest(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string_view found = text::Nearest(word, {candidates.begin(), candidates.end()});
  return found.empty() ? "" : "; did you mean " + std::string(found) + "?";
}

}  // namespace sonde::cli
