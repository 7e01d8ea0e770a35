#include "agent/pricing/nearest_name.h"

#include "agent/text/nearest.h"

namespace sonde::pricing {

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view found = text::Nearest(name, candidates);
  return found.empty() ? "" : ", did you mean \"" + std::string(found) + "\"?";
}

}  // namespace sonde::pricing
