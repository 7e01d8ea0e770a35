#include "agent/export/console/samples.h"

#include <gtest/gtest.h>

namespace sonde::exporter::console {
namespace {

TEST(SamplesTest, NearestRank) {
  Samples samples;
  EXPECT_EQ(samples.Percentile(50), std::nullopt);
  for (uint64_t value = 20; value > 0; --value) samples.Add(value);
  EXPECT_EQ(samples.Percentile(50), 10U);
  EXPECT_EQ(samples.Percentile(95), 19U);
  EXPECT_EQ(samples.Percentile(100), 20U);
  EXPECT_EQ(samples.Percentile(0), 1U);
  EXPECT_TRUE(samples.exact());
}

TEST(SamplesTest, OneValueIsEveryPercentile) {
  Samples samples;
  samples.Add(7);
  EXPECT_EQ(samples.Percentile(50), 7U);
  EXPECT_EQ(samples.Percentile(95), 7U);
}

TEST(SamplesTest, BeyondTheLimitItIsAFairSample) {
  Samples samples;
  constexpr uint64_t kCount = 200'000;
  for (uint64_t i = 0; i < kCount; ++i) samples.Add(i);
  EXPECT_FALSE(samples.exact());
  EXPECT_EQ(samples.count(), kCount);
  EXPECT_NEAR(static_cast<double>(*samples.Percentile(50)), kCount * 0.5, kCount * 0.02);
  EXPECT_NEAR(static_cast<double>(*samples.Percentile(95)), kCount * 0.95, kCount * 0.02);
}

TEST(SamplesTest, TheSameValuesGiveTheSameSample) {
  Samples one;
  Samples two;
  for (uint64_t i = 0; i < 50'000; ++i) {
    one.Add(i * 7919 % 10'007);
    two.Add(i * 7919 % 10'007);
  }
  EXPECT_EQ(one.Percentile(95), two.Percentile(95));
}

}  // namespace
}  // namespace sonde::exporter::console
