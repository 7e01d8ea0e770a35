// Ways to hang a loaded BPF program onto something, each a descriptor that holds it there.
#ifndef SONDE_AGENT_CAPTURE_ATTACH_H_
#define SONDE_AGENT_CAPTURE_ATTACH_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace sonde::capture {

/// A descriptor that closes with its owner.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// One program at many offsets of one file, for all processes (Linux 6.6+). The program must have
/// been loaded for it.
absl::StatusOr<FileDescriptor> AttachUprobeMulti(int program, const std::string& path,
                                                 std::span<const uint64_t> offsets, bool at_return);

/// One program at one offset of one file, for all processes, through a perf event.
absl::StatusOr<FileDescriptor> AttachUprobe(int program, const std::string& path, uint64_t offset,
                                            bool at_return);

/// One program at a tracepoint, such as ("syscalls", "sys_enter_mmap").
absl::StatusOr<FileDescriptor> AttachTracepoint(int program, const std::string& group,
                                                const std::string& name);

absl::StatusOr<FileDescriptor> AttachRawTracepoint(int program, const std::string& name);

/// The attach type that programs for AttachUprobeMulti are loaded with. Debian 12's headers and
/// libbpf do not know it.
inline constexpr int kUprobeMultiAttachType = 48;

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_ATTACH_H_
