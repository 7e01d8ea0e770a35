#include "agent/discovery/ld_cache.h"

#include <cstdint>
#include <cstring>

namespace sonde::discovery {
namespace {

// glibc's dl-cache.h: the magic, counts, flags; then entries; then their strings.
constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr size_t kHeaderBytes = 48;
constexpr size_t kEntryBytes = 24;

uint32_t Read32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

/// The string at an offset; empty when it is not inside.
std::string_view TextAt(std::string_view bytes, size_t at) {
  if (at >= bytes.size()) return {};
  const size_t end = bytes.find('\0', at);
  return end == std::string_view::npos ? std::string_view{} : bytes.substr(at, end - at);
}

}  // namespace

std::vector<CachedLibrary> ParseLdCache(std::string_view cache, std::string_view prefix) {
  std::vector<CachedLibrary> found;
  // An older format may stand in front of it.
  const size_t start = cache.find(kMagic);
  if (start == std::string_view::npos) return found;
  cache.remove_prefix(start);
  if (cache.size() < kHeaderBytes) return found;
  const size_t count = Read32(cache, kMagic.size());
  if (count > (cache.size() - kHeaderBytes) / kEntryBytes) return found;
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = kHeaderBytes + i * kEntryBytes;
    const std::string_view name = TextAt(cache, Read32(cache, entry + 4));
    const std::string_view path = TextAt(cache, Read32(cache, entry + 8));
    if (name.empty() || path.empty() || !name.starts_with(prefix)) continue;
    found.push_back({std::string(name), std::string(path)});
  }
  return found;
}

}  // namespace sonde::discovery
