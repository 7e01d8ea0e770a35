// "Did you mean ...?" for keys and ids that nobody knows.
#ifndef SONDE_AGENT_PRICING_NEAREST_NAME_H_
#define SONDE_AGENT_PRICING_NEAREST_NAME_H_

#include <string>
#include <string_view>
#include <vector>

namespace sonde::pricing {

/// ", did you mean \"X\"?" for the candidate with the fewest edits, or "" when none is near.
std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_NEAREST_NAME_H_
