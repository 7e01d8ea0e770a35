#include "agent/export/metrics/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace sonde::exporter {
namespace {

uint64_t Total(const ExponentialBuckets& buckets) {
  uint64_t total = buckets.zero_count();
  for (const uint64_t count : buckets.Counts()) total += count;
  return total;
}

TEST(ExponentialBucketsTest, OneValueHasItsBucketAtTheFinestScale) {
  for (const double value : {0.001, 0.5, 1.0, 1.5, 2.0, 3.0, 1024.0, 67108864.0}) {
    ExponentialBuckets buckets;
    buckets.Add(value, 3);
    ASSERT_EQ(buckets.scale(), ExponentialBuckets::kFinestScale);
    ASSERT_EQ(buckets.Counts(), std::vector<uint64_t>{3});
    // Bucket i is (2^(i/2^scale), 2^((i+1)/2^scale)].
    const double step = std::ldexp(1.0, -buckets.scale());
    EXPECT_LT(std::exp2(buckets.offset() * step), value * (1 + 1e-12)) << value;
    EXPECT_GE(std::exp2((buckets.offset() + 1) * step), value * (1 - 1e-12)) << value;
  }
}

TEST(ExponentialBucketsTest, PowersOfTwoCloseTheirBucketAtEveryScale) {
  ExponentialBuckets buckets;
  for (int power = -200; power <= 200; power += 4) buckets.Add(std::ldexp(1.0, power), 1);
  ASSERT_LE(buckets.scale(), 0);
  EXPECT_LE(buckets.Counts().size(), ExponentialBuckets::kMaxBuckets);
  // The largest value, 2^200, lies in (2^(i*w), 2^((i+1)*w)] with w = 2^-scale.
  const int last = buckets.offset() + static_cast<int>(buckets.Counts().size()) - 1;
  const int width = 1 << -buckets.scale();
  EXPECT_LT(last * width, 200);
  EXPECT_GE((last + 1) * width, 200);
}

TEST(ExponentialBucketsTest, NothingIsLostWhenTheScaleFalls) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> sizes(0, 4);
  ExponentialBuckets buckets;
  for (int i = 0; i < 10000; ++i) buckets.Add(sizes(random), 1);
  buckets.Add(0, 2);
  buckets.Add(-1, 1);
  EXPECT_EQ(buckets.zero_count(), 3U);
  EXPECT_EQ(Total(buckets), 10003U);
  EXPECT_LE(buckets.Counts().size(), ExponentialBuckets::kMaxBuckets);
  EXPECT_LT(buckets.scale(), ExponentialBuckets::kFinestScale);
}

TEST(BucketOfTest, BoundsAreInclusive) {
  const double bounds[] = {1, 4, 16};
  EXPECT_EQ(BucketOf(bounds, 0), 0U);
  EXPECT_EQ(BucketOf(bounds, 1), 0U);
  EXPECT_EQ(BucketOf(bounds, 1.5), 1U);
  EXPECT_EQ(BucketOf(bounds, 16), 2U);
  EXPECT_EQ(BucketOf(bounds, 17), 3U);
}

}  // namespace
}  // namespace sonde::exporter
