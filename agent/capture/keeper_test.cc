#include "agent/capture/keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sonde::capture {
namespace {

constexpr int kDeadlineMs = 10'000;

/// Whether nobody holds the writing end any more, within the deadline.
bool Hangs(int reading_end, int deadline_ms) {
  pollfd one = {reading_end, POLLIN, 0};
  return poll(&one, 1, deadline_ms) == 1 && (one.revents & POLLHUP) != 0;
}

TEST(KeeperTest, HoldsUntilItIsLetGo) {
  auto keeper = Keeper::Start();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_TRUE((*keeper)->Hold(ends[1]).ok());
  close(ends[1]);
  EXPECT_FALSE(Hangs(ends[0], 50));
  keeper->reset();
  EXPECT_TRUE(Hangs(ends[0], kDeadlineMs));
  close(ends[0]);
}

TEST(KeeperTest, HoldsNothingElse) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, 0), 0);
  auto keeper = Keeper::Start();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  close(ends[1]);
  // A pipe that Sonde writes into must end with Sonde.
  EXPECT_TRUE(Hangs(ends[0], kDeadlineMs));
  close(ends[0]);
}

TEST(KeeperTest, LetsGoWhenItsOwnerDies) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    auto keeper = Keeper::Start();
    if (!keeper.ok() || !(*keeper)->Hold(ends[1]).ok()) _exit(1);
    _exit(0);  // Without any clean-up.
  }
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(owner, &status, 0), owner);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Hangs(ends[0], kDeadlineMs));
  close(ends[0]);
}

}  // namespace
}  // namespace sonde::capture
