#include "agent/discovery/proc_maps.h"

#include <charconv>
#include <optional>
#include <set>
#include <tuple>

namespace sonde::discovery {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

/// Takes the text before `separator` off the front of `line`.
std::string_view Take(std::string_view* line, char separator) {
  const size_t at = line->find(separator);
  const std::string_view field = line->substr(0, at);
  line->remove_prefix(at == std::string_view::npos ? line->size() : at + 1);
  return field;
}

template <typename Number>
bool Parse(std::string_view text, int base, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

/// "start-end perms offset major:minor inode   path"
std::optional<Mapping> ParseLine(std::string_view line) {
  Mapping mapping;
  if (!Parse(Take(&line, '-'), 16, &mapping.start)) return std::nullopt;
  if (!Parse(Take(&line, ' '), 16, &mapping.end)) return std::nullopt;
  const std::string_view permissions = Take(&line, ' ');
  if (permissions.size() < 3 || permissions[2] != 'x') return std::nullopt;
  if (!Parse(Take(&line, ' '), 16, &mapping.file_offset)) return std::nullopt;
  if (!Parse(Take(&line, ':'), 16, &mapping.device_major)) return std::nullopt;
  if (!Parse(Take(&line, ' '), 16, &mapping.device_minor)) return std::nullopt;
  if (!Parse(Take(&line, ' '), 10, &mapping.inode) || mapping.inode == 0) return std::nullopt;
  const size_t path = line.find_first_not_of(' ');
  if (path == std::string_view::npos || line[path] != '/') return std::nullopt;
  line.remove_prefix(path);
  if (line.ends_with(kDeleted)) {
    mapping.deleted = true;
    line.remove_suffix(kDeleted.size());
  }
  mapping.path = line;
  return mapping;
}

}  // namespace

std::vector<Mapping> ParseExecutableMappings(std::string_view maps) {
  std::vector<Mapping> mappings;
  std::set<std::tuple<uint32_t, uint32_t, uint64_t>> seen;
  while (!maps.empty()) {
    std::optional<Mapping> mapping = ParseLine(Take(&maps, '\n'));
    if (!mapping.has_value()) continue;
    if (!seen.emplace(mapping->device_major, mapping->device_minor, mapping->inode).second) {
      continue;
    }
    mappings.push_back(*std::move(mapping));
  }
  return mappings;
}

}  // namespace sonde::discovery
