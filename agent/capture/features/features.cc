#include "agent/capture/features/features.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/attach.h"

namespace sonde::capture {
namespace {

// The inode that the kernel gives its first PID namespace (PROC_PID_INIT_INO).
constexpr uint64_t kRootPidNamespace = 0xEFFFFFFC;
constexpr const char* kKernelBtf = "/sys/kernel/btf/vmlinux";

absl::Status CheckPidNamespace() {
  struct stat status = {};
  if (stat("/proc/self/ns/pid", &status) != 0) {
    return absl::FailedPreconditionError(
        "/proc is not mounted, so no process can be looked at: mount -t proc proc /proc");
  }
  if (status.st_ino == kRootPidNamespace) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "Sonde runs inside a PID namespace and the kernel names processes by the host's numbers: run "
      "it on the host, or in a container with the host's PID namespace (docker run --pid=host, "
      "hostPID: true)");
}

absl::Status CheckPrivilege() {
  // The smallest program there is: return 0.
  const std::array<bpf_insn, 2> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  const FileDescriptor loaded(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sonde_probe", "GPL",
                                            program.data(), program.size(), nullptr));
  if (loaded.valid()) return absl::OkStatus();
  if (errno == EPERM || errno == EACCES) {
    return absl::PermissionDeniedError(
        geteuid() == 0
            ? "root lacks CAP_BPF and CAP_PERFMON here: grant them (docker run --privileged, or "
              "capabilities BPF, PERFMON, SYS_ADMIN, SYS_PTRACE, SYS_RESOURCE)"
            : "loading BPF programs needs root: run it with sudo");
  }
  return absl::UnimplementedError(
      absl::StrCat("this kernel refuses BPF programs (", std::strerror(errno),
                   "): it needs CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS"));
}

absl::Status CheckRingBuffer() {
  const auto page = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  const FileDescriptor ring(
      bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sonde_probe", 0, 0, page, nullptr));
  if (ring.valid()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("this kernel has no BPF ring buffer (",
                                               std::strerror(errno),
                                               "): it needs Linux 5.8 or newer"));
}

}  // namespace

absl::Status CheckHost() {
  if (absl::Status status = CheckPidNamespace(); !status.ok()) return status;
  if (absl::Status status = CheckPrivilege(); !status.ok()) return status;
  if (access(kKernelBtf, R_OK) != 0) {
    return absl::UnimplementedError(
        absl::StrCat(kKernelBtf,
                     " is missing: the kernel does not describe its own types, and without that "
                     "Sonde cannot find its way in them; use a kernel with CONFIG_DEBUG_INFO_BTF"));
  }
  return CheckRingBuffer();
}

bool HasUprobeMulti() {
  const std::array<bpf_insn, 2> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  bpf_prog_load_opts options = {};
  options.sz = sizeof(options);
  options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMultiAttachType);
  const FileDescriptor loaded(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sonde_probe", "GPL",
                                            program.data(), program.size(), &options));
  if (!loaded.valid()) return false;
  // A folder cannot be probed: a kernel that knows the link says EBADF, another EINVAL.
  const uint64_t offset = 0;
  const absl::StatusOr<FileDescriptor> link =
      AttachUprobeMulti(loaded.get(), "/", {&offset, 1}, false);
  return absl::ErrnoToStatusCode(EBADF) == link.status().code();
}

}  // namespace sonde::capture
