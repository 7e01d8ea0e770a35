#include "agent/capture/cgroup_path.h"

#include <bpf/btf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sonde::capture {
namespace {

/// The controllers of the v1 mount that holds this device number, from mountinfo's super options.
std::vector<std::string> ControllersOf(dev_t device) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  const std::string wanted = absl::StrCat(major(device), ":", minor(device));
  while (std::getline(mounts, line)) {
    // "36 35 98:0 /root /mount options - type source super,options"
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 10 || fields[2] != wanted) continue;
    return absl::StrSplit(fields.back(), ',');
  }
  return {};
}

/// The value of `NAME_cgrp_id` in the running kernel, or -1.
int32_t SubsystemIndex(const std::string& controller) {
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__load_vmlinux_btf(), btf__free);
  if (types == nullptr) return -1;
  const int32_t id = btf__find_by_name_kind(types.get(), "cgroup_subsys_id", BTF_KIND_ENUM);
  if (id < 0) return -1;
  const btf_type* type = btf__type_by_id(types.get(), static_cast<uint32_t>(id));
  // The block controller kept its old name in v1's mount options.
  const std::string wanted = absl::StrCat(controller == "blkio" ? "io" : controller, "_cgrp_id");
  const struct btf_enum* values = btf_enum(type);
  for (int i = 0; i < btf_vlen(type); ++i) {
    const char* name = btf__name_by_offset(types.get(), values[i].name_off);
    if (name != nullptr && wanted == name) return values[i].val;
  }
  return -1;
}

}  // namespace

absl::StatusOr<Cgroup> ResolveCgroup(const std::string& directory) {
  struct statfs system = {};
  struct stat status = {};
  if (statfs(directory.c_str(), &system) != 0 || stat(directory.c_str(), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at the cgroup ", directory));
  }
  const bool unified = system.f_type == CGROUP2_SUPER_MAGIC;
  if ((!unified && system.f_type != CGROUP_SUPER_MAGIC) || !S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory, " is no cgroup directory; name one below /sys/fs/cgroup"));
  }
  // The root's id is 1 in every hierarchy. A directory whose parent is another file system is a
  // root as well: a container sees its own cgroup as one, but there it must be named from outside.
  struct stat parent = {};
  if (status.st_ino == 1 ||
      (stat((directory + "/..").c_str(), &parent) == 0 && parent.st_dev != status.st_dev)) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory,
                     " is the root of a cgroup hierarchy: selecting it would select the "
                     "whole host; name a cgroup below it"));
  }
  Cgroup cgroup;
  cgroup.id = status.st_ino;
  if (unified) return cgroup;
  for (const std::string& option : ControllersOf(status.st_dev)) {
    const int32_t index = SubsystemIndex(option);
    if (index < 0) continue;
    cgroup.subsystem = index;
    cgroup.controller = option;
    return cgroup;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(directory,
                   " belongs to a version 1 hierarchy without a controller; name the "
                   "same cgroup under memory or pids"));
}

std::vector<uint32_t> CgroupProcesses(const std::string& directory) {
  std::vector<uint32_t> pids;
  const auto read = [&pids](const std::filesystem::path& folder) {
    std::ifstream file(folder / "cgroup.procs");
    uint32_t pid = 0;
    while (file >> pid) pids.push_back(pid);
  };
  read(directory);
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(directory, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) read(it->path());
  }
  return pids;
}

}  // namespace sonde::capture
