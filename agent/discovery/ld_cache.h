// The dynamic linker's cache of libraries.
#ifndef SONDE_AGENT_DISCOVERY_LD_CACHE_H_
#define SONDE_AGENT_DISCOVERY_LD_CACHE_H_

#include <string>
#include <string_view>
#include <vector>

namespace sonde::discovery {

struct CachedLibrary {
  std::string name;  ///< "libssl.so.3"
  std::string path;
};

/// Libraries of the cache whose name begins with `prefix`, from the bytes of /etc/ld.so.cache
/// (glibc's format 1.1). What does not read as such gives nothing.
std::vector<CachedLibrary> ParseLdCache(std::string_view cache, std::string_view prefix);

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_LD_CACHE_H_
