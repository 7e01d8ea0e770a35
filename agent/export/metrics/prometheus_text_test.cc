#include "agent/export/metrics/prometheus_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/export/metrics/call_metrics.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using enum Attribute;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kAll = ~uint64_t{0};

std::string Text(const Registry& registry, Profile profile = Profile::kSemconv141,
                 TextFormat format = TextFormat::kPrometheus, uint64_t revealed = kAll) {
  return PrometheusText(registry.Collect(), profile, format, revealed);
}

TEST(PrometheusTextTest, CountersAreExactDecimals) {
  Registry registry({});
  registry.Add(Metric::kCost, {{kProviderName, "openai"}}, 706'600'000, 0);
  registry.Add(Metric::kCost, {{kProviderName, "anthropic"}}, 12'000'000'000'000, 0);
  registry.Add(Metric::kCost, {}, 1, 0);
  EXPECT_EQ(Text(registry),
            "# HELP sonde_cost_usd_total What calls cost, where it is exact\n"
            "# TYPE sonde_cost_usd_total counter\n"
            "sonde_cost_usd_total{gen_ai_provider_name=\"openai\"} 0.0007066\n"
            "sonde_cost_usd_total{gen_ai_provider_name=\"anthropic\"} 12\n"
            "sonde_cost_usd_total 0.000000000001\n");
}

TEST(PrometheusTextTest, HistogramsAreCumulative) {
  Registry registry({});
  registry.Observe(Metric::kOperationDuration, {}, 15'000'000, 0);
  registry.Observe(Metric::kOperationDuration, {}, 100'000'000'000, 0);
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_bucket{le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_bucket{le=\"0.02\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_bucket{le=\"81.92\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_sum 100.015\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_operation_duration_seconds_count 2\n"));
}

TEST(PrometheusTextTest, NewSeriesShowZeroButGaugesTheirValue) {
  Registry registry({});
  registry.Add(Metric::kCalls, {}, 5, 0);
  registry.Observe(Metric::kTokenUsage, {}, 5, 0);
  registry.Set(Metric::kProcesses, {}, 3, 0);
  const std::string text = Text(registry, Profile::kSemconv141, TextFormat::kOpenMetrics, 0);
  EXPECT_THAT(text, HasSubstr("sonde_calls_total 0\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_token_usage_count 0\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_token_usage_sum 0\n"));
  EXPECT_THAT(text, HasSubstr("gen_ai_client_token_usage_bucket{le=\"+Inf\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("sonde_processes 3\n"));
}

TEST(PrometheusTextTest, OpenMetricsHasExemplarsFamiliesAndAnEnd) {
  Registry registry({});
  CallMetrics(Profile::kSemconv141, "", &registry).OnCall(MakeOpenAiStream());
  const std::string text = Text(registry, Profile::kSemconv141, TextFormat::kOpenMetrics);
  EXPECT_THAT(text, HasSubstr("# TYPE sonde_calls counter\n"));
  EXPECT_THAT(text, HasSubstr("sonde_calls_total{"));
  EXPECT_THAT(
      text,
      HasSubstr("le=\"2.56\"} 1 # {trace_id=\"0102030405060708090a0b0c0d0e0f10\",span_id=\""));
  EXPECT_THAT(text, HasSubstr("le=\"4.0\""));
  EXPECT_TRUE(text.ends_with("# EOF\n"));
  EXPECT_THAT(Text(registry), Not(HasSubstr("trace_id")));
}

TEST(PrometheusTextTest, LabelsAreEscaped) {
  Registry registry({});
  registry.Add(Metric::kCalls, {{kRequestModel, "a\"b\\c\nd"}}, 1, 0);
  EXPECT_THAT(Text(registry), HasSubstr("{gen_ai_request_model=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(PrometheusTextTest, TheSeedProfileHasTheNamesOfTheSourceDocuments) {
  Registry registry({});
  CallMetrics(Profile::kSeed, "shop", &registry).OnCall(MakeOpenAiStream());
  CallMetrics(Profile::kSeed, "shop", &registry).OnCall(MakeRateLimited());
  const std::string text = Text(registry, Profile::kSeed);
  const std::string labels = "{service_name=\"shop\",llm_provider=\"openai\",llm_model=\"";
  for (const char* name :
       {"llm_calls_total", "llm_errors_total", "llm_tokens_prompt_total",
        "llm_tokens_completion_total", "llm_cost_usd_total", "llm_response_time_ms_bucket"}) {
    EXPECT_THAT(text, HasSubstr(name + labels)) << text;
  }
}

TEST(FormatForTest, FollowsTheReader) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.2"),
            TextFormat::kOpenMetrics);
  EXPECT_EQ(FormatFor("*/*"), TextFormat::kPrometheus);
  EXPECT_EQ(FormatFor(""), TextFormat::kPrometheus);
}

}  // namespace
}  // namespace sonde::exporter
