// A cgroup directory as the kernel's gate names it.
#ifndef SONDE_AGENT_CAPTURE_CGROUP_PATH_H_
#define SONDE_AGENT_CAPTURE_CGROUP_PATH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sonde::capture {

struct Cgroup {
  uint64_t id = 0;         ///< kernfs id: the directory's inode number.
  int32_t subsystem = -1;  ///< The v1 controller's index in this kernel; -1 for v2.
  std::string controller;  ///< Its name; empty for v2.
};

/// Resolves a directory of a cgroup file system. Refuses the root of a hierarchy, which would
/// select the whole host, and v1 hierarchies without a controller, which the kernel's programs
/// cannot look at. Needs the kernel's BTF for v1.
absl::StatusOr<Cgroup> ResolveCgroup(const std::string& directory);

/// Processes in the directory and below it now.
std::vector<uint32_t> CgroupProcesses(const std::string& directory);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_CGROUP_PATH_H_
