#include "agent/calls/estimator.h"

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

TEST(EstimateTokens, ByScriptClass) {
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 1000}, "gpt-x"), 233);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 1000, .unbroken_run_bytes = 1000}, "gpt-x"), 694);
  EXPECT_EQ(EstimateTokens({.wide_characters = 1000}, "gpt-x"), 840);
  EXPECT_EQ(EstimateTokens(
                {.ascii_bytes = 2000, .wide_characters = 500, .unbroken_run_bytes = 1000}, "gpt-x"),
            233 + 694 + 420);
}

TEST(EstimateTokens, FamilyFactor) {
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 100'000}, "claude-test"), 23'300 * 115 / 100);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 100'000}, "anthropic/claude-test"), 23'300 * 115 / 100);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 100'000}, "deepseek-chat"), 23'300 * 97 / 100);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 100'000}, ""), 23'300);
}

TEST(EstimateTokens, SmallAndHuge) {
  EXPECT_EQ(EstimateTokens({}, "gpt-x"), 0);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 1}, "gpt-x"), 1);
  EXPECT_GT(EstimateTokens({.ascii_bytes = ~uint64_t{0},
                            .wide_characters = ~uint64_t{0},
                            .unbroken_run_bytes = ~uint64_t{0}},
                           "claude"),
            0);
  EXPECT_EQ(EstimateTokens({.ascii_bytes = 10, .unbroken_run_bytes = 50}, "gpt-x"),
            EstimateTokens({.ascii_bytes = 10, .unbroken_run_bytes = 10}, "gpt-x"));
}

TEST(EstimatePromptTokens, AddsTheTemplate) {
  EXPECT_EQ(EstimatePromptTokens({.ascii_bytes = 1000}, 2, "gpt-x"), 233 + 2 * 4 + 3);
}

}  // namespace
}  // namespace sonde::calls
