#include "agent/cli/invoking_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sonde::cli {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kUser = 1000;
constexpr pid_t kTerminal = 50, kShell = 100, kSudo = 200, kMonitor = 201, kEnv = 300, kSonde = 400;

/// A procfs of files: terminal -> shell -> sudo -> sudo's monitor -> [env] -> sonde.
class InvokingUserTest : public ::testing::Test {
 protected:
  InvokingUserTest()
      : root_(std::filesystem::path(::testing::TempDir()) /
              ("procfs." + std::to_string(getpid()))) {
    std::filesystem::remove_all(root_);
    Add(kTerminal, "terminal", 1, kUser, "PATH=/terminal", "terminal");
    Add(kShell, "bash", kTerminal, kUser, "PATH=/login:/usr/bin", "bash");
    user_.uid = kUser;
    user_.gid = kUser;
    user_.name = "alice";
    user_.home = "/home/alice";
    user_.shell = "/bin/bash";
  }
  ~InvokingUserTest() override { std::filesystem::remove_all(root_); }

  void Add(pid_t pid, const std::string& name, pid_t parent, uid_t uid,
           const std::string& environment, const std::string& arguments) {
    const std::filesystem::path directory = root_ / std::to_string(pid);
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "status")
        << "Name:\t" << name << "\nUmask:\t0027\nState:\tS (sleeping)\nPPid:\t" << parent
        << "\nUid:\t" << uid << "\t0\t0\t0\n";
    std::ofstream(directory / "environ") << Block(environment);
    std::ofstream(directory / "cmdline") << Block(arguments);
  }
  /// Words separated by '|' to NUL-terminated ones.
  static std::string Block(std::string text) {
    text.push_back('|');
    for (char& c : text) {
      if (c == '|') c = '\0';
    }
    return text;
  }

  void AddSudo(const std::string& arguments = "sudo|sonde|run") {
    const char* shell_gave = "PATH=/venv/bin:/usr/bin|API_KEY=sk-test-1|HOME=/home/alice|LANG=de";
    Add(kSudo, "sudo", kShell, 0, shell_gave, arguments);
    Add(kMonitor, "sudo", kSudo, 0, shell_gave, arguments);
  }

  std::filesystem::path root_;
  ProcFs procfs_{root_.string()};
  User user_;
};

constexpr char kGift[] =
    "PATH=/secure|HOME=/root|LANG=C|SUDO_UID=1000|SUDO_GID=1000|SUDO_USER=alice";

TEST_F(InvokingUserTest, EnvironmentIsTheShells) {
  AddSudo();
  Add(kSonde, "sonde", kMonitor, 0, kGift, "sonde|run");
  const Ancestry ancestry = FindAncestry(procfs_, kSonde, kUser);
  EXPECT_EQ(ancestry.sudo, kSudo);
  EXPECT_EQ(ancestry.gifted, kSonde);
  EXPECT_EQ(ancestry.shell, kShell);
  const Environment own = Environment::FromBlock(Block(kGift));
  const Environment result = UserEnvironment(procfs_, ancestry, own, user_);
  EXPECT_EQ(result.Get("PATH"), "/venv/bin:/usr/bin");
  EXPECT_EQ(result.Get("API_KEY"), "sk-test-1");
  EXPECT_EQ(result.Get("LANG"), "de");
  EXPECT_EQ(result.Get("HOME"), "/home/alice");
  EXPECT_EQ(result.Get("USER"), "alice");
  EXPECT_EQ(result.Get("LOGNAME"), "alice");
  EXPECT_EQ(result.Get("SHELL"), "/bin/bash");
  EXPECT_EQ(result.Get("SUDO_UID"), std::nullopt);
  EXPECT_EQ(result.Get("SUDO_USER"), std::nullopt);
}

TEST_F(InvokingUserTest, WordsOfSudosCommandLineWin) {
  AddSudo("sudo|API_KEY=sk-test-2|sonde|run");
  const std::string gift = std::string(kGift) + "|API_KEY=sk-test-2";
  Add(kSonde, "sonde", kMonitor, 0, gift, "sonde|run");
  const Environment own = Environment::FromBlock(Block(gift));
  const Environment result =
      UserEnvironment(procfs_, FindAncestry(procfs_, kSonde, kUser), own, user_);
  EXPECT_EQ(result.Get("API_KEY"), "sk-test-2");
  EXPECT_EQ(result.Get("PATH"), "/venv/bin:/usr/bin");
}

TEST_F(InvokingUserTest, WhatAProgramBetweenSetWins) {
  AddSudo("sudo|sh|-c|...");
  Add(kEnv, "sh", kMonitor, 0, kGift, "sh");
  Add(kSonde, "sonde", kEnv, 0, std::string(kGift), "sonde|run");
  const Environment own = Environment::FromBlock(
      Block("PATH=/mine|HOME=/root|LANG=C|NEW=1|SUDO_UID=1000|SUDO_GID=1000"));
  const Ancestry ancestry = FindAncestry(procfs_, kSonde, kUser);
  EXPECT_EQ(ancestry.gifted, kEnv);
  const Environment result = UserEnvironment(procfs_, ancestry, own, user_);
  EXPECT_EQ(result.Get("PATH"), "/mine");
  EXPECT_EQ(result.Get("NEW"), "1");
  EXPECT_EQ(result.Get("LANG"), "de");
}

TEST_F(InvokingUserTest, WithoutSudoAboveTheShellIsAsked) {
  // sudo may execute the command in its own place.
  Add(kSonde, "sonde", kShell, 0, kGift, "sonde|run");
  const Ancestry ancestry = FindAncestry(procfs_, kSonde, kUser);
  EXPECT_EQ(ancestry.sudo, 0);
  EXPECT_EQ(ancestry.shell, kShell);
  const Environment own = Environment::FromBlock(Block(kGift));
  const Environment result = UserEnvironment(procfs_, ancestry, own, user_);
  EXPECT_EQ(result.Get("PATH"), "/login:/usr/bin");
  EXPECT_EQ(result.Get("LANG"), "C");
  EXPECT_EQ(result.Get("HOME"), "/home/alice");
}

TEST_F(InvokingUserTest, WithoutAnyTraceTheOwnEnvironmentServes) {
  Add(kSonde, "sonde", 1, 0, kGift, "sonde|run");
  Add(1, "init", 0, 0, "", "init");
  const Environment own = Environment::FromBlock(Block(kGift));
  const Environment result =
      UserEnvironment(procfs_, FindAncestry(procfs_, kSonde, kUser), own, user_);
  EXPECT_EQ(result.Get("PATH"), "/secure");
  EXPECT_EQ(result.Get("HOME"), "/home/alice");
  EXPECT_EQ(result.Get("SUDO_GID"), std::nullopt);
}

TEST_F(InvokingUserTest, UserWithoutAnEntryHasNoName) {
  Add(kSonde, "sonde", 1, 0, kGift, "sonde|run");
  const Environment own = Environment::FromBlock(Block("USER=root|LOGNAME=root|HOME=/root"));
  user_.name.clear();
  user_.home.clear();
  const Environment result =
      UserEnvironment(procfs_, FindAncestry(procfs_, kSonde, kUser), own, user_);
  EXPECT_EQ(result.Get("USER"), std::nullopt);
  EXPECT_EQ(result.Get("HOME"), "/");
  EXPECT_EQ(result.Get("PATH"), "/usr/bin:/bin");
}

TEST_F(InvokingUserTest, StatusIsRead) {
  const auto status = procfs_.ReadStatus(kShell);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->name, "bash");
  EXPECT_EQ(status->state, 'S');
  EXPECT_EQ(status->parent, kTerminal);
  EXPECT_EQ(status->uid, kUser);
  EXPECT_EQ(status->umask, 027);
  EXPECT_FALSE(procfs_.ReadStatus(999999).has_value());
}

TEST(FindInvokingUserTest, OnlyUnderSudo) {
  const auto none = FindInvokingUser(Environment::FromBlock("A=1"), 0);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  const auto root = FindInvokingUser(Environment::FromBlock("SUDO_UID=0"), 0);
  ASSERT_TRUE(root.ok());
  EXPECT_FALSE(root->has_value());
  const std::string block("SUDO_UID=1\0SUDO_GID=1", 21);
  const auto not_root = FindInvokingUser(Environment::FromBlock(block), 1000);
  ASSERT_TRUE(not_root.ok());
  EXPECT_FALSE(not_root->has_value());
}

TEST(FindInvokingUserTest, ReadsTheDatabase) {
  const std::string block("SUDO_UID=1\0SUDO_GID=1", 21);
  const auto user = FindInvokingUser(Environment::FromBlock(block), 0);
  ASSERT_TRUE(user.ok());
  ASSERT_TRUE(user->has_value());
  EXPECT_EQ((*user)->name, "daemon");
  EXPECT_THAT((*user)->groups, ::testing::Contains(1u));
}

TEST(FindInvokingUserTest, RefusesWhatIsNoNumber) {
  for (const char* text :
       {"SUDO_UID=alice", "SUDO_UID=", "SUDO_UID=-1", "SUDO_UID=4294967295", "SUDO_UID=1000"}) {
    const auto user = FindInvokingUser(Environment::FromBlock(text), 0);
    EXPECT_FALSE(user.ok()) << text;
    EXPECT_THAT(std::string(user.status().message()), HasSubstr("SUDO_")) << text;
  }
}

TEST(ReadLimitsTest, AreThoseOfTheProcess) {
  rlimit expected{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &expected), 0);
  bool found = false;
  for (const auto& [resource, limit] : ReadLimits(0)) {
    if (resource != RLIMIT_NOFILE) continue;
    found = true;
    EXPECT_EQ(limit.rlim_cur, expected.rlim_cur);
    EXPECT_EQ(limit.rlim_max, expected.rlim_max);
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace sonde::cli
