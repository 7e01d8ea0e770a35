#include "agent/export/ledger/ledger_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace sonde::exporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDay = 86'400'000'000'000;
constexpr int64_t kNoon = 1'795'262'400'000'000'000;  // 2026-11-21T12:00:00Z

class LedgerFilesTest : public ::testing::Test {
 protected:
  LedgerFilesTest() {
    char name[] = "/tmp/sonde_ledger_XXXXXX";
    directory_ = mkdtemp(name);
    settings_.directory = directory_;
  }
  ~LedgerFilesTest() override { std::filesystem::remove_all(directory_); }

  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  std::string Read(const std::string& name) {
    std::ifstream file(directory_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string directory_;
  LedgerSettings settings_;
};

TEST_F(LedgerFilesTest, OneFileADay) {
  LedgerFiles files(settings_);
  ASSERT_TRUE(files.Append("a\n", kNoon).ok());
  ASSERT_TRUE(files.Append("b\n", kNoon + 1).ok());
  ASSERT_TRUE(files.Append("c\n", kNoon + kDay).ok());
  EXPECT_THAT(Names(), ElementsAre("sonde-2026-11-21-0001.jsonl", "sonde-2026-11-22-0001.jsonl"));
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "a\nb\n");
  struct stat status {};
  ASSERT_EQ(stat((directory_ + "/sonde-2026-11-21-0001.jsonl").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(LedgerFilesTest, AFullFileIsFollowedByTheNext) {
  settings_.max_file_bytes = 4;
  LedgerFiles files(settings_);
  for (const char* line : {"aa\n", "bb\n", "cc\n"}) ASSERT_TRUE(files.Append(line, kNoon).ok());
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "aa\nbb\n");
  EXPECT_EQ(Read("sonde-2026-11-21-0002.jsonl"), "cc\n");
}

TEST_F(LedgerFilesTest, ANewRunGoesOnWhereTheLastOneEnded) {
  settings_.max_file_bytes = 4;
  {
    LedgerFiles files(settings_);
    ASSERT_TRUE(files.Append("aa\n", kNoon).ok());
  }
  {
    LedgerFiles files(settings_);
    ASSERT_TRUE(files.Append("bb\n", kNoon).ok());
  }
  {
    LedgerFiles files(settings_);
    ASSERT_TRUE(files.Append("cc\n", kNoon).ok());
  }
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "aa\nbb\n");
  EXPECT_EQ(Read("sonde-2026-11-21-0002.jsonl"), "cc\n");
}

TEST_F(LedgerFilesTest, NothingIsAddedToATornLine) {
  std::ofstream(directory_ + "/sonde-2026-11-21-0001.jsonl") << "a\n{\"torn";
  LedgerFiles files(settings_);
  ASSERT_TRUE(files.Append("b\n", kNoon).ok());
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "a\n{\"torn");
  EXPECT_EQ(Read("sonde-2026-11-21-0002.jsonl"), "b\n");
}

TEST_F(LedgerFilesTest, AClockThatGoesBackChangesNothing) {
  LedgerFiles files(settings_);
  ASSERT_TRUE(files.Append("a\n", kNoon + kDay / 2 + 1).ok());
  ASSERT_TRUE(files.Append("b\n", kNoon).ok());
  EXPECT_THAT(Names(), ElementsAre("sonde-2026-11-22-0001.jsonl"));
}

TEST_F(LedgerFilesTest, OldDaysAreRemovedAndOthersFilesStay) {
  settings_.keep_days = 2;
  for (const char* name : {"sonde-2026-11-18-0001.jsonl", "sonde-2026-11-19-0001.jsonl",
                           "notes.jsonl", "sonde-x.jsonl"}) {
    std::ofstream(directory_ + "/" + name) << "x\n";
  }
  LedgerFiles files(settings_);
  ASSERT_TRUE(files.Append("a\n", kNoon).ok());
  EXPECT_THAT(Names(), ElementsAre("notes.jsonl", "sonde-2026-11-19-0001.jsonl",
                                   "sonde-2026-11-21-0001.jsonl", "sonde-x.jsonl"));
}

TEST_F(LedgerFilesTest, APartThatWasWrittenIsCutOff) {
  LedgerFiles files(settings_);
  ASSERT_TRUE(files.Append("first\n", kNoon).ok());
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{10, before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);  // Stands in for a full disk: 4 more bytes fit.
  const absl::Status status = files.Append("second\n", kNoon);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write to " + directory_));
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "first\n");
  ASSERT_TRUE(files.Append("third\n", kNoon).ok());
  EXPECT_EQ(Read("sonde-2026-11-21-0001.jsonl"), "first\nthird\n");
}

TEST_F(LedgerFilesTest, AFolderThatIsNotThereIsTold) {
  settings_.directory = directory_ + "/none";
  const absl::Status status = LedgerFiles(settings_).Append("a\n", kNoon);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

TEST_F(LedgerFilesTest, ASymbolicLinkIsNotFollowed) {
  std::filesystem::create_symlink("/dev/null", directory_ + "/sonde-2026-11-21-0001.jsonl");
  EXPECT_FALSE(LedgerFiles(settings_).Append("a\n", kNoon).ok());
}

}  // namespace
}  // namespace sonde::exporter
