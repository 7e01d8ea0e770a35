#include "agent/export/usage_record_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/export/test_calls.h"
#include "agent/export/usage_record.h"

namespace sonde::exporter {
namespace {

namespace fs = std::filesystem;

class UsageRecordWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sonde-usage-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "usage.jsonl";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(UsageRecordWriterTest, WritesOneLinePerCallAndKeepsTheFilePrivate) {
  auto writer = UsageRecordWriter::Open(path_, {});
  ASSERT_TRUE(writer.ok()) << writer.status();
  (*writer)->OnCall(MakeOpenAiStream());
  EXPECT_EQ(Lines().size(), 1u);  // Nothing is buffered.
  (*writer)->OnCall(MakeRateLimited());
  EXPECT_EQ(Lines(), (std::vector<std::string>{UsageRecord(MakeOpenAiStream()),
                                               UsageRecord(MakeRateLimited())}));
  EXPECT_EQ((*writer)->stats().lines, 2u);
  EXPECT_EQ((*writer)->stats().bytes, fs::file_size(path_));
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(UsageRecordWriterTest, EmptiesTheFileThatIsThere) {
  std::ofstream(path_) << "old\n";
  auto writer = UsageRecordWriter::Open(path_, {});
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(fs::file_size(path_), 0u);
}

TEST_F(UsageRecordWriterTest, NamesTheFileItCannotOpen) {
  const auto writer = UsageRecordWriter::Open(folder_ / "none" / "usage.jsonl", {});
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(writer.status().message().find("none/usage.jsonl"), absl::string_view::npos);
}

TEST_F(UsageRecordWriterTest, OpensWithTheOwnersRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  UsageRecordWriter::Options options;
  options.owner = FileOwner{kNobody, kNobody};
  EXPECT_FALSE(UsageRecordWriter::Open(path_, options).ok());  // The folder is root's, mode 0700.
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  ASSERT_TRUE(UsageRecordWriter::Open(path_, options).ok());
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, kNobody);
  EXPECT_EQ(file.st_gid, kNobody);
  // This thread has its own rights back.
  EXPECT_TRUE(UsageRecordWriter::Open(folder_ / "root.jsonl", {}).ok());
  ASSERT_EQ(stat((folder_ / "root.jsonl").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 0u);
}

TEST_F(UsageRecordWriterTest, SaysAFullDiskOnceAndCountsEveryLine) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  std::vector<std::string> said;
  UsageRecordWriter::Options options;
  options.on_error = [&](std::string_view text) { said.emplace_back(text); };
  auto writer = UsageRecordWriter::ForDescriptor(full, "usage.jsonl", options);
  writer->OnCall(MakeOpenAiStream());
  writer->OnCall(MakeOpenAiStream());
  EXPECT_EQ(writer->stats().failed, 2u);
  EXPECT_EQ(writer->stats().lines, 0u);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_NE(said[0].find("usage.jsonl"), std::string::npos) << said[0];
  EXPECT_EQ(writer->status().code(), absl::StatusCode::kResourceExhausted);
  close(full);
}

// In a child of its own: the file size limit belongs to the whole process.
int WriteBeyondTheLimit(const std::string& path) {
  signal(SIGXFSZ, SIG_IGN);
  auto writer = UsageRecordWriter::Open(path, {});
  if (!writer.ok()) return 2;
  (*writer)->OnCall(MakeOpenAiStream());
  const rlimit limit{(*writer)->stats().bytes + 100, RLIM_INFINITY};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
  (*writer)->OnCall(MakeOpenAiStream());  // 100 bytes fit, then the write stops.
  return (*writer)->stats().failed == 1 && (*writer)->stats().lines == 1 ? 0 : 4;
}

TEST_F(UsageRecordWriterTest, TakesATornLineBack) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(WriteBeyondTheLimit(path_));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(Lines(), std::vector<std::string>{UsageRecord(MakeOpenAiStream())});
  EXPECT_EQ(fs::file_size(path_), UsageRecord(MakeOpenAiStream()).size() + 1);
}

TEST_F(UsageRecordWriterTest, WaitsForASlowReaderOfAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  ASSERT_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  constexpr int kCalls = 50;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    auto writer = UsageRecordWriter::ForDescriptor(ends[1], "pipe", {});
    for (int i = 0; i < kCalls; ++i) writer->OnCall(MakeOpenAiStream());
    _exit(writer->stats().failed == 0 ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[100];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::string expected;
  for (int i = 0; i < kCalls; ++i) expected += UsageRecord(MakeOpenAiStream()) + "\n";
  EXPECT_EQ(text, expected);
}

TEST_F(UsageRecordWriterTest, SurvivesAReaderThatLeft) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  auto writer = UsageRecordWriter::ForDescriptor(ends[1], "standard output", {});
  writer->OnCall(MakeOpenAiStream());  // SIGPIPE would end the test.
  EXPECT_EQ(writer->stats().failed, 1u);
  EXPECT_NE(writer->status().message().find("standard output"), absl::string_view::npos);
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  close(ends[1]);
}

}  // namespace
}  // namespace sonde::exporter
