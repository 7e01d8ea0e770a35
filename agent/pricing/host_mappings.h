// Hosts of one's own as a source of the price book.
#ifndef SONDE_AGENT_PRICING_HOST_MAPPINGS_H_
#define SONDE_AGENT_PRICING_HOST_MAPPINGS_H_

#include <string>
#include <utility>
#include <vector>

#include "agent/pricing/price_book.h"

namespace sonde::pricing {

/// A source that bills calls to each host ("gateway.example", "localhost:8443") as those of the
/// provider with the id beside it. `file` is what errors name.
BookSource HostMappings(std::string file,
                        const std::vector<std::pair<std::string, std::string>>& hosts);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_HOST_MAPPINGS_H_
