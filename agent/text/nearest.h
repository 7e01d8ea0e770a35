// "Did you mean ...?" for words nobody knows: keys, ids, flags.
#ifndef SONDE_AGENT_TEXT_NEAREST_H_
#define SONDE_AGENT_TEXT_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

namespace sonde::text {

/// The candidate with the fewest edits (Levenshtein), if at most a third of the word and at least
/// one letter of it stays; else "". Words beyond 64 bytes are near to nothing.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& candidates);

/// "; did you mean \"X\"?" of the nearest candidate; "" without one.
std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace sonde::text

#endif  // SONDE_AGENT_TEXT_NEAREST_H_
