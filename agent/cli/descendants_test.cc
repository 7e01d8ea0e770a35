#include "agent/cli/descendants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sonde::cli {
namespace {

using ::testing::ElementsAre;

events::ProcessId Id(uint32_t pid, uint64_t start = 1, uint32_t execs = 0) {
  return {.pid = pid, .start_ns = start, .exec_generation = execs};
}

TEST(DescendantsTest, FollowsForkExecAndExit) {
  Descendants descendants;
  EXPECT_EQ(descendants.origin_ns(), 0U);
  descendants.OnEvent(events::ProcessStarted{.process = Id(10), .ns = 5});
  descendants.OnEvent(events::ProcessForked{.process = Id(11), .parent = Id(10), .ns = 6});
  descendants.OnEvent(events::ProcessStarted{.process = Id(11, 1, 1), .ns = 7, .by_exec = true});
  EXPECT_THAT(descendants.alive(), ElementsAre(10, 11));
  descendants.OnEvent(events::ProcessExited{.process = Id(10), .ns = 8});
  EXPECT_THAT(descendants.alive(), ElementsAre(11));
  EXPECT_EQ(descendants.seen(), 2U);
  EXPECT_EQ(descendants.origin_ns(), 5U);
}

TEST(DescendantsTest, APidUsedAgainIsAnotherProcess) {
  Descendants descendants;
  descendants.OnEvent(events::ProcessForked{.process = Id(10, 1), .ns = 1});
  descendants.OnEvent(events::ProcessForked{.process = Id(10, 2), .ns = 2});
  EXPECT_EQ(descendants.seen(), 2U);
  descendants.OnEvent(events::ProcessExited{.process = Id(10, 1), .ns = 3});
  EXPECT_THAT(descendants.alive(), ElementsAre(10));
  descendants.Forget(10);
  EXPECT_THAT(descendants.alive(), ElementsAre());
}

TEST(DescendantsTest, IsBounded) {
  Descendants descendants;
  for (uint32_t pid = 1; pid <= Descendants::kMost + 10; ++pid) {
    descendants.OnEvent(events::ProcessForked{.process = Id(pid), .ns = 1});
  }
  EXPECT_EQ(descendants.alive().size(), Descendants::kMost);
  EXPECT_EQ(descendants.seen(), Descendants::kMost + 10);
}

}  // namespace
}  // namespace sonde::cli
