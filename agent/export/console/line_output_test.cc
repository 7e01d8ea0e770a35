#include "agent/export/console/line_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <string>

namespace sonde::exporter::console {
namespace {

/// What a descriptor holds now; waits until `end` was read or ten seconds passed.
std::string ReadUntil(int fd, std::string_view end) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (text.find(end) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    pollfd poller{fd, POLLIN, 0};
    if (poll(&poller, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

/// Lines to `fd`, as Sonde makes them for its standard error.
LineOutput To(int fd, bool fresh_line = true, bool hold = true) {
  return {LineQueue::ForDescriptor(fd, "test", {}),
          {.fd = fd, .hold = hold, .fresh_line = fresh_line}};
}

class TerminalTest : public ::testing::Test {
 protected:
  TerminalTest() {
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    setenv("TERM", "linux", 1);
    winsize size{.ws_row = 24, .ws_col = 80};
    EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    termios mode{};
    tcgetattr(slave_, &mode);
    mode.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // What is written is what is read.
    tcsetattr(slave_, TCSANOW, &mode);
  }
  ~TerminalTest() override {
    close(master_);
    close(slave_);
  }
  void SetRaw(bool raw) const {
    termios mode{};
    tcgetattr(slave_, &mode);
    mode.c_lflag =
        raw ? mode.c_lflag & ~static_cast<tcflag_t>(ICANON | ECHO) : mode.c_lflag | ICANON | ECHO;
    tcsetattr(slave_, TCSANOW, &mode);
  }

  int master_ = -1;
  int slave_ = -1;
};

TEST_F(TerminalTest, BeginsOnAFreshLine) {
  LineOutput output = To(slave_);
  output.Write("one");
  EXPECT_EQ(ReadUntil(master_, "one\r\n"), std::string(80, ' ') + "\rone\r\n");
}

TEST_F(TerminalTest, WhereItIsUnderstoodBlanksAreRepeated) {
  setenv("TERM", "xterm-256color", 1);
  LineOutput output = To(slave_);
  output.Write("one");
  EXPECT_EQ(ReadUntil(master_, "one\r\n"), " \x1b[79b\rone\r\n");
}

TEST_F(TerminalTest, LinesWaitForTheEndOfRawMode) {
  LineOutput output = To(slave_, false);
  SetRaw(true);
  output.Write("held");
  output.Flush();
  pollfd poller{master_, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 0), 0);
  SetRaw(false);
  output.Flush();
  EXPECT_EQ(ReadUntil(master_, "held\r\n"), "held\r\n");
}

TEST_F(TerminalTest, LinesWaitForTheEndOfTheAlternateScreen) {
  LineOutput output = To(slave_, false);
  bool in_use = true;
  output.HoldWhile([&] { return in_use; });
  output.Write("held");
  output.Flush();
  pollfd poller{master_, POLLIN, 0};
  EXPECT_EQ(poll(&poller, 1, 0), 0);
  in_use = false;
  output.Flush();
  EXPECT_EQ(ReadUntil(master_, "held\r\n"), "held\r\n");
}

TEST_F(TerminalTest, AStoppedTerminalHoldsNobodyUp) {
  LineOutput output = To(slave_, false);
  ASSERT_EQ(tcflow(slave_, TCOOFF), 0);  // As Ctrl-S does.
  for (int i = 0; i < 100; ++i) output.Write(std::string(1000, 'x'));
  ASSERT_EQ(tcflow(slave_, TCOON), 0);
  std::string text;
  while (!text.ends_with("end\r\n")) {
    if (text.empty()) output.Write("end");
    const std::string more = ReadUntil(master_, "\n");
    ASSERT_FALSE(more.empty());
    text += more;
    output.Flush();
  }
  EXPECT_EQ(output.dropped(), 0U);
}

TEST_F(TerminalTest, AlwaysDoesNotWait) {
  LineOutput output = To(slave_, false, false);
  SetRaw(true);
  output.Write("now");
  EXPECT_EQ(ReadUntil(master_, "now\r\n"), "now\r\n");
}

TEST_F(TerminalTest, FinishWritesWhatWasHeld) {
  LineOutput output = To(slave_, false);
  SetRaw(true);
  output.Write("held");
  output.Finish("bill\ntotal\n", 1000);
  EXPECT_EQ(ReadUntil(master_, "total\r\n"), "held\r\nbill\r\ntotal\r\n");
}

TEST_F(TerminalTest, HeldLinesAreBounded) {
  LineOutput output = To(slave_, false);
  SetRaw(true);
  for (size_t i = 0; i < LineOutput::kHeld + 10; ++i) output.Write("x");
  EXPECT_EQ(output.dropped(), 10U);
}

TEST_F(TerminalTest, WidthAndColour) {
  LineOutput output = To(slave_);
  EXPECT_EQ(output.style().width, 79U);
  EXPECT_TRUE(output.style().colour);
  winsize size{.ws_row = 24, .ws_col = 132};
  ASSERT_EQ(ioctl(slave_, TIOCSWINSZ, &size), 0);
  EXPECT_EQ(output.style().width, 131U);
  setenv("COLUMNS", "100", 1);
  EXPECT_EQ(output.style().width, 100U);
  setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(To(slave_).style().colour);
  unsetenv("NO_COLOR");
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(To(slave_).style().colour);
}

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() {
    unsetenv("COLUMNS");
    EXPECT_EQ(pipe2(fds_, O_CLOEXEC), 0);
  }
  ~PipeTest() override {
    for (int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  int fds_[2] = {-1, -1};
};

TEST_F(PipeTest, PlainLinesWithoutColour) {
  LineOutput output = To(fds_[1]);
  EXPECT_FALSE(output.style().colour);
  EXPECT_FALSE(output.style().wrap);
  output.Write("one");
  output.Finish("bill\n", 1000);
  EXPECT_EQ(ReadUntil(fds_[0], "bill\n"), "one\nbill\n");
}

TEST_F(PipeTest, AReaderThatDoesNotReadIsNotWaitedFor) {
  LineOutput output = To(fds_[1]);
  const std::string line(1000, 'x');
  for (int i = 0; i < 200; ++i) output.Write(line);
  const auto start = std::chrono::steady_clock::now();
  output.Finish("bill\n", 50);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST_F(PipeTest, TheDescriptorThatOthersShareKeepsItsFlags) {
  const int before = fcntl(fds_[1], F_GETFL);
  LineOutput output = To(fds_[1]);
  output.Write("one");
  EXPECT_EQ(fcntl(fds_[1], F_GETFL), before);
}

TEST_F(PipeTest, LinesThatWaitedComeInOrder) {
  LineOutput output = To(fds_[1]);
  const std::string line(1000, 'x');
  for (int i = 0; i < 200; ++i) output.Write(line + std::to_string(i));
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (text.find("x199\n") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    text += ReadUntil(fds_[0], "\n");
    output.Flush();
  }
  size_t at = 0;
  for (int i = 0; i < 200; ++i) {
    at = text.find("x" + std::to_string(i) + "\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(PipeTest, AClosedReaderIsNoError) {
  signal(SIGPIPE, SIG_IGN);
  close(fds_[0]);
  fds_[0] = -1;
  LineOutput output = To(fds_[1]);
  output.Write("one");
  output.Finish("bill\n", 1000);
}

}  // namespace
}  // namespace sonde::exporter::console
