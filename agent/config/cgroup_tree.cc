#include "agent/config/cgroup_tree.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace sonde::config {
namespace {

/// "/a//b/" as "/a/b"; "" for the root.
std::string Normal(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '/' && out.ends_with('/')) continue;
    if (out.empty() && c != '/') out += '/';
    out += c;
  }
  while (out.ends_with('/')) out.pop_back();
  return out;
}

bool IsBelow(const std::string& path, const std::string& mount) {
  return path == mount || path.starts_with(mount + "/");
}

}  // namespace

CgroupTree CgroupTree::FromMounts(const std::string& mounts) {
  std::vector<std::pair<int, std::string>> found;
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string device;
    std::string point;
    std::string type;
    std::string options;
    words >> device >> point >> type >> options;
    const bool memory = ("," + options + ",").find(",memory,") != std::string::npos;
    if (type == "cgroup2") found.emplace_back(0, point);
    if (type == "cgroup") found.emplace_back(memory ? 1 : 2, point);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  CgroupTree tree;
  for (auto& [rank, point] : found) tree.mounts_.push_back(std::move(point));
  return tree;
}

CgroupTree CgroupTree::OfHost() {
  std::ifstream file("/proc/self/mounts");
  return FromMounts({std::istreambuf_iterator<char>(file), {}});
}

std::string CgroupTree::Directory(const std::string& cgroup) const {
  const std::string path = Normal(cgroup);
  if (path.empty()) return "";
  for (const std::string& mount : mounts_) {
    if (path == mount) return "";
    if (IsBelow(path, mount)) return path;
    // A folder of mount points is no cgroup.
    if (IsBelow(mount, path)) return "";
  }
  for (const std::string& mount : mounts_) {
    if (access((mount + path).c_str(), F_OK) == 0) return mount + path;
  }
  return mounts_.empty() ? "" : mounts_.front() + path;
}

std::string CgroupTree::Path(const std::string& cgroup) const {
  const std::string directory = Directory(cgroup);
  for (const std::string& mount : mounts_) {
    if (IsBelow(directory, mount)) return directory.substr(mount.size());
  }
  return "";
}

}  // namespace sonde::config
