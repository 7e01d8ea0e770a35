// Where the host's cgroup hierarchies are mounted.
#ifndef SONDE_AGENT_CONFIG_CGROUP_TREE_H_
#define SONDE_AGENT_CONFIG_CGROUP_TREE_H_

#include <string>
#include <vector>

namespace sonde::config {

/// Mount points of cgroup hierarchies: version 2's first, then version 1's memory controller, where
/// pods of a hybrid host live, then the others.
class CgroupTree {
 public:
  /// From the text of /proc/self/mounts.
  static CgroupTree FromMounts(const std::string& mounts);
  static CgroupTree OfHost();

  /// The directory that `cgroup` means: itself when it lies below a mount point, else the first
  /// hierarchy's directory of that path that exists, or would be, when none does. Without blank
  /// ends; "" when it is the root of a hierarchy, or none is mounted.
  std::string Directory(const std::string& cgroup) const;
  /// The same without its mount point: "/kubepods/x", as /proc/PID/cgroup spells it.
  std::string Path(const std::string& cgroup) const;

 private:
  std::vector<std::string> mounts_;
};

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_CGROUP_TREE_H_
