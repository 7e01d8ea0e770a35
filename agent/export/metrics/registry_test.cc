#include "agent/export/metrics/registry.h"

#include <gtest/gtest.h>

#include <thread>

namespace sonde::exporter {
namespace {

using enum Attribute;

Labels Model(const std::string& model) {
  return {{kProviderName, "openai"}, {kRequestModel, model}};
}

TEST(RegistryTest, CountersAddUpExactly) {
  Registry registry({});
  for (int i = 0; i < 1000; ++i) registry.Add(Metric::kCost, Model("m"), 706'600'001, 5);
  const auto points = registry.Collect();
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].sum, 706'600'001'000);
  EXPECT_EQ(points[0].born_unix_ns, 5);
}

TEST(RegistryTest, ANegativeAmountNeverLowersACounter) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 3, 0);
  registry.Add(Metric::kCalls, {}, -2, 0);
  registry.Set(Metric::kCalls, {}, 1, 0);
  EXPECT_EQ(registry.Collect().at(0).sum, 3);
  registry.Set(Metric::kProcesses, {}, 7, 0);
  registry.Set(Metric::kProcesses, {}, 2, 0);
  EXPECT_EQ(registry.Collect().at(1).sum, 2);
}

TEST(RegistryTest, HistogramsKeepSumCountAndBuckets) {
  Registry registry({.exponential = true});
  registry.Observe(Metric::kOperationDuration, {}, 15'000'000, 0);              // 15 ms
  registry.Observe(Metric::kOperationDuration, {}, 90'000'000'000, 0);          // 90 s
  registry.Observe(Metric::kOperationDuration, {}, 20'000'000, 0, nullptr, 4);  // 4 x 20 ms
  registry.Observe(Metric::kOperationDuration, {}, 20'000'000, 0, nullptr, 0);
  const SeriesPoint point = registry.Collect().at(0);
  EXPECT_EQ(point.count, 6U);
  EXPECT_EQ(point.sum, 90'095'000'000);
  EXPECT_EQ(point.buckets.at(1), 5U);
  EXPECT_EQ(point.buckets.back(), 1U);
  ASSERT_TRUE(point.exponential.has_value());
  EXPECT_GT(point.exponential->Counts().size(), 1U);
}

TEST(RegistryTest, ValuesFromTheWireAreBoundedAndCounted) {
  Registry registry({.values = 3});
  for (int i = 0; i < 10; ++i) registry.Add(Metric::kCalls, Model("m" + std::to_string(i)), 1, 0);
  const auto points = registry.Collect();
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points.back().labels, Model("_other"));
  EXPECT_EQ(points.back().sum, 7);
  EXPECT_EQ(registry.folded_values(), 7U);
}

TEST(RegistryTest, SeriesOfAMetricAreBoundedAndNothingIsLost) {
  Registry registry({.series = 5});
  for (int i = 0; i < 100; ++i) registry.Add(Metric::kCalls, Model("m" + std::to_string(i)), 1, 0);
  const auto points = registry.Collect();
  EXPECT_EQ(points.size(), 6U);
  EXPECT_EQ(points.back().labels, Model("_other"));
  int64_t sum = 0;
  for (const SeriesPoint& point : points) sum += point.sum;
  EXPECT_EQ(sum, 100);
  EXPECT_EQ(registry.folded_series(), 95U);
}

TEST(RegistryTest, LongAndBrokenValuesAreCutAndCleaned) {
  Registry registry({});
  registry.Add(Metric::kCalls, Model(std::string(1 << 20, 'x')), 1, 0);
  registry.Add(Metric::kCalls, Model("\xff"), 1, 0);
  const auto points = registry.Collect();
  EXPECT_EQ(points.at(0).labels.at(1).second.size(), kLabelBytes);
  EXPECT_EQ(points.at(1).labels.at(1).second, "\xEF\xBF\xBD");
}

TEST(RegistryTest, EmptyValuesAreNoLabels) {
  Registry registry({});
  registry.Add(Metric::kCalls, Model(""), 1, 0);
  EXPECT_EQ(registry.Collect().at(0).labels, (Labels{{kProviderName, "openai"}}));
}

TEST(RegistryTest, GaugesCanBeForgottenAndCountersNot) {
  Registry registry({});
  registry.Set(Metric::kUnseen, {{kReason, "quic"}}, 1, 0);
  registry.Add(Metric::kCalls, {}, 1, 0);
  registry.Forget(Metric::kUnseen, {{kReason, "quic"}});
  registry.Forget(Metric::kCalls, {});
  EXPECT_EQ(registry.size(), 1U);
}

TEST(RegistryTest, ThreadsMayReadAndWriteTogether) {
  Registry registry({});
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i)
      registry.Add(Metric::kCalls, Model(std::to_string(i % 50)), 1, 0);
  });
  uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    uint64_t sum = 0;
    for (const SeriesPoint& point : registry.Collect()) sum += static_cast<uint64_t>(point.sum);
    EXPECT_GE(sum, last);
    last = sum;
  }
  writer.join();
  EXPECT_EQ(registry.size(), 50U);
}

}  // namespace
}  // namespace sonde::exporter
