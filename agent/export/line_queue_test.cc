#include "agent/export/line_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace sonde::exporter {
namespace {

namespace fs = std::filesystem;

constexpr auto kLong = std::chrono::seconds(20);

std::string Line(int number) { return std::string(1500, 'x') + std::to_string(number) + "\n"; }

/// Everything a descriptor holds just now.
std::string ReadNow(int fd) {
  std::string text;
  char buffer[4096];
  pollfd poller{fd, POLLIN, 0};
  while (poll(&poller, 1, 0) > 0) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

class LineQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sonde-lines-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "lines";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Text() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(LineQueueTest, WritesAtOnceIntoAPrivateFile) {
  std::ofstream(path_) << "old\n";
  fs::remove(path_);
  auto queue = LineQueue::Open(path_, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  (*queue)->Add("one\n");
  (*queue)->Add("two\n");
  EXPECT_EQ(Text(), "one\ntwo\n");
  EXPECT_TRUE((*queue)->idle());
  EXPECT_EQ((*queue)->stats().lines, 2u);
  EXPECT_EQ((*queue)->stats().bytes, fs::file_size(path_));
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(LineQueueTest, EmptiesTheFileThatIsThere) {
  std::ofstream(path_) << "old\n";
  auto queue = LineQueue::Open(path_, {});
  ASSERT_TRUE(queue.ok());
  EXPECT_EQ(fs::file_size(path_), 0u);
}

TEST_F(LineQueueTest, NamesTheFileItCannotOpen) {
  const auto queue = LineQueue::Open(folder_ / "none" / "lines", {});
  ASSERT_FALSE(queue.ok());
  EXPECT_EQ(queue.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(queue.status().message().find("none/lines"), absl::string_view::npos);
}

TEST_F(LineQueueTest, OpensWithTheOwnersRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  LineQueue::Options options;
  options.owner = FileOwner{kNobody, kNobody};
  EXPECT_FALSE(LineQueue::Open(path_, options).ok());  // The folder is root's, mode 0700.
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  ASSERT_TRUE(LineQueue::Open(path_, options).ok());
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, kNobody);
  EXPECT_EQ(file.st_gid, kNobody);
  // This thread has its own rights back.
  EXPECT_TRUE(LineQueue::Open(folder_ / "root", {}).ok());
  ASSERT_EQ(stat((folder_ / "root").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 0u);
}

TEST_F(LineQueueTest, AFullDiskIsNamedAndEveryLineCounted) {
  auto queue = LineQueue::Open("/dev/full", {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  (*queue)->Add("one\n");
  (*queue)->Add("two\n");
  EXPECT_EQ((*queue)->stats().lost, 2u);
  EXPECT_EQ((*queue)->stats().lines, 0u);
  EXPECT_EQ((*queue)->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE((*queue)->status().message().find("/dev/full"), absl::string_view::npos);
}

// In a child of its own: the file size limit belongs to the whole process.
int WriteBeyondTheLimit(const std::string& path) {
  signal(SIGXFSZ, SIG_IGN);
  auto queue = LineQueue::Open(path, {});
  if (!queue.ok()) return 2;
  (*queue)->Add(Line(1));
  const rlimit limit{(*queue)->stats().bytes + 100, RLIM_INFINITY};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
  (*queue)->Add(Line(2));  // 100 bytes fit, then the write stops.
  return (*queue)->stats().lost == 1 && (*queue)->stats().lines == 1 ? 0 : 4;
}

TEST_F(LineQueueTest, TakesATornLineBack) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(WriteBeyondTheLimit(path_));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(Text(), Line(1));
}

class PipeTest : public LineQueueTest {
 protected:
  void SetUp() override {
    LineQueueTest::SetUp();
    ASSERT_EQ(pipe2(ends_, O_CLOEXEC), 0);
    ASSERT_EQ(fcntl(ends_[1], F_SETPIPE_SZ, 4096), 4096);
  }
  void TearDown() override {
    for (int end : ends_) close(end);
    LineQueueTest::TearDown();
  }
  int ends_[2] = {-1, -1};
};

TEST_F(PipeTest, NothingIsLostWhileThereIsRoom) {
  auto queue = LineQueue::ForDescriptor(ends_[1], "pipe", {});
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    queue->Add(Line(i));
    expected += Line(i);
  }
  std::string text;
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!queue->idle() && std::chrono::steady_clock::now() < end) {
    text += ReadNow(ends_[0]);
    queue->Flush();
  }
  text += ReadNow(ends_[0]);
  EXPECT_EQ(text, expected);
  EXPECT_EQ(queue->stats().lost, 0u);
}

TEST_F(PipeTest, AReaderThatNeverReadsHoldsNobodyUp) {
  auto queue = LineQueue::ForDescriptor(ends_[1], "pipe", {});
  const auto start = std::chrono::steady_clock::now();
  const uint64_t lines = 2 * LineQueue::kMostBytes / Line(0).size();
  for (uint64_t i = 0; i < lines; ++i) queue->Add(Line(0));
  EXPECT_GT(queue->stats().lost, 0u);  // Beyond the bound.
  queue->Finish("bill\n", 50);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(queue->stats().lost + queue->stats().lines, lines + 1);
  EXPECT_NE(queue->status().message().find("pipe"), absl::string_view::npos);
}

TEST_F(PipeTest, TheSharedDescriptorKeepsItsFlags) {
  const int before = fcntl(ends_[1], F_GETFL);
  auto queue = LineQueue::ForDescriptor(ends_[1], "pipe", {});
  for (int i = 0; i < 10; ++i) queue->Add(Line(i));
  EXPECT_EQ(fcntl(ends_[1], F_GETFL), before);
  EXPECT_EQ(before & O_NONBLOCK, 0);
}

TEST_F(PipeTest, APatientQueueWaitsForASlowReader) {
  constexpr int kLines = 50;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends_[0]);
    auto queue = LineQueue::ForDescriptor(ends_[1], "pipe", {.owner = {}, .patient = true});
    for (int i = 0; i < kLines; ++i) queue->Add(Line(i));
    _exit(queue->stats().lost == 0 && queue->idle() ? 0 : 1);
  }
  close(std::exchange(ends_[1], -1));
  std::string text;
  char buffer[100];
  for (ssize_t n; (n = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::string expected;
  for (int i = 0; i < kLines; ++i) expected += Line(i);
  EXPECT_EQ(text, expected);
}

TEST_F(PipeTest, SurvivesAReaderThatLeft) {
  close(std::exchange(ends_[0], -1));
  auto queue = LineQueue::ForDescriptor(ends_[1], "standard error", {});
  queue->Add("one\n");  // SIGPIPE would end the test.
  EXPECT_EQ(queue->stats().lost, 1u);
  EXPECT_NE(queue->status().message().find("standard error"), absl::string_view::npos);
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST_F(LineQueueTest, ASocketThatNobodyReadsHoldsNobodyUp) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  auto queue = LineQueue::ForDescriptor(ends[1], "socket", {});
  for (int i = 0; i < 1000; ++i) queue->Add(Line(i));
  EXPECT_FALSE(queue->idle());
  EXPECT_EQ(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(ReadNow(ends[0]).starts_with(Line(0) + Line(1)));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(LineQueueTest, ANamedPipeIsOpenedWhenItsReaderComes) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  auto queue = LineQueue::Open(path_, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  (*queue)->Add("one\n");
  EXPECT_FALSE((*queue)->idle());
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  (*queue)->Add("two\n");
  EXPECT_TRUE((*queue)->idle());
  EXPECT_EQ(ReadNow(reader), "one\ntwo\n");
  close(reader);
}

TEST_F(LineQueueTest, ANamedPipeThatNobodyReadsIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  auto queue = LineQueue::Open(path_, {});
  ASSERT_TRUE(queue.ok()) << queue.status();
  (*queue)->Add("one\n");
  const auto start = std::chrono::steady_clock::now();
  (*queue)->Finish("", 30);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_EQ((*queue)->stats().lost, 1u);
  EXPECT_NE((*queue)->status().message().find("opened"), absl::string_view::npos);
}

}  // namespace
}  // namespace sonde::exporter
