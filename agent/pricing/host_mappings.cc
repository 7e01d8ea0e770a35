#include "agent/pricing/host_mappings.h"

#include <map>
#include <nlohmann/json.hpp>

namespace sonde::pricing {

BookSource HostMappings(std::string file,
                        const std::vector<std::pair<std::string, std::string>>& hosts) {
  std::map<std::string, std::vector<std::string>> by_id;
  for (const auto& [host, id] : hosts) by_id[id].push_back(host);
  nlohmann::ordered_json book{{"schema", "pricebook/1"}};
  for (const auto& [id, names] : by_id) book["providers"].push_back({{"id", id}, {"hosts", names}});
  return {std::move(file), book.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace sonde::pricing
