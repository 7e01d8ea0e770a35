#include "agent/pricing/host_table.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"

namespace sonde::pricing {
namespace {

constexpr size_t kLongestHost = 255;

/// "[::1]:8443" and "localhost:8443" are a host and a port; "::1" is a host.
std::pair<std::string_view, uint16_t> SplitPort(std::string_view host) {
  const size_t colon = host.rfind(':');
  const bool bracketed = !host.empty() && host.front() == '[';
  std::pair<std::string_view, uint16_t> out{host, 0};
  const bool has_port =
      colon != host.npos && (bracketed ? host[colon - 1] == ']' : host.find(':') == colon);
  if (has_port) {
    const std::string_view digits = host.substr(colon + 1);
    uint16_t port = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size()) {
      out = {host.substr(0, colon), port};
    }
  }
  if (bracketed && out.first.size() >= 2 && out.first.back() == ']') {
    out.first = out.first.substr(1, out.first.size() - 2);
  }
  return out;
}

/// One label against a pattern with '*' in it.
bool LabelFits(std::string_view pattern, std::string_view label) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == label;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (label.size() <= before.size() || label.substr(0, before.size()) != before) return false;
  // The star takes at least one character; what is behind it may hold further stars.
  for (size_t i = before.size() + 1; i <= label.size(); ++i) {
    if (LabelFits(after, label.substr(i))) return true;
  }
  return false;
}

/// Takes the last label off.
std::string_view TakeLabel(std::string_view& host) {
  const size_t dot = host.rfind('.');
  const std::string_view label = dot == host.npos ? host : host.substr(dot + 1);
  host = dot == host.npos ? std::string_view() : host.substr(0, dot);
  return label;
}

}  // namespace

bool HostFits(std::string_view pattern, std::string_view host) {
  const bool suffix = !pattern.empty() && pattern.front() == '.';
  if (suffix) pattern.remove_prefix(1);
  while (!pattern.empty()) {
    if (host.empty()) return false;
    if (!LabelFits(TakeLabel(pattern), TakeLabel(host))) return false;
  }
  return suffix ? !host.empty() : host.empty();
}

HostTable::HostTable(const std::vector<HostRule>& rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto [host, port] = SplitPort(rules[i].host);
    if (host.empty()) continue;
    rows_.push_back({.host = std::string(host),
                     .port = port,
                     .provider = rules[i].provider,
                     .layer = rules[i].layer,
                     .order = i});
  }
  const auto rank = [](const Row& row) {
    const bool exact = row.host.front() != '.' && row.host.find('*') == row.host.npos;
    return std::tuple(row.layer > 0, row.port != 0, exact, row.layer, row.host.size(), row.order);
  };
  std::sort(rows_.begin(), rows_.end(),
            [&rank](const Row& a, const Row& b) { return rank(b) < rank(a); });
}

std::string_view HostTable::Find(std::string_view host, uint16_t port) const {
  if (host.empty() || host.size() > kLongestHost) return {};
  const std::string lower = absl::AsciiStrToLower(absl::string_view(host.data(), host.size()));
  auto [name, own_port] = SplitPort(lower);
  if (port == 0) port = own_port;
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  for (const Row& row : rows_) {
    if (row.port != 0 && row.port != port) continue;
    if (HostFits(row.host, name)) return row.provider;
  }
  return {};
}

}  // namespace sonde::pricing
