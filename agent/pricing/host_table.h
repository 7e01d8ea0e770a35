// Which provider stands behind a host.
#ifndef SONDE_AGENT_PRICING_HOST_TABLE_H_
#define SONDE_AGENT_PRICING_HOST_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pricing/book_data.h"

namespace sonde::pricing {

/// Immutable. A user's rules come before the built-in ones, rules with a port before those without,
/// exact hosts before patterns, longer patterns before shorter ones, later files before earlier.
class HostTable {
 public:
  HostTable() = default;
  explicit HostTable(const std::vector<HostRule>& rules);

  /// `host` may carry a port of its own, which is used when `port` is 0. Empty when nobody's.
  std::string_view Find(std::string_view host, uint16_t port) const;

 private:
  struct Row {
    std::string host;
    uint16_t port = 0;  ///< 0: any.
    std::string provider;
    int layer = 0;
    size_t order = 0;
  };
  std::vector<Row> rows_;  ///< The first that fits is the answer.
};

/// Whether a host fits "name", ".suffix" (labels in front are required) or a pattern in which '*'
/// stands for one or more characters of one label.
bool HostFits(std::string_view pattern, std::string_view host);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_HOST_TABLE_H_
