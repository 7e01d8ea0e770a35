#include "agent/cli/acting_as.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace sonde::cli {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr gid_t kTeam = 54321;  // A group that nobody needs to be in the database.

class ActingAsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    std::string pattern = (fs::temp_directory_path() / "sonde-acting-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    user_ = User{.uid = kNobody, .gid = kNobody, .groups = {kTeam}};
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  /// Makes a file in the test's folder; the error's number or 0.
  int Create(const std::string& name) const {
    const int fd = open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    close(fd);
    return 0;
  }

  static std::vector<gid_t> Groups() {
    std::vector<gid_t> groups(static_cast<size_t>(getgroups(0, nullptr)));
    EXPECT_GE(getgroups(static_cast<int>(groups.size()), groups.data()), 0);
    return groups;
  }

  fs::path folder_;
  User user_;
};

TEST_F(ActingAsTest, WritesOnlyWhereTheUserMay) {
  const std::vector<gid_t> before = Groups();
  {
    const ActingAs acting(user_);
    ASSERT_TRUE(acting.status().ok()) << acting.status();
    EXPECT_EQ(Create("refused"), EACCES);  // The folder is root's, mode 0700.
  }
  EXPECT_EQ(geteuid(), 0U);
  EXPECT_EQ(getegid(), 0U);
  EXPECT_EQ(Groups(), before);
  EXPECT_EQ(Create("root"), 0);
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  {
    const ActingAs acting(user_);
    EXPECT_EQ(Create("user"), 0);
  }
  struct stat file {};
  ASSERT_EQ(stat((folder_ / "user").c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, kNobody);
  EXPECT_EQ(file.st_gid, kNobody);
}

TEST_F(ActingAsTest, HasTheUsersGroupsAndNotRoots) {
  ASSERT_EQ(chown(folder_.c_str(), 0, kTeam), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0770), 0);
  {
    const ActingAs acting(user_);
    EXPECT_EQ(Create("team"), 0);
  }
  ASSERT_EQ(chown(folder_.c_str(), 0, 0), 0);
  const ActingAs acting(user_);
  EXPECT_EQ(Create("not root's"), EACCES);
}

TEST_F(ActingAsTest, NobodyToActAs) {
  const ActingAs acting(std::nullopt);
  EXPECT_TRUE(acting.status().ok());
  EXPECT_EQ(geteuid(), 0U);
  EXPECT_EQ(Create("root"), 0);
}

}  // namespace
}  // namespace sonde::cli
