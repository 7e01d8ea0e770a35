#include "agent/export/metrics/call_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using enum Attribute;

class CallMetricsTest : public ::testing::Test {
 protected:
  void Count(const calls::Call& call, Profile profile = Profile::kSemconv141) {
    CallMetrics(profile, "", &registry_).OnCall(call);
  }

  /// Sum over all series of a metric that carry the label.
  int64_t Sum(Metric metric, Attribute attribute = kServiceName,
              const std::string& value = "unknown_service:python3.11") {
    int64_t sum = 0;
    for (const SeriesPoint& point : registry_.Collect()) {
      const std::pair<Attribute, std::string> label(attribute, value);
      if (point.metric == metric && std::ranges::count(point.labels, label) > 0) sum += point.sum;
    }
    return sum;
  }
  uint64_t Observations(Metric metric) {
    uint64_t count = 0;
    for (const SeriesPoint& point : registry_.Collect()) {
      if (point.metric == metric) count += point.count;
    }
    return count;
  }
  bool Has(Metric metric) {
    const auto points = registry_.Collect();
    return std::ranges::any_of(points, [&](const auto& p) { return p.metric == metric; });
  }

  Registry registry_{{}};
};

TEST_F(CallMetricsTest, TokensAndMoneyOfAStreamAreExact) {
  const calls::Call call = MakeOpenAiStream();
  Count(call);
  Count(call);
  const dialects::TokenUsage& usage = call.response.usage;
  EXPECT_EQ(Sum(Metric::kCalls), 2);
  EXPECT_EQ(Sum(Metric::kTokenUsage, kTokenType, "input"), 2 * *usage.total_input());
  EXPECT_EQ(Sum(Metric::kTokenUsage, kTokenType, "output"), 2 * *usage.output);
  EXPECT_EQ(Sum(Metric::kInputTokens), 2 * *usage.total_input());
  EXPECT_EQ(Sum(Metric::kCacheReadTokens), 2 * *usage.cache_read);
  EXPECT_EQ(Sum(Metric::kReasoningTokens), 2 * *usage.reasoning);
  EXPECT_EQ(Sum(Metric::kCost), 2 * *call.quote.total);
  EXPECT_EQ(Sum(Metric::kOperationDuration), 2 * static_cast<int64_t>(call.duration_ns()));
  EXPECT_EQ(Observations(Metric::kTimeToFirstChunk), 2U);
  EXPECT_EQ(Observations(Metric::kTimePerOutputChunk), 2 * (call.response.output_event_count - 1));
  EXPECT_FALSE(Has(Metric::kErrors));
  EXPECT_FALSE(Has(Metric::kUnpricedCalls));
}

TEST_F(CallMetricsTest, EstimatesHaveSeriesOfTheirOwn) {
  const calls::Call call = MakeEstimatedStream();
  Count(call);
  EXPECT_FALSE(Has(Metric::kTokenUsage));
  EXPECT_FALSE(Has(Metric::kOutputTokens));
  EXPECT_FALSE(Has(Metric::kCost));
  EXPECT_EQ(Sum(Metric::kEstimatedTokens, kTokenType, "output"), *call.estimated->output);
  EXPECT_EQ(Sum(Metric::kCostEstimated), *call.quote.total);
}

TEST_F(CallMetricsTest, ErrorsRetriesAndLimitsAreCounted) {
  const calls::Call call = MakeRateLimited();
  Count(call);
  EXPECT_EQ(Sum(Metric::kErrors, kErrorClass, "rate_limit"), 1);
  EXPECT_EQ(Sum(Metric::kRetries), 1);
  EXPECT_EQ(Observations(Metric::kOperationDuration), 1U);
  EXPECT_EQ(Sum(Metric::kRateLimitRemaining, kRateLimitKind, "requests"),
            *call.rate_limits.requests_remaining);
}

TEST_F(CallMetricsTest, APlansCostIsNotionalAlone) {
  calls::Call call = MakeOpenAiStream();
  call.billing_mode = calls::BillingMode::kPlan;
  Count(call);
  EXPECT_FALSE(Has(Metric::kCost));
  EXPECT_EQ(Sum(Metric::kCostNotional), *call.quote.total);
}

TEST_F(CallMetricsTest, AnUnpricedCallSaysWhy) {
  calls::Call call = MakeOpenAiStream();
  call.quote = {};
  call.quote.reason = "unknown_model";
  Count(call);
  EXPECT_EQ(Sum(Metric::kUnpricedCalls, kReason, "unknown_model"), 1);
  EXPECT_FALSE(Has(Metric::kCost));
}

TEST_F(CallMetricsTest, OlderNamesOnlyInTheirProfile) {
  Count(MakeOpenAiStream());
  EXPECT_FALSE(Has(Metric::kSeedCalls));
  const calls::Call call = MakeOpenAiStream();
  Count(call, Profile::kSeed);
  EXPECT_EQ(Sum(Metric::kSeedCalls), 1);
  EXPECT_EQ(Sum(Metric::kSeedPromptTokens), *call.response.usage.total_input());
  EXPECT_EQ(Sum(Metric::kSeedCost), *call.quote.total);
  EXPECT_EQ(Sum(Metric::kSeedResponseTime), static_cast<int64_t>(call.duration_ns()));
}

TEST_F(CallMetricsTest, MainHasCountersAndNoTokenHistogram) {
  Count(MakeOpenAiStream(), Profile::kMain);
  EXPECT_FALSE(Has(Metric::kTokenUsage));
  EXPECT_TRUE(Has(Metric::kInputTokens));
}

TEST_F(CallMetricsTest, NoSeriesCarriesAProcessOrAKey) {
  for (const auto& call : {MakeOpenAiStream(), MakeAnthropicCached(), MakeRateLimited(),
                           MakeEstimatedStream(), MakeAborted(), MakeBare(), MakeEverything()}) {
    Count(call, Profile::kSeed);
  }
  for (const SeriesPoint& point : registry_.Collect()) {
    for (const auto& [attribute, value] : point.labels) {
      EXPECT_NE(attribute, kProcessPid);
      EXPECT_NE(attribute, kUserHash);
      EXPECT_NE(attribute, kBillingScope);
    }
  }
}

TEST_F(CallMetricsTest, OnlySampledTracesAreExamples) {
  calls::Call call = MakeOpenAiStream();
  call.trace_flags = 0;
  Count(call);
  for (const SeriesPoint& point : registry_.Collect()) EXPECT_FALSE(point.exemplar.has_value());
  call.trace_flags = 1;
  Count(call);
  bool found = false;
  for (const SeriesPoint& point : registry_.Collect()) {
    found |= point.exemplar && point.exemplar->trace_id == call.trace_id;
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace sonde::exporter
