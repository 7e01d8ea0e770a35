#include "agent/calls/retry_table.h"

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class RetryTableTest : public testing::Test {
 protected:
  RetryTable::Key Body(uint64_t hash) const {
    return {.process = {.pid = 7, .start_ns = 1},
            .destination = "h:443",
            .path = "/v1",
            .body_hash = hash};
  }
  RetryTable::Link Add(uint64_t hash, uint64_t number, uint64_t start, uint64_t end, bool failed,
                       std::optional<uint32_t> stated = std::nullopt) {
    return table_.Add(Body(hash), true,
                      {.number = number,
                       .start_ns = start * kSecond,
                       .end_ns = end * kSecond,
                       .failed = failed,
                       .stated_count = stated});
  }
  RetryTable table_;
};

TEST_F(RetryTableTest, SameBodyAfterAFailure) {
  EXPECT_EQ(Add(1, 10, 1, 2, true).attempt, 0U);
  const auto second = Add(1, 11, 3, 4, true);
  EXPECT_EQ(second.attempt, 1U);
  EXPECT_EQ(second.retry_of, 10U);
  const auto third = Add(1, 12, 5, 6, false);
  EXPECT_EQ(third.attempt, 2U);
  EXPECT_EQ(third.retry_of, 10U);
  EXPECT_EQ(Add(1, 13, 7, 8, false).attempt, 0U) << "the one before it succeeded";
}

TEST_F(RetryTableTest, OtherBodyDestinationOrProcessIsNoRetry) {
  Add(1, 10, 1, 2, true);
  EXPECT_EQ(Add(2, 11, 3, 4, false).attempt, 0U);
  RetryTable::Key key = Body(1);
  key.process.exec_generation = 1;
  EXPECT_EQ(table_.Add(key, true, {.number = 12, .start_ns = 3 * kSecond}).attempt, 0U);
  key = Body(1);
  key.destination = "other:443";
  EXPECT_EQ(table_.Add(key, true, {.number = 13, .start_ns = 3 * kSecond}).attempt, 0U);
}

TEST_F(RetryTableTest, TooLate) {
  Add(1, 10, 1, 2, true);
  EXPECT_EQ(Add(1, 11, 123, 124, false).attempt, 0U);
}

TEST_F(RetryTableTest, JustInTime) {
  Add(1, 10, 1, 2, true);
  EXPECT_EQ(Add(1, 11, 122, 200, false).attempt, 1U) << "it started within the window";
}

TEST_F(RetryTableTest, StatedCountIsBelievedWithoutAFirstAttempt) {
  const auto link = Add(1, 11, 3, 4, false, 2);
  EXPECT_EQ(link.attempt, 2U);
  EXPECT_EQ(link.retry_of, 0U);
}

TEST_F(RetryTableTest, StatedCountWithoutTheBody) {
  const auto link = table_.Add(Body(0), false, {.number = 1, .stated_count = 1});
  EXPECT_EQ(link.attempt, 1U);
  EXPECT_EQ(link.retry_of, 0U);
}

TEST_F(RetryTableTest, ConcurrentEqualBodiesAreToldApartByStatedCounts) {
  // Two workers send the same body at once. One fails and retries, the other begins anew.
  Add(1, 10, 1, 5, true, 0);
  Add(1, 11, 1, 6, false, 0);
  EXPECT_EQ(Add(1, 12, 7, 9, false, 0).attempt, 0U) << "a first attempt by its own word";
  const auto retry = Add(1, 13, 8, 10, false, 1);
  EXPECT_EQ(retry.attempt, 1U);
  EXPECT_EQ(retry.retry_of, 10U);
}

TEST_F(RetryTableTest, ApplicationsOwnRetryLoopStartsItsCountAnew) {
  Add(1, 10, 1, 2, true, 0);
  const auto again = Add(1, 11, 3, 4, false, 0);
  EXPECT_EQ(again.attempt, 1U);
  EXPECT_EQ(again.retry_of, 10U);
}

TEST_F(RetryTableTest, TwoFailuresHaveTwoRetries) {
  Add(1, 10, 1, 5, true, 0);
  Add(1, 11, 2, 6, true, 0);
  const auto a = Add(1, 12, 7, 9, false, 1);
  const auto b = Add(1, 13, 8, 10, false, 1);
  EXPECT_NE(a.retry_of, 0U);
  EXPECT_NE(b.retry_of, 0U);
  EXPECT_NE(a.retry_of, b.retry_of);
}

TEST_F(RetryTableTest, Bounded) {
  RetryTable small(10);
  for (uint64_t i = 0; i < 1000; ++i) {
    small.Add(Body(i), true, {.number = i, .start_ns = i, .end_ns = i + 1, .failed = true});
    EXPECT_LE(small.size(), 10U);
  }
  EXPECT_EQ(small.evicted(), 990U);
}

TEST_F(RetryTableTest, OldBodiesLeave) {
  for (uint64_t i = 0; i < 100; ++i) Add(i, i, i, i, true);
  Add(1000, 1000, 10'000, 10'000, true);
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(table_.evicted(), 0U);
}

}  // namespace
}  // namespace sonde::calls
