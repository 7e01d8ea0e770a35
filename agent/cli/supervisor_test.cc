// A process of the test plays Sonde: it takes over the signals, starts a command and supervises it,
// alone, in a process group, or on a terminal of its own with the test as the shell.
#include "agent/cli/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>

namespace sonde::cli {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);

bool WaitUntil(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

char StateOf(pid_t pid) {
  const auto status = ProcFs().ReadStatus(pid);
  return status ? status->state : '-';
}

/// Runs in the process that plays Sonde; ends it with the command's status.
[[noreturn]] void PlaySonde(const std::vector<std::string>& arguments, bool with_bystander) {
  const SignalState before = TakeOverSignals();
  SignalQueue signals;
  std::unique_ptr<Bystander> bystander;
  if (with_bystander) bystander = std::make_unique<Bystander>(std::span<char>());
  Launch launch;
  launch.arguments = arguments;
  launch.environment = Environment::FromArray(environ);
  launch.signals = before;
  launch.inherited_descriptors = OpenDescriptors();
  auto child = ChildProcess::Start(launch);
  if (!child.ok() || (*child)->Release()) _exit(125);
  Supervisor supervisor(child->get(), &signals, bystander.get(), [](const std::vector<int>& fds) {
    pollfd poller{fds[0], POLLIN, 0};
    poll(&poller, 1, 25);
  });
  const int status = supervisor.WaitForChild();
  bystander.reset();
  _exit(status);
}

class SupervisorTest : public ::testing::Test {
 protected:
  ~SupervisorTest() override {
    if (sonde_ > 0 && !reaped_) {
      kill(-sonde_, SIGKILL);
      waitpid(sonde_, nullptr, 0);
    }
    if (out_ >= 0) close(out_);
    if (master_ >= 0) close(master_);
  }

  /// In a process group of its own; its output comes through a pipe.
  void Start(const std::string& script, bool with_bystander = true) {
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    sonde_ = fork();
    if (sonde_ == 0) {
      setpgid(0, 0);
      dup2(fds[1], STDOUT_FILENO);
      close(fds[0]);
      close(fds[1]);
      PlaySonde({"/bin/bash", "-c", script}, with_bystander);
    }
    setpgid(sonde_, sonde_);
    close(fds[1]);
    out_ = fds[0];
  }

  /// As the foreground job of a terminal whose shell is a process of the test.
  void StartOnTerminal(const std::string& script) {
    int result[2];
    ASSERT_EQ(pipe(result), 0);
    const pid_t shell = forkpty(&master_, nullptr, nullptr, nullptr);
    if (shell == 0) {
      close(result[0]);
      Shell(script, result[1]);
    }
    close(result[1]);
    out_ = result[0];
    shell_ = shell;
  }

  /// Starts the job, says how it stops and ends, and continues it on SIGUSR1.
  [[noreturn]] static void Shell(const std::string& script, int result) {
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = fork();
    if (job == 0) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_DFL);
      close(result);
      while (tcgetpgrp(STDIN_FILENO) != getpid()) poll(nullptr, 0, 1);
      PlaySonde({"/bin/bash", "-c", script}, true);
    }
    setpgid(job, job);
    tcsetpgrp(STDIN_FILENO, job);
    dprintf(result, "job %d\n", job);
    int status = 0;
    while (waitpid(job, &status, WUNTRACED) == job) {
      if (!WIFSTOPPED(status)) break;
      dprintf(result, "stopped %d\n", WSTOPSIG(status));
      tcsetpgrp(STDIN_FILENO, getpid());
      tcsetpgrp(STDIN_FILENO, job);
      kill(-job, SIGCONT);
    }
    dprintf(result, "exit %d\n", WEXITSTATUS(status));
    _exit(0);
  }

  std::string ReadUntil(std::string_view end) {
    std::string text;
    WaitUntil([&] {
      pollfd poller{out_, POLLIN, 0};
      char c = 0;
      while (text.find(end) == std::string::npos && poll(&poller, 1, 0) > 0) {
        if (read(out_, &c, 1) != 1) return true;
        text += c;
      }
      return text.find(end) != std::string::npos;
    });
    return text;
  }

  int Wait() {
    int status = -1;
    EXPECT_TRUE(WaitUntil([&] { return waitpid(sonde_, &status, WNOHANG) == sonde_; }));
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  pid_t sonde_ = -1;
  pid_t shell_ = -1;
  bool reaped_ = false;
  int out_ = -1;
  int master_ = -1;
};

constexpr char kHandler[] =
    "n=0; trap 'n=$((n+1)); echo got' TERM HUP INT USR1; trap 'exit $((40+n))' USR2; echo ready; "
    "while :; do read -t 0.1 <> <(:) || :; done";

TEST_F(SupervisorTest, ReturnsTheStatus) {
  Start("exit 9");
  EXPECT_EQ(Wait(), 9);
}

TEST_F(SupervisorTest, DeathBySignalIs128Plus) {
  Start("kill -9 $$");
  EXPECT_EQ(Wait(), 128 + SIGKILL);
}

TEST_F(SupervisorTest, ASignalToSondeAloneReachesTheCommandOnce) {
  Start(kHandler);
  ReadUntil("ready\n");
  for (int number : {SIGTERM, SIGHUP, SIGINT, SIGUSR1}) {
    kill(sonde_, number);
    EXPECT_EQ(ReadUntil("got\n"), "got\n") << number;
  }
  kill(sonde_, SIGUSR2);
  EXPECT_EQ(Wait(), 44);
}

TEST_F(SupervisorTest, ASignalToTheGroupReachesTheCommandOnce) {
  Start(kHandler);
  ReadUntil("ready\n");
  for (int number : {SIGTERM, SIGTERM, SIGINT}) {
    kill(-sonde_, number);
    EXPECT_EQ(ReadUntil("got\n"), "got\n") << number;
  }
  kill(sonde_, SIGUSR2);
  EXPECT_EQ(Wait(), 43);
}

TEST_F(SupervisorTest, ItOutlivesWhatTheCommandDiesOf) {
  Start("echo ready; exec cat <> <(sleep 60)");
  ReadUntil("ready\n");
  kill(-sonde_, SIGTERM);
  EXPECT_EQ(Wait(), 128 + SIGTERM);
}

TEST_F(SupervisorTest, AStoppedCommandWithoutATerminalStopsNobodyElse) {
  Start("echo $$; while :; do read -t 0.1 <> <(:) || :; done");
  const pid_t command = std::stoi(ReadUntil("\n"));
  kill(command, SIGSTOP);
  ASSERT_TRUE(WaitUntil([&] { return StateOf(command) == 'T'; }));
  kill(command, SIGCONT);
  ASSERT_TRUE(WaitUntil([&] { return StateOf(command) != 'T'; }));
  EXPECT_NE(StateOf(sonde_), 'T');
  kill(command, SIGTERM);
  EXPECT_EQ(Wait(), 128 + SIGTERM);
}

TEST_F(SupervisorTest, TheShellSeesTheJobStopAndContinue) {
  StartOnTerminal("echo ready; kill -TSTP 0; exit 6");
  EXPECT_NE(ReadUntil("exit 6\n").find("stopped " + std::to_string(SIGTSTP)), std::string::npos);
  EXPECT_EQ(waitpid(shell_, nullptr, 0), shell_);
}

TEST_F(SupervisorTest, KeysOfTheTerminal) {
  StartOnTerminal(
      "trap 'exit 7' INT; stty -echo; echo ready; while :; do read -t 0.1 <> <(:) || :; done");
  ReadUntil("job");
  std::string shown;
  ASSERT_TRUE(WaitUntil([&] {
    pollfd poller{master_, POLLIN, 0};
    char c = 0;
    while (poll(&poller, 1, 0) > 0 && read(master_, &c, 1) == 1) shown += c;
    return shown.find("ready") != std::string::npos;
  }));
  ASSERT_EQ(write(master_, "\x1a", 1), 1);  // Ctrl-Z: stops; the shell continues it at once.
  EXPECT_NE(ReadUntil("stopped").find("stopped"), std::string::npos);
  ASSERT_EQ(write(master_, "\x03", 1), 1);  // Ctrl-C.
  EXPECT_NE(ReadUntil("exit 7\n").find("exit 7"), std::string::npos);
  EXPECT_EQ(waitpid(shell_, nullptr, 0), shell_);
}

}  // namespace
}  // namespace sonde::cli
