#include "agent/cli/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

namespace sonde::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kDeadline = std::chrono::seconds(20);

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcessTest() {
    char name[] = "/tmp/sonde_child_XXXXXX";
    directory_ = mkdtemp(name);
    launch_.environment = Environment::FromArray(environ);
    sigemptyset(&launch_.signals.mask);
  }
  ~ChildProcessTest() override {
    std::error_code ignored;
    for (const std::string& file : files_) unlink(file.c_str());
    rmdir(directory_.c_str());
  }

  std::string Path(const std::string& name) {
    files_.push_back(directory_ + "/" + name);
    return files_.back();
  }

  std::string Script(const std::string& name, const std::string& text, mode_t mode) {
    const std::string path = Path(name);
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::unique_ptr<ChildProcess> Start(std::vector<std::string> arguments) {
    launch_.arguments = std::move(arguments);
    auto child = ChildProcess::Start(launch_);
    EXPECT_TRUE(child.ok()) << child.status();
    return *std::move(child);
  }

  /// Waits for the next change; the pidfd-less way: the kernel wakes waitid.
  static ChildChange Next(ChildProcess& child) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < end) {
      if (auto change = child.NextChange()) return *change;
      poll(nullptr, 0, 1);
    }
    ADD_FAILURE() << "the child did not change in time";
    child.Signal(SIGKILL);
    return {};
  }

  /// Runs a shell script that writes to $OUT and returns what it wrote.
  std::string Run(const std::string& script) {
    const std::string out = Path("out");
    launch_.environment.Set("OUT", out);
    auto child = Start({"/bin/sh", "-c", script});
    EXPECT_FALSE(child->Release().has_value());
    EXPECT_EQ(Next(*child).exit_status(), 0);
    std::ifstream stream(out);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string directory_;
  std::vector<std::string> files_;
  Launch launch_;
};

TEST_F(ChildProcessTest, ReportsTheExitStatus) {
  auto child = Start({"/bin/sh", "-c", "exit 7"});
  EXPECT_FALSE(child->Release().has_value());
  const ChildChange change = Next(*child);
  EXPECT_EQ(change.kind, ChildChange::Kind::kExited);
  EXPECT_EQ(change.exit_status(), 7);
  EXPECT_TRUE(child->ended());
}

TEST_F(ChildProcessTest, ReportsASignalAs128PlusItsNumber) {
  auto child = Start({"/bin/sh", "-c", "kill -TERM $$"});
  EXPECT_FALSE(child->Release().has_value());
  EXPECT_EQ(Next(*child).exit_status(), 128 + SIGTERM);
}

TEST_F(ChildProcessTest, SeesStopAndContinue) {
  auto child = Start({"/bin/sh", "-c", "kill -STOP $$; exit 3"});
  EXPECT_FALSE(child->Release().has_value());
  const ChildChange stopped = Next(*child);
  EXPECT_EQ(stopped.kind, ChildChange::Kind::kStopped);
  EXPECT_EQ(stopped.value, SIGSTOP);
  child->Signal(SIGCONT);
  EXPECT_EQ(Next(*child).kind, ChildChange::Kind::kContinued);
  EXPECT_EQ(Next(*child).exit_status(), 3);
}

TEST_F(ChildProcessTest, NothingRunsUnlessReleased) {
  const std::string mark = Path("mark");
  { auto child = Start({"/bin/sh", "-c", "echo ran > " + mark}); }
  EXPECT_NE(access(mark.c_str(), F_OK), 0);
}

TEST_F(ChildProcessTest, UnknownCommandIs127) {
  auto child = Start({"sonde-test-no-such-command"});
  const auto failure = child->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 127);
  EXPECT_EQ(failure->message, "sonde-test-no-such-command: command not found");
}

TEST_F(ChildProcessTest, EmptyCommandIs127) {
  const auto failure = Start({""})->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 127);
}

TEST_F(ChildProcessTest, MissingFileIs127) {
  const auto failure = Start({directory_ + "/missing"})->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 127);
  EXPECT_THAT(failure->message, HasSubstr("no such file"));
}

TEST_F(ChildProcessTest, MissingInterpreterIsNamed) {
  const auto failure = Start({Script("script", "#!/no/such/interpreter\n", 0755)})->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 127);
  EXPECT_THAT(failure->message, HasSubstr("interpreter"));
}

TEST_F(ChildProcessTest, FileThatIsNotExecutableIs126) {
  const auto failure = Start({Script("plain", "echo\n", 0644)})->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 126);
  EXPECT_THAT(failure->message, HasSubstr("Permission denied"));
}

TEST_F(ChildProcessTest, DirectoryIs126) {
  const auto failure = Start({directory_})->Release();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_status, 126);
}

TEST_F(ChildProcessTest, ScriptWithoutInterpreterLineRunsInTheShell) {
  auto child = Start({Script("bare", "exit $1\n", 0755), "9"});
  EXPECT_FALSE(child->Release().has_value());
  EXPECT_EQ(Next(*child).exit_status(), 9);
}

TEST_F(ChildProcessTest, PathIsTheCommandsOwn) {
  Script("tool", "#!/bin/sh\nexit 5\n", 0755);
  launch_.environment.Set("PATH", "/nonexistent:" + directory_);
  auto child = Start({"tool"});
  EXPECT_FALSE(child->Release().has_value());
  EXPECT_EQ(Next(*child).exit_status(), 5);
}

TEST_F(ChildProcessTest, EnvironmentIsWhatWasGiven) {
  launch_.environment.Set("SONDE_TEST_VALUE", "two words");
  EXPECT_EQ(Run("printf %s \"$SONDE_TEST_VALUE\" > $OUT"), "two words");
}

TEST_F(ChildProcessTest, UmaskAndLimitsAreRestored) {
  launch_.umask = 027;
  launch_.limits = {{RLIMIT_CORE, {0, 0}}, {RLIMIT_NOFILE, {321, 654}}};
  EXPECT_EQ(Run("{ umask; ulimit -Sn; ulimit -Hn; ulimit -c; } > $OUT"), "0027\n321\n654\n0\n");
}

constexpr std::uint64_t Bit(int signal) { return std::uint64_t{1} << (signal - 1); }

/// The hexadecimal value of a line of /proc/PID/status.
std::uint64_t MaskIn(const std::string& status, const std::string& name) {
  const std::size_t at = status.find(name + ":");
  EXPECT_NE(at, std::string::npos) << status;
  return at == std::string::npos ? 0
                                 : std::stoull(status.substr(at + name.size() + 1), nullptr, 16);
}

TEST_F(ChildProcessTest, SignalMaskAndIgnoredSignalsAreRestored) {
  // The C library's own, which only the kernel's call can ignore; make starts its children so.
  constexpr int kOfLibrary = 33;
  constexpr int kOtherOfLibrary = 32;  // As whoever started this test left it.
  launch_.signals.ignored[SIGHUP] = true;
  launch_.signals.ignored[kOfLibrary] = true;
  sigaddset(&launch_.signals.mask, SIGUSR2);
  const SignalState before = TakeOverSignals();
  std::thread([] {}).join();  // With it the library takes its signals.
  const std::string out = Path("status");
  // Not a shell: dash changes the mask for itself.
  auto child = Start({"sed", "-n", "/^Sig[BI][lg][kn]/w" + out, "/proc/self/status"});
  EXPECT_FALSE(child->Release().has_value());
  EXPECT_EQ(Next(*child).exit_status(), 0);
  std::ifstream stream(out);
  const std::string status{std::istreambuf_iterator<char>(stream), {}};
  before.Restore();
  EXPECT_EQ(MaskIn(status, "SigBlk"), Bit(SIGUSR2));
  EXPECT_EQ(MaskIn(status, "SigIgn") & ~Bit(kOtherOfLibrary), Bit(SIGHUP) | Bit(kOfLibrary));
}

TEST_F(ChildProcessTest, OnlyInheritedDescriptorsPass) {
  const int null = open("/dev/null", O_RDONLY);
  const int inherited = fcntl(null, F_DUPFD, 60);
  const int own = fcntl(null, F_DUPFD, 80);
  close(null);
  launch_.inherited_descriptors = {0, 1, 2, inherited};
  const std::string listing = Run("ls /proc/self/fd > $OUT");
  close(inherited);
  close(own);
  EXPECT_THAT(listing, HasSubstr(std::to_string(inherited) + "\n"));
  EXPECT_EQ(listing.find(std::to_string(own) + "\n"), std::string::npos) << listing;
}

TEST_F(ChildProcessTest, StaysInTheProcessGroup) {
  EXPECT_EQ(Run("ps -o pgid= -p $$ 2>/dev/null | tr -d ' \\n' > $OUT || true"),
            std::to_string(getpgrp()));
}

TEST_F(ChildProcessTest, BecomesTheUserCompletely) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  User user;
  user.uid = 61234;
  user.gid = 61235;
  user.groups = {61235, 61236};
  launch_.user = user;
  const std::string out = Path("out");
  std::ofstream{out};
  chmod(out.c_str(), 0666);
  chmod(directory_.c_str(), 0755);
  EXPECT_EQ(
      Run("{ id -u; id -g; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status; } > $OUT"),
      "61234\n61235\n61235 61236\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
      "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

TEST(OpenDescriptorsTest, AreInOrderAndHoldTheStandardOnes) {
  const int fd = open("/dev/null", O_RDONLY);
  const std::vector<int> descriptors = OpenDescriptors();
  close(fd);
  EXPECT_TRUE(std::is_sorted(descriptors.begin(), descriptors.end()));
  EXPECT_THAT(descriptors, ::testing::Contains(fd));
  EXPECT_THAT(descriptors, ::testing::Contains(STDERR_FILENO));
}

}  // namespace
}  // namespace sonde::cli
