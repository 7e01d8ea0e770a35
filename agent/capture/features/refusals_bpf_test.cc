// Hosts that cannot capture, as far as a process can make one around itself: each is refused with a
// sentence that says what is missing and what to do.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/live_capture.h"
#include "agent/capture/testing/harness.h"

namespace sonde::capture {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string CreateHere() {
  testing::Recorder recorder;
  const absl::Status status = LiveCapture::Create({}, &recorder).status();
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

/// What LiveCapture::Create says to a process that has first called `arrange`.
std::string CreateAfter(const std::function<bool()>& arrange) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const std::string said = arrange() ? CreateHere() : "the host could not be arranged";
    _exit(write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 1024> part;
  ssize_t got = 0;
  while ((got = read(ends[0], part.data(), part.size())) > 0) {
    said.append(part.data(), static_cast<size_t>(got));
  }
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return said;
}

/// Covers a folder with an empty file system that nobody else sees.
bool Hide(const char* folder) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("none", folder, "tmpfs", 0, nullptr) == 0;
}

/// Lets one command of bpf(2) fail as a kernel without it would.
bool RefuseBpfCommand(uint32_t command, int error) {
  std::array<sock_filter, 6> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  sock_fprog program = {static_cast<uint16_t>(code.size()), code.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class RefusalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = testing::CannotCapture(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(RefusalTest, AnotherUserThanRoot) {
  const std::string said = CreateAfter([] { return setresuid(65534, 65534, 65534) == 0; });
  EXPECT_THAT(said,
              AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("needs root"), HasSubstr("sudo")));
}

TEST_F(RefusalTest, RootWithoutCapabilities) {
  const std::string said = CreateAfter([] {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none = {};
    return syscall(SYS_capset, &header, none.data()) == 0;
  });
  EXPECT_THAT(said, AllOf(StartsWith("PERMISSION_DENIED"), HasSubstr("CAP_BPF"),
                          HasSubstr("CAP_PERFMON"), HasSubstr("--privileged")));
}

TEST_F(RefusalTest, APidNamespace) {
  // The namespace is that of children: the one that asks is a grandchild.
  const std::string said = CreateAfter([] {
    if (unshare(CLONE_NEWPID) != 0) return false;
    const pid_t inside = fork();
    if (inside == 0) return true;
    waitpid(inside, nullptr, 0);
    _exit(0);
  });
  EXPECT_THAT(said, AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("PID namespace"),
                          HasSubstr("--pid=host")));
}

TEST_F(RefusalTest, NoProc) {
  EXPECT_THAT(CreateAfter([] { return Hide("/proc"); }),
              AllOf(StartsWith("FAILED_PRECONDITION"), HasSubstr("mount -t proc")));
}

TEST_F(RefusalTest, AKernelThatDoesNotDescribeItself) {
  EXPECT_THAT(CreateAfter([] { return Hide("/sys/kernel/btf"); }),
              AllOf(StartsWith("UNIMPLEMENTED"), HasSubstr("/sys/kernel/btf/vmlinux"),
                    HasSubstr("CONFIG_DEBUG_INFO_BTF")));
}

TEST_F(RefusalTest, AKernelWithoutRingBuffers) {
  EXPECT_THAT(CreateAfter([] { return RefuseBpfCommand(BPF_MAP_CREATE, EINVAL); }),
              AllOf(StartsWith("UNIMPLEMENTED"), HasSubstr("ring buffer"), HasSubstr("5.8")));
}

TEST_F(RefusalTest, AKernelWithoutBpfPrograms) {
  EXPECT_THAT(CreateAfter([] { return RefuseBpfCommand(BPF_PROG_LOAD, ENOSYS); }),
              AllOf(StartsWith("UNIMPLEMENTED"), HasSubstr("CONFIG_BPF_SYSCALL")));
}

}  // namespace
}  // namespace sonde::capture
