#include "agent/pricing/money.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

constexpr PicoUsd kUsd = 1'000'000'000'000;
constexpr PicoUsd kLargest = std::numeric_limits<PicoUsd>::max();

TEST(MoneyTest, RoundsOnceHalfToEven) {
  // 1 unit at N pico USD per 2: ties go to the even amount.
  EXPECT_EQ(*Cost(1, {1, 2}), 0);
  EXPECT_EQ(*Cost(1, {3, 2}), 2);
  EXPECT_EQ(*Cost(1, {5, 2}), 2);
  EXPECT_EQ(*Cost(1, {7, 2}), 4);
  EXPECT_EQ(*Cost(-1, {3, 2}), -2);
  EXPECT_EQ(*Cost(-1, {1, 2}), 0);
  EXPECT_EQ(*Cost(-1, {5, 2}), -2);
  // Just beside a tie.
  EXPECT_EQ(*Cost(1, {499'999, 1'000'000}), 0);
  EXPECT_EQ(*Cost(1, {500'000, 1'000'000}), 0);
  EXPECT_EQ(*Cost(1, {500'001, 1'000'000}), 1);
  EXPECT_EQ(*Cost(1, {1'500'000, 1'000'000}), 2);
  EXPECT_EQ(*Cost(1, {2'500'000, 1'000'000}), 2);
  // An odd divisor has no ties.
  EXPECT_EQ(*Cost(1, {1, 3}), 0);
  EXPECT_EQ(*Cost(2, {1, 3}), 1);
}

TEST(MoneyTest, DearestPriceTimesABillionTokens) {
  const absl::StatusOr<PicoUsd> cost = Cost(1'000'000'000, {600 * kUsd, 1'000'000});
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(*cost, 600'000 * kUsd);
}

TEST(MoneyTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(*Cost(1, {kLargest, 1}), kLargest);
  EXPECT_EQ(Cost(2, {kLargest, 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Cost(kLargest, {kLargest, 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Cost(-kLargest, {kLargest, 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(*Cost(2, {kLargest, 2}), kLargest);
  EXPECT_EQ(*Cost(kLargest, {1'000'000, 1'000'000}), kLargest);
  EXPECT_EQ(Cost(1, {1, 0}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(MoneyTest, ParsesExactDecimals) {
  EXPECT_EQ(*ParseUsd("0"), 0);
  EXPECT_EQ(*ParseUsd("0.25"), kUsd / 4);
  EXPECT_EQ(*ParseUsd("600"), 600 * kUsd);
  EXPECT_EQ(*ParseUsd("0.000000000001"), 1);
  EXPECT_EQ(*ParseUsd("100000"), 100'000 * kUsd);
  EXPECT_EQ(*ParseUsd("0.1"), 100'000'000'000);  // Not what a double would make of it.
  EXPECT_EQ(*ParseUsd("007.50"), 7 * kUsd + kUsd / 2);
}

TEST(MoneyTest, RefusesOtherTexts) {
  for (const std::string text : {"",
                                 "-1",
                                 "+1",
                                 " 1",
                                 "1 ",
                                 "1e3",
                                 "1E3",
                                 ".5",
                                 "5.",
                                 ".",
                                 "1.2.3",
                                 "1,5",
                                 "0x10",
                                 "nan",
                                 "inf",
                                 "0.0000000000001",
                                 "100000.000000000001",
                                 "100001",
                                 "99999999999999999999999",
                                 "\xd9\xa3",
                                 "1\n"}) {
    EXPECT_FALSE(ParseUsd(text).ok()) << text;
  }
  EXPECT_NE(ParseUsd("-1").status().message().find("negative"), absl::string_view::npos);
  EXPECT_NE(ParseUsd("0.0000000000001").status().message().find("12 decimals"),
            absl::string_view::npos);
}

TEST(MoneyTest, FormatsAllSignificantDigits) {
  EXPECT_EQ(FormatUsd(0), "0");
  EXPECT_EQ(FormatUsd(1), "0.000000000001");
  EXPECT_EQ(FormatUsd(706'600'000), "0.0007066");
  EXPECT_EQ(FormatUsd(12 * kUsd), "12");
  EXPECT_EQ(FormatUsd(-kUsd / 2), "-0.5");
  EXPECT_EQ(FormatUsd(kLargest), "9223372.036854775807");
  EXPECT_EQ(FormatUsd(std::numeric_limits<PicoUsd>::min()), "-9223372.036854775808");
}

TEST(MoneyTest, WhatIsFormattedParsesBack) {
  uint64_t state = 88172645463325252ULL;
  for (int i = 0; i < 20000; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const auto amount = static_cast<PicoUsd>(state % (100'000ULL * kUsd));
    ASSERT_EQ(*ParseUsd(FormatUsd(amount)), amount);
  }
}

}  // namespace
}  // namespace sonde::pricing
