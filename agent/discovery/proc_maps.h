// The files a process has mapped executable, from the text of /proc/PID/maps.
#ifndef SONDE_AGENT_DISCOVERY_PROC_MAPS_H_
#define SONDE_AGENT_DISCOVERY_PROC_MAPS_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::discovery {

struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t file_offset = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;
  std::string path;  ///< As the process sees it, without " (deleted)".
  bool deleted = false;
};

/// Executable mappings of files, the first of each file only. Lines that do not read as maps
/// lines are skipped.
std::vector<Mapping> ParseExecutableMappings(std::string_view maps);

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_PROC_MAPS_H_
