#include "agent/daemon/privileges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sonde::daemon {
namespace {

using ::testing::Contains;
using ::testing::Not;

/// What cannot be undone is done in a child; its exit status is the number of the first
/// expectation that did not hold.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Holds(const Capabilities& all, const std::string& name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

class PrivilegesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(PrivilegesTest, KeepsWhatProbesNeedAndNothingElse) {
  ASSERT_THAT(EffectiveCapabilities(), Contains("cap_setuid"));
  EXPECT_EQ(InChild([] {
              const auto kept = DropPrivileges([] { return absl::OkStatus(); });
              if (!kept.ok()) return 1;
              if (*kept != EffectiveCapabilities()) return 2;
              if (!Holds(*kept, "cap_bpf") || !Holds(*kept, "cap_perfmon")) return 3;
              if (Holds(*kept, "cap_sys_admin") || Holds(*kept, "cap_setuid")) return 4;
              if (setuid(12345) == 0) return 5;
              if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 6;
              return 0;
            }),
            0);
}

TEST_F(PrivilegesTest, AKernelThatAsksForMoreGetsIt) {
  EXPECT_EQ(InChild([] {
              int asked = 0;
              const auto kept = DropPrivileges([&asked] {
                ++asked;
                return Holds(EffectiveCapabilities(), "cap_sys_admin")
                           ? absl::OkStatus()
                           : absl::PermissionDeniedError("refused");
              });
              if (!kept.ok() || asked != 2) return 1;
              return Holds(*kept, "cap_sys_admin") && !Holds(*kept, "cap_setuid") ? 0 : 2;
            }),
            0);
}

TEST_F(PrivilegesTest, WhenNothingWorksItIsToldAndStillDropped) {
  EXPECT_EQ(InChild([] {
              const auto kept =
                  DropPrivileges([] { return absl::PermissionDeniedError("refused"); });
              if (kept.ok()) return 1;
              return Holds(EffectiveCapabilities(), "cap_setuid") ? 2 : 0;
            }),
            0);
}

TEST_F(PrivilegesTest, AProgramStartedLaterGetsNothing) {
  EXPECT_EQ(InChild([] {
              if (!DropPrivileges([] { return absl::OkStatus(); }).ok()) return 1;
              execl("/bin/sh", "sh", "-c", "grep -qP '^CapEff:\\t0+$' /proc/self/status", nullptr);
              return 2;
            }),
            0);
}

}  // namespace
}  // namespace sonde::daemon
