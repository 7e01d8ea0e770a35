// What procfs says about a process.
#ifndef SONDE_AGENT_DISCOVERY_PROCESS_FACTS_H_
#define SONDE_AGENT_DISCOVERY_PROCESS_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sonde::discovery {

/// Command lines are cut to this many bytes.
inline constexpr size_t kCommandLineBytes = 4096;

struct ProcessFacts {
  uint32_t pid = 0;
  uint32_t parent_pid = 0;
  /// CLOCK_BOOTTIME start in nanoseconds, cut to clock ticks as procfs shows it: the kernel
  /// programs cut theirs alike.
  uint64_t start_ns = 0;
  uint32_t uid = 0;
  std::string comm;
  std::string executable;
  std::string command_line;  ///< Arguments joined by one blank.
  std::string cgroup;        ///< The v2 path, or the v1 memory controller's where v2 says "/".
};

/// Reads /proc/PID below `proc` (another folder in tests). NotFound when there is no such process.
absl::StatusOr<ProcessFacts> ReadProcessFacts(uint32_t pid, const std::string& proc = "/proc");

/// Start time from the text of /proc/PID/stat; the command name in it may hold anything.
std::optional<uint64_t> ParseStartTime(std::string_view stat);

/// The most telling cgroup path in the text of /proc/PID/cgroup.
std::string ParseCgroupPath(std::string_view cgroup);

/// The whole of a small file, up to `limit` bytes; empty when it cannot be read.
std::string ReadSmallFile(const std::string& path, size_t limit);

/// All descendants of a process that run now, without itself.
std::vector<uint32_t> Descendants(uint32_t pid, const std::string& proc = "/proc");

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_PROCESS_FACTS_H_
