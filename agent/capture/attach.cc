#include "agent/capture/attach.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::capture {
namespace {

/// BPF_LINK_CREATE's argument for uprobe_multi, as Linux 6.6 laid it down.
struct UprobeMultiLink {
  uint32_t program;
  uint32_t target;
  uint32_t attach_type;
  uint32_t flags;
  uint64_t path;
  uint64_t offsets;
  uint64_t counter_offsets;
  uint64_t cookies;
  uint32_t count;
  uint32_t multi_flags;
  uint32_t pid;
  uint32_t padding;
};
static_assert(offsetof(UprobeMultiLink, path) == 16);
constexpr uint32_t kMultiReturn = 1;

int OpenPerfEvent(perf_event_attr* attributes) {
  attributes->size = sizeof(*attributes);
  return static_cast<int>(
      syscall(SYS_perf_event_open, attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
}

/// Binds the program to the event and switches it on.
absl::StatusOr<FileDescriptor> Bind(int event, int program, const std::string& what) {
  FileDescriptor owned(event);
  if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program) != 0 ||
      ioctl(event, PERF_EVENT_IOC_ENABLE, 0) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot bind the program to ", what));
  }
  return owned;
}

/// A number in a small file of sysfs or tracefs, or -1.
int64_t ReadNumber(int directory, const std::string& path) {
  const FileDescriptor file(openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[64] = {};
  if (!file.valid() || read(file.get(), text, sizeof(text) - 1) <= 0) return -1;
  const char* digits = std::strpbrk(text, "0123456789");
  return digits == nullptr ? -1 : std::strtol(digits, nullptr, 10);
}

/// The type number of the uprobe event source, and the bit in its config that asks for returns.
struct UprobeSource {
  int64_t type = -1;
  int64_t return_bit = -1;
};

const UprobeSource& Uprobes() {
  static const UprobeSource source = {
      ReadNumber(AT_FDCWD, "/sys/bus/event_source/devices/uprobe/type"),
      ReadNumber(AT_FDCWD, "/sys/bus/event_source/devices/uprobe/format/retprobe")};
  return source;
}

/// Where tracefs can be read: mounted, or else a mount of our own that no one else sees.
int Tracefs() {
  static const int directory = [] {
    for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
      const int found = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (found >= 0 && faccessat(found, "events", F_OK, 0) == 0) return found;
      if (found >= 0) close(found);
    }
    const int context = static_cast<int>(syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC));
    if (context < 0) return -1;
    int mounted = -1;
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0) {
      mounted = static_cast<int>(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
    }
    close(context);
    return mounted;
  }();
  return directory;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<FileDescriptor> AttachUprobeMulti(int program, const std::string& path,
                                                 std::span<const uint64_t> offsets,
                                                 bool at_return) {
  UprobeMultiLink link = {};
  link.program = static_cast<uint32_t>(program);
  link.attach_type = kUprobeMultiAttachType;
  link.path = reinterpret_cast<uint64_t>(path.c_str());
  link.offsets = reinterpret_cast<uint64_t>(offsets.data());
  link.count = static_cast<uint32_t>(offsets.size());
  link.multi_flags = at_return ? kMultiReturn : 0;
  const int fd = static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link)));
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot probe ", path));
  return FileDescriptor(fd);
}

absl::StatusOr<FileDescriptor> AttachUprobe(int program, const std::string& path, uint64_t offset,
                                            bool at_return) {
  const UprobeSource& source = Uprobes();
  if (source.type < 0 || source.return_bit < 0) {
    return absl::UnimplementedError(
        "this kernel has no uprobe event source (CONFIG_UPROBE_EVENTS is off)");
  }
  perf_event_attr attributes = {};
  attributes.type = static_cast<uint32_t>(source.type);
  attributes.config = at_return ? 1ULL << source.return_bit : 0;
  attributes.uprobe_path = reinterpret_cast<uint64_t>(path.c_str());
  attributes.probe_offset = offset;
  const int event = OpenPerfEvent(&attributes);
  if (event < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot probe ", path, " at ", offset));
  }
  return Bind(event, program, path);
}

absl::StatusOr<FileDescriptor> AttachTracepoint(int program, const std::string& group,
                                                const std::string& name) {
  const int directory = Tracefs();
  if (directory < 0) {
    return absl::UnimplementedError(
        "tracefs cannot be read: mount it (mount -t tracefs tracefs /sys/kernel/tracing)");
  }
  const int64_t id = ReadNumber(directory, absl::StrCat("events/", group, "/", name, "/id"));
  if (id < 0) {
    return absl::NotFoundError(absl::StrCat("this kernel has no tracepoint ", group, ":", name));
  }
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = static_cast<uint64_t>(id);
  const int event = OpenPerfEvent(&attributes);
  if (event < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open tracepoint ", group, ":", name));
  }
  return Bind(event, program, absl::StrCat(group, ":", name));
}

absl::StatusOr<FileDescriptor> AttachRawTracepoint(int program, const std::string& name) {
  const int fd = bpf_raw_tracepoint_open(name.c_str(), program);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open raw tracepoint ", name));
  }
  return FileDescriptor(fd);
}

}  // namespace sonde::capture
