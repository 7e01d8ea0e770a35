#include "agent/export/otlp/metric_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "agent/export/metrics/call_metrics.h"
#include "agent/export/otlp/delivery.h"
#include "agent/export/otlp/received_metrics.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using enum Attribute;
using testing::IsEmpty;
namespace proto = opentelemetry::proto::metrics::v1;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kBorn = 1'700'000'000 * kSecond;
constexpr int64_t kNow = kBorn + 30 * kSecond;

MetricRequests::Options With(Temporality temporality, bool exponential = false,
                             Profile profile = Profile::kSemconv141) {
  MetricRequests::Options options;
  options.profile = profile;
  options.metrics.temporality = temporality;
  options.metrics.exponential = exponential;
  options.request_bytes = kRequestBytes;
  return options;
}

// One round in which every request is taken.
std::vector<MetricsRequest> Take(MetricRequests& requests, const Registry& registry, int64_t now) {
  std::vector<MetricsRequest> out;
  requests.Begin(registry.Collect(), now);
  while (auto batch = requests.Next()) {
    out.push_back(std::move(batch->request));
    requests.Accepted();
  }
  return out;
}

MetricsRequest TakeOne(MetricRequests& requests, const Registry& registry, int64_t now) {
  const std::vector<MetricsRequest> all = Take(requests, registry, now);
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? MetricsRequest() : all[0];
}

const proto::Metric& OnlyMetric(const MetricsRequest& request) {
  return request.resource_metrics(0).scope_metrics(0).metrics(0);
}

std::map<std::string, std::string> Attributes(const auto& attributes) {
  std::map<std::string, std::string> out;
  for (const auto& attribute : attributes) {
    out[attribute.key()] = attribute.value().has_int_value()
                               ? "int " + std::to_string(attribute.value().int_value())
                               : attribute.value().string_value();
  }
  return out;
}

TEST(MetricRequests, ACounterIsExactAndItsZeroComesFirst) {
  Registry registry({});
  Exemplar exemplar{.value = 706'600'001, .unix_ns = kBorn};
  exemplar.trace_id[0] = 1;
  exemplar.span_id[0] = 2;
  registry.Add(Metric::kCost, {{kServiceName, "shop"}, {kRequestModel, "m"}, {kServerPort, "443"}},
               706'600'001, kBorn, &exemplar);
  MetricRequests requests(With(Temporality::kCumulative));
  const MetricsRequest request = TakeOne(requests, registry, kNow);

  const auto& resource = request.resource_metrics(0);
  EXPECT_EQ(Attributes(resource.resource().attributes()).at("service.name"), "shop");
  const auto& scope = resource.scope_metrics(0);
  EXPECT_EQ(scope.scope().name(), "sonde");
  EXPECT_EQ(scope.schema_url(), "https://opentelemetry.io/schemas/1.41.1");
  const proto::Metric& metric = scope.metrics(0);
  EXPECT_EQ(metric.name(), "sonde.cost");
  EXPECT_EQ(metric.unit(), "USD");
  EXPECT_FALSE(metric.description().empty());
  EXPECT_TRUE(metric.sum().is_monotonic());
  EXPECT_EQ(metric.sum().aggregation_temporality(), proto::AGGREGATION_TEMPORALITY_CUMULATIVE);
  ASSERT_EQ(metric.sum().data_points_size(), 2);
  const auto& zero = metric.sum().data_points(0);
  EXPECT_EQ(zero.as_double(), 0);
  EXPECT_EQ(zero.time_unix_nano(), static_cast<uint64_t>(kBorn));
  EXPECT_EQ(zero.start_time_unix_nano(), static_cast<uint64_t>(kBorn));
  EXPECT_EQ(zero.exemplars_size(), 0);
  const auto& point = metric.sum().data_points(1);
  EXPECT_EQ(point.as_double(), 0.000706600001);
  EXPECT_EQ(point.time_unix_nano(), static_cast<uint64_t>(kNow));
  EXPECT_EQ(point.start_time_unix_nano(), static_cast<uint64_t>(kBorn));
  EXPECT_EQ(Attributes(point.attributes()),
            (std::map<std::string, std::string>{{"gen_ai.request.model", "m"},
                                                {"server.port", "int 443"}}));
  EXPECT_EQ(Attributes(zero.attributes()), Attributes(point.attributes()));
  ASSERT_EQ(point.exemplars_size(), 1);
  EXPECT_EQ(point.exemplars(0).as_double(), 0.000706600001);
  EXPECT_EQ(point.exemplars(0).trace_id(), std::string("\1" + std::string(15, '\0')));
  EXPECT_EQ(point.exemplars(0).span_id(), std::string("\2" + std::string(7, '\0')));

  // Afterwards the point alone; the same example is not told twice.
  const MetricsRequest second = TakeOne(requests, registry, kNow + kSecond);
  ASSERT_EQ(OnlyMetric(second).sum().data_points_size(), 1);
  EXPECT_EQ(OnlyMetric(second).sum().data_points(0).exemplars_size(), 0);
  EXPECT_EQ(OnlyMetric(second).sum().data_points(0).start_time_unix_nano(),
            static_cast<uint64_t>(kBorn));
}

TEST(MetricRequests, WholeNumbersStayWhole) {
  Registry registry({});
  constexpr int64_t kLarge = (int64_t{1} << 53) + 1;  // No double holds it.
  registry.Add(Metric::kCalls, {}, kLarge, kBorn);
  MetricRequests requests(With(Temporality::kCumulative));
  const MetricsRequest request = TakeOne(requests, registry, kNow);
  EXPECT_EQ(OnlyMetric(request).sum().data_points(1).as_int(), kLarge);
}

TEST(MetricRequests, GaugesHaveNoZeroNoStartAndComeEveryTime) {
  Registry registry({});
  registry.Set(Metric::kProcesses, {}, 3, kBorn);
  for (const Temporality temporality : {Temporality::kCumulative, Temporality::kDelta}) {
    MetricRequests requests(With(temporality));
    for (int round = 0; round < 2; ++round) {
      const MetricsRequest request = TakeOne(requests, registry, kNow + round * kSecond);
      ASSERT_EQ(OnlyMetric(request).gauge().data_points_size(), 1);
      EXPECT_EQ(OnlyMetric(request).gauge().data_points(0).as_int(), 3);
      EXPECT_EQ(OnlyMetric(request).gauge().data_points(0).start_time_unix_nano(), 0u);
      EXPECT_EQ(Attributes(request.resource_metrics(0).resource().attributes()).at("service.name"),
                "sonde");
    }
  }
}

TEST(MetricRequests, AHistogramHasItsBoundsAndAnEmptyOneFirst) {
  Registry registry({});
  registry.Observe(Metric::kOperationDuration, {}, 15'000'000, kBorn);
  registry.Observe(Metric::kOperationDuration, {}, 100 * kSecond, kBorn);
  MetricRequests requests(With(Temporality::kCumulative));
  const MetricsRequest request = TakeOne(requests, registry, kNow);
  const auto& histogram = OnlyMetric(request).histogram();
  ASSERT_EQ(histogram.data_points_size(), 2);
  for (const auto& point : histogram.data_points()) {
    EXPECT_EQ(point.explicit_bounds_size(), 14);
    EXPECT_EQ(point.bucket_counts_size(), 15);
    EXPECT_TRUE(point.has_sum());
  }
  EXPECT_EQ(histogram.data_points(0).count(), 0u);
  EXPECT_EQ(histogram.data_points(1).count(), 2u);
  EXPECT_EQ(histogram.data_points(1).sum(), 100.015);
  EXPECT_EQ(histogram.data_points(1).bucket_counts(1), 1u);
  EXPECT_EQ(histogram.data_points(1).bucket_counts(14), 1u);
}

TEST(MetricRequests, TheZeroIsAMillisecondBeforeTheValueAtLeast) {
  for (const int64_t born : {kNow, kNow + kHour, kNow - 1}) {
    Registry registry({});
    registry.Add(Metric::kCalls, {}, 1, born);
    MetricRequests requests(With(Temporality::kCumulative));
    const MetricsRequest request = TakeOne(requests, registry, kNow);
    const auto& points = OnlyMetric(request).sum().data_points();
    ASSERT_EQ(points.size(), 2);
    EXPECT_EQ(points[0].time_unix_nano(), static_cast<uint64_t>(kNow - 1'000'000));
    EXPECT_EQ(points[0].start_time_unix_nano(), points[0].time_unix_nano());
    EXPECT_EQ(points[1].start_time_unix_nano(), points[0].time_unix_nano());
  }
}

TEST(MetricRequests, AfterALongOutageTheZeroIsNotTooOld) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 1, kNow - 5 * kHour);
  MetricRequests requests(With(Temporality::kCumulative));
  const MetricsRequest request = TakeOne(requests, registry, kNow);
  EXPECT_EQ(OnlyMetric(request).sum().data_points(0).time_unix_nano(),
            static_cast<uint64_t>(kNow - MetricRequests::kOldestZeroNs));
  // A delta says since when it gained.
  MetricRequests deltas(With(Temporality::kDelta));
  const MetricsRequest delta = TakeOne(deltas, registry, kNow);
  EXPECT_EQ(OnlyMetric(delta).sum().data_points(0).start_time_unix_nano(),
            static_cast<uint64_t>(kNow - 5 * kHour));
}

TEST(MetricRequests, TheZeroComesUntilItIsAccepted) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 1, kBorn);
  MetricRequests requests(With(Temporality::kCumulative));
  for (int round = 0; round < 3; ++round) {
    requests.Begin(registry.Collect(), kNow + round * kSecond);
    const auto batch = requests.Next();
    ASSERT_TRUE(batch.has_value());
    EXPECT_EQ(batch->points, 2u);
    EXPECT_EQ(OnlyMetric(batch->request).sum().data_points(0).as_int(), 0);
    requests.Failed(/*maybe_arrived=*/false, /*refused=*/round == 1);
    EXPECT_FALSE(requests.Next().has_value());
  }
}

// A back end that has newer points of the series, of an agent before this one whose clock was
// ahead, would refuse the same zero for ever.
TEST(MetricRequests, ARefusedZeroMovesUpToItsValue) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 1, kBorn);
  MetricRequests requests(With(Temporality::kCumulative));
  const auto zero_time = [&](int64_t now, bool refused) {
    requests.Begin(registry.Collect(), now);
    const auto batch = requests.Next();
    requests.Failed(/*maybe_arrived=*/false, refused);
    return static_cast<int64_t>(OnlyMetric(batch->request).sum().data_points(0).time_unix_nano());
  };
  EXPECT_EQ(zero_time(kNow, false), kBorn);
  EXPECT_EQ(zero_time(kNow + kSecond, true), kBorn);
  EXPECT_EQ(zero_time(kNow + 2 * kSecond, false), kNow + 2 * kSecond - 1'000'000);
}

TEST(MetricRequests, AZeroThatMayHaveArrivedIsLeftOutWhenItIsRefused) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 1, kBorn);
  MetricRequests requests(With(Temporality::kCumulative));
  requests.Begin(registry.Collect(), kNow);
  ASSERT_EQ(requests.Next()->points, 2u);
  requests.Failed(/*maybe_arrived=*/true, /*refused=*/false);

  registry.Add(Metric::kErrors, {}, 1, kBorn);  // It never was in a request: it keeps its zero.
  requests.Begin(registry.Collect(), kNow + kSecond);
  ASSERT_EQ(requests.Next()->points, 4u);
  requests.Failed(/*maybe_arrived=*/false, /*refused=*/true);
  const auto again = requests.Next();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->points, 3u);
  EXPECT_EQ(OnlyMetric(again->request).sum().data_points(0).as_int(), 1);
  // Refused all the same: then it was not the zero, which comes again in the next round.
  requests.Failed(/*maybe_arrived=*/false, /*refused=*/true);
  EXPECT_FALSE(requests.Next().has_value());
  requests.Begin(registry.Collect(), kNow + 2 * kSecond);
  EXPECT_EQ(requests.Next()->points, 4u);
}

TEST(MetricRequests, TimeNeverGoesBackThoughTheClockDoes) {
  for (const Temporality temporality : {Temporality::kCumulative, Temporality::kDelta}) {
    Registry registry({});
    MetricRequests requests(With(temporality));
    ReceivedMetrics received(Profile::kSemconv141);
    int64_t clock = kNow;
    for (int round = 0; round < 10; ++round) {
      if (round == 3) clock -= kHour;
      registry.Add(Metric::kCalls, {{kRequestModel, std::to_string(round)}}, 1, clock);
      registry.Add(Metric::kCalls, {}, 1, clock);
      received.Add(TakeOne(requests, registry, clock));
      clock += kSecond;
    }
    EXPECT_THAT(received.faults(), IsEmpty());
    EXPECT_EQ(received.totals(), ReceivedMetrics::Of(registry.Collect(), Profile::kSemconv141));
  }
}

TEST(MetricRequests, ADeltaCarriesWhatFailedExportsWouldHaveSaid) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 5, kBorn);
  registry.Observe(Metric::kTokenUsage, {}, 10, kBorn);
  MetricRequests requests(With(Temporality::kDelta));
  Take(requests, registry, kNow);
  registry.Add(Metric::kCalls, {}, 2, kBorn);
  requests.Begin(registry.Collect(), kNow + kSecond);
  ASSERT_EQ(requests.Next()->points, 1u);  // The histogram has not changed.
  requests.Failed(false, false);
  registry.Add(Metric::kCalls, {}, 1, kBorn);
  const MetricsRequest request = TakeOne(requests, registry, kNow + 2 * kSecond);
  ASSERT_EQ(request.resource_metrics(0).scope_metrics(0).metrics_size(), 1);
  const auto& sum = OnlyMetric(request).sum();
  EXPECT_EQ(sum.aggregation_temporality(), proto::AGGREGATION_TEMPORALITY_DELTA);
  ASSERT_EQ(sum.data_points_size(), 1);
  EXPECT_EQ(sum.data_points(0).as_int(), 3);
  EXPECT_EQ(sum.data_points(0).start_time_unix_nano(), static_cast<uint64_t>(kNow));
  EXPECT_EQ(sum.data_points(0).time_unix_nano(), static_cast<uint64_t>(kNow + 2 * kSecond));
  EXPECT_THAT(Take(requests, registry, kNow + 3 * kSecond), IsEmpty());
}

// Calls of every kind, failures of every kind: what arrived adds up to the registry.
TEST(MetricRequests, WhatIsAcceptedAddsUpToTheRegistry) {
  constexpr int kRounds = 80;
  const std::vector<calls::Call> kinds = {MakeOpenAiStream(), MakeAnthropicCached(),
                                          MakeRateLimited(),  MakeEstimatedStream(),
                                          MakeAborted(),      MakeBare(),
                                          MakeEverything()};
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    for (const Temporality temporality : {Temporality::kCumulative, Temporality::kDelta}) {
      std::mt19937 random(7);
      Registry registry({});
      CallMetrics metrics(profile, "", &registry);
      MetricRequests requests(With(temporality, false, profile));
      ReceivedMetrics received(profile);
      int64_t clock = kNow;
      for (int round = 0; round < kRounds; ++round) {
        for (unsigned i = random() % 4; i > 0; --i) {
          calls::Call call = kinds[random() % kinds.size()];
          call.request.model = "m" + std::to_string(random() % 50);
          call.start_unix_ns = clock - static_cast<int64_t>(random() % kSecond);
          metrics.OnCall(call);
        }
        requests.Begin(registry.Collect(), clock);
        const bool fails = random() % 3 == 0 && round < kRounds - 1;
        while (auto batch = requests.Next()) {
          if (fails) {
            requests.Failed(false, random() % 2 == 0);
          } else {
            received.Add(batch->request);
            requests.Accepted();
          }
        }
        clock += kSecond;
      }
      EXPECT_THAT(received.faults(), IsEmpty());
      EXPECT_EQ(received.totals(), ReceivedMetrics::Of(registry.Collect(), profile));
      EXPECT_GT(received.totals().size(), 50u);
    }
  }
}

TEST(MetricRequests, EveryServiceIsAResource) {
  Registry registry({});
  registry.Add(Metric::kCalls, {{kServiceName, "a"}}, 1, kBorn);
  registry.Add(Metric::kCalls, {{kServiceName, "b"}}, 1, kBorn);
  registry.Add(Metric::kErrors, {{kServiceName, "a"}}, 1, kBorn);
  MetricRequests::Options options = With(Temporality::kCumulative);
  options.resource_attributes = {{"service.name", "never"}, {"host.name", "node-1"}};
  MetricRequests requests(options);
  const MetricsRequest request = TakeOne(requests, registry, kNow);
  ASSERT_EQ(request.resource_metrics_size(), 2);
  const auto first = Attributes(request.resource_metrics(0).resource().attributes());
  EXPECT_EQ(first.at("service.name"), "a");
  EXPECT_EQ(first.at("host.name"), "node-1");
  EXPECT_EQ(request.resource_metrics(0).scope_metrics(0).metrics_size(), 2);
  EXPECT_EQ(Attributes(request.resource_metrics(1).resource().attributes()).at("service.name"),
            "b");
}

TEST(MetricRequests, TheSeedProfileHasTheLabelsOfTheSourceDocuments) {
  Registry registry({});
  registry.Add(Metric::kSeedCalls, {{kProviderName, "openai"}, {kRequestModel, "m"}}, 1, kBorn);
  registry.Add(Metric::kCalls, {{kProviderName, "openai"}}, 1, kBorn);
  MetricRequests seed(With(Temporality::kCumulative, false, Profile::kSeed));
  std::map<std::string, std::map<std::string, std::string>> labels;
  const MetricsRequest request = TakeOne(seed, registry, kNow);
  for (const auto& metric : request.resource_metrics(0).scope_metrics(0).metrics()) {
    labels[metric.name()] = Attributes(metric.sum().data_points(1).attributes());
  }
  EXPECT_EQ(labels.at("llm.calls"),
            (std::map<std::string, std::string>{{"llm.provider", "openai"}, {"llm.model", "m"}}));
  EXPECT_EQ(labels.at("sonde.calls"),
            (std::map<std::string, std::string>{{"gen_ai.provider.name", "openai"}}));
  // A metric without a name in the profile is not sent.
  MetricRequests other(With(Temporality::kCumulative));
  EXPECT_EQ(TakeOne(other, registry, kNow).resource_metrics(0).scope_metrics(0).metrics_size(), 1);
}

// The counts of an exponential histogram's buckets at a coarser scale.
std::map<int, uint64_t> AtScale(const proto::ExponentialHistogramDataPoint& point, int scale) {
  std::map<int, uint64_t> counts;
  for (int i = 0; i < point.positive().bucket_counts_size(); ++i) {
    const uint64_t count = point.positive().bucket_counts(i);
    if (count > 0) counts[(point.positive().offset() + i) >> (point.scale() - scale)] += count;
  }
  return counts;
}

TEST(MetricRequests, ExponentialHistogramsAddUpThoughTheirScaleChanges) {
  Registry registry({.exponential = true});
  MetricRequests cumulative(With(Temporality::kCumulative, true));
  MetricRequests deltas(With(Temporality::kDelta, true));
  std::vector<proto::ExponentialHistogramDataPoint> points;
  proto::ExponentialHistogramDataPoint whole;
  const int64_t values[][3] = {{20, 21, 0}, {22, 5000, 20}, {1, 9'000'000, 300}};
  int64_t now = kNow;
  for (const auto& round : values) {
    for (const int64_t value : round) registry.Observe(Metric::kTokenUsage, {}, value, kBorn);
    const MetricsRequest delta = TakeOne(deltas, registry, now);
    ASSERT_EQ(OnlyMetric(delta).exponential_histogram().data_points_size(), 1);
    points.push_back(OnlyMetric(delta).exponential_histogram().data_points(0));
    const MetricsRequest request = TakeOne(cumulative, registry, now);
    const auto& all = OnlyMetric(request).exponential_histogram().data_points();
    EXPECT_EQ(all.size(), now == kNow ? 2 : 1);
    EXPECT_EQ(all[0].count(), now == kNow ? 0u : whole.count() + 3);
    EXPECT_EQ(all[0].positive().bucket_counts_size() == 0, now == kNow);
    whole = all[all.size() - 1];
    now += kSecond;
  }
  ASSERT_LT(points[2].scale(), points[0].scale());
  std::map<int, uint64_t> added;
  uint64_t count = 0;
  uint64_t zeros = 0;
  double sum = 0;
  for (const auto& point : points) {
    for (const auto& [index, times] : AtScale(point, whole.scale())) added[index] += times;
    count += point.count();
    zeros += point.zero_count();
    sum += point.sum();
  }
  EXPECT_EQ(added, AtScale(whole, whole.scale()));
  EXPECT_EQ(count, 9u);
  EXPECT_EQ(whole.count(), 9u);
  EXPECT_EQ(zeros, 1u);
  EXPECT_EQ(whole.zero_count(), 1u);
  EXPECT_EQ(sum, 20 + 21 + 22 + 5000 + 20 + 1 + 9'000'000 + 300);
  EXPECT_EQ(whole.sum(), sum);
}

TEST(MetricRequests, NoRequestIsLargeAndNoSeriesIsLeftOut) {
  constexpr int kSeries = 4000;
  Registry registry({.series = kSeries, .values = kSeries});
  for (int i = 0; i < kSeries; ++i) {
    registry.Observe(Metric::kTokenUsage,
                     {{kServiceName, std::to_string(i % 100) + std::string(100, 's')},
                      {kRequestModel, std::to_string(i) + std::string(100, 'm')}},
                     i, kBorn);
  }
  MetricRequests requests(With(Temporality::kCumulative));
  ReceivedMetrics received(Profile::kSemconv141);
  uint64_t points = 0;
  size_t batches = 0;
  size_t largest = 0;
  requests.Begin(registry.Collect(), kNow);
  // The second one is lost; the rest goes on, and it comes with the next round.
  while (auto batch = requests.Next()) {
    EXPECT_LE(batch->request.ByteSizeLong(), kRequestBytes);
    largest = std::max(largest, batch->request.ByteSizeLong());
    if (++batches == 2) {
      requests.Failed(false, true);
      continue;
    }
    points += batch->points;
    received.Add(batch->request);
    requests.Accepted();
  }
  EXPECT_GE(batches, 2u);
  EXPECT_GT(largest, kRequestBytes / 2);
  EXPECT_EQ(points, received.points());
  EXPECT_LT(received.totals().size(), static_cast<size_t>(kSeries));
  for (const MetricsRequest& request : Take(requests, registry, kNow + kSecond)) {
    received.Add(request);
  }
  EXPECT_THAT(received.faults(), IsEmpty());
  EXPECT_EQ(received.totals(), ReceivedMetrics::Of(registry.Collect(), Profile::kSemconv141));
}

}  // namespace
}  // namespace sonde::exporter
