#include "agent/export/ledger/ledger.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    char name[] = "/tmp/sonde_ledger_XXXXXX";
    directory_ = mkdtemp(name);
    options_.files.directory = directory_;
    options_.sync_interval = absl::Milliseconds(10);
    options_.retry_interval = absl::Milliseconds(5);
  }
  ~LedgerTest() override { std::filesystem::remove_all(directory_); }

  /// Lines of all files; each must be a whole record.
  size_t Records() {
    size_t records = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      std::ifstream file(entry.path());
      const std::string all{std::istreambuf_iterator<char>(file), {}};
      EXPECT_TRUE(all.empty() || all.ends_with('\n')) << entry.path();
      std::istringstream lines(all);
      for (std::string line; std::getline(lines, line); ++records) {
        EXPECT_TRUE(nlohmann::json::accept(line)) << line;
      }
    }
    return records;
  }

  template <class Condition>
  static bool Until(Condition condition) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (!condition() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(1));
    return condition();
  }

  std::string directory_;
  Ledger::Options options_;
};

TEST_F(LedgerTest, EveryCallIsALine) {
  auto ledger = Ledger::Start(options_);
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  for (int i = 0; i < 1000; ++i) (*ledger)->OnCall(MakeEverything());
  (*ledger)->Stop(absl::Seconds(20));
  EXPECT_EQ(Records(), 1000U);
  const LedgerStats stats = (*ledger)->stats();
  EXPECT_EQ(stats.taken, 1000U);
  EXPECT_EQ(stats.written, 1000U);
  EXPECT_EQ(stats.lost, 0U);
  EXPECT_EQ(stats.waiting_bytes, 0U);
}

TEST_F(LedgerTest, AFolderThatCannotBeUsedIsToldAtTheStart) {
  options_.files.directory = directory_ + "/none";
  EXPECT_FALSE(Ledger::Start(options_).ok());
}

TEST_F(LedgerTest, AFullDiskLosesNothingUntilTheQueueIsFull) {
  std::atomic<int> problems = 0;
  options_.on_problem = [&problems](std::string_view) { ++problems; };
  auto ledger = Ledger::Start(options_);
  ASSERT_TRUE(ledger.ok());
  // The folder vanishes together with its file's day: the next append must open and cannot.
  std::atomic<int64_t> now = absl::ToUnixNanos(absl::Now());
  options_.clock = [&now] { return now.load(); };
  (*ledger)->Stop(absl::Seconds(1));
  ledger = Ledger::Start(options_);
  ASSERT_TRUE(ledger.ok());
  std::filesystem::rename(directory_, directory_ + ".gone");
  now += 48 * 3'600'000'000'000;
  (*ledger)->OnCall(MakeOpenAiStream());
  ASSERT_TRUE(Until([&] { return (*ledger)->stats().failures > 2; }));
  EXPECT_EQ((*ledger)->stats().waiting, 1U);
  EXPECT_FALSE((*ledger)->stats().last_error.empty());
  EXPECT_EQ(problems, 1);
  std::filesystem::rename(directory_ + ".gone", directory_);
  ASSERT_TRUE(Until([&] { return (*ledger)->stats().written == 1; }));
  EXPECT_TRUE((*ledger)->stats().last_error.empty());
  (*ledger)->Stop(absl::Seconds(20));
  EXPECT_EQ(Records(), 1U);
}

TEST_F(LedgerTest, BeyondTheBoundRecordsAreLostAndCounted) {
  options_.most_waiting_bytes = 10'000;
  std::atomic<int64_t> now = absl::ToUnixNanos(absl::Now());
  options_.clock = [&now] { return now.load(); };
  auto ledger = Ledger::Start(options_);
  ASSERT_TRUE(ledger.ok());
  std::filesystem::rename(directory_, directory_ + ".gone");
  now += 48 * 3'600'000'000'000;
  for (int i = 0; i < 1000; ++i) (*ledger)->OnCall(MakeOpenAiStream());
  const LedgerStats stats = (*ledger)->stats();
  EXPECT_LE(stats.waiting_bytes, 10'000U);
  EXPECT_GT(stats.lost, 900U);
  (*ledger)->Stop(absl::Milliseconds(20));
  EXPECT_EQ((*ledger)->stats().lost, 1000U);
  std::filesystem::rename(directory_ + ".gone", directory_);
}

TEST_F(LedgerTest, AKillLeavesWholeLines) {
  auto* taken = static_cast<std::atomic<uint64_t>*>(
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  if (child == 0) {
    auto ledger = Ledger::Start(options_);
    const calls::Call call = MakeEverything();
    for (;;) {
      (*ledger)->OnCall(call);
      taken->store((*ledger)->stats().written);
    }
  }
  ASSERT_TRUE(Until([&] { return taken->load() > 500; }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_GE(Records(), taken->load());
  munmap(taken, sizeof(uint64_t));
}

}  // namespace
}  // namespace sonde::exporter
