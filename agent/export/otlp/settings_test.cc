#include "agent/export/otlp/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "agent/export/otlp/transport.h"

namespace sonde::exporter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

using Variables = std::map<std::string, std::string>;

OtlpSettings Url(const std::string& url) {
  const auto settings = SettingsFromUrl(url);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return settings.ok() ? *settings : OtlpSettings();
}

OtlpSettings Env(const Variables& variables) {
  const auto settings = SettingsFromEnvironment(variables);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return settings.ok() ? *settings : OtlpSettings();
}

struct UrlCase {
  std::string url;
  OtlpProtocol protocol;
  std::string target;
  bool tls;
};
class FlagUrl : public testing::TestWithParam<UrlCase> {};
TEST_P(FlagUrl, IsUnderstood) {
  const OtlpSettings settings = Url(GetParam().url);
  EXPECT_EQ(settings.protocol, GetParam().protocol);
  EXPECT_EQ(settings.target, GetParam().target);
  EXPECT_EQ(settings.tls, GetParam().tls);
}
INSTANTIATE_TEST_SUITE_P(
    Forms, FlagUrl,
    testing::Values(
        UrlCase{"http://h:1", OtlpProtocol::kHttpProtobuf, "http://h:1/v1/traces", false},
        UrlCase{"http://h:1/", OtlpProtocol::kHttpProtobuf, "http://h:1/v1/traces", false},
        UrlCase{"http://h", OtlpProtocol::kHttpProtobuf, "http://h:4318/v1/traces", false},
        UrlCase{"HTTPS://h/otlp?x=1", OtlpProtocol::kHttpProtobuf, "https://h:443/otlp?x=1", true},
        UrlCase{"https://u:p@h:1/v1/traces", OtlpProtocol::kHttpProtobuf,
                "https://u:p@h:1/v1/traces", true},
        UrlCase{"http://[::1]:4318", OtlpProtocol::kHttpProtobuf, "http://[::1]:4318/v1/traces",
                false},
        UrlCase{"grpc://h", OtlpProtocol::kGrpc, "h:4317", false},
        UrlCase{"grpc://[::1]:9", OtlpProtocol::kGrpc, "[::1]:9", false},
        UrlCase{"grpcs://h:9/", OtlpProtocol::kGrpc, "h:9", true},
        UrlCase{"grpcs://h", OtlpProtocol::kGrpc, "h:443", true}));

TEST(SettingsFromUrl, HasATargetForEachSignal) {
  struct Case {
    std::string url;
    std::string traces;
    std::string metrics;
    std::string logs;
  };
  for (const Case& expected : {
           Case{"http://h:1", "http://h:1/v1/traces", "http://h:1/v1/metrics",
                "http://h:1/v1/logs"},
           Case{"http://h:1/base/v1/traces?k=1", "http://h:1/base/v1/traces?k=1",
                "http://h:1/base/v1/metrics?k=1", "http://h:1/base/v1/logs?k=1"},
           Case{"http://h:1/api/v1/otlp/v1/metrics", "http://h:1/api/v1/otlp/v1/traces",
                "http://h:1/api/v1/otlp/v1/metrics", "http://h:1/api/v1/otlp/v1/logs"},
           Case{"http://h:1/otlp/", "http://h:1/otlp/", "http://h:1/otlp/v1/metrics",
                "http://h:1/otlp/v1/logs"},
           Case{"grpc://h:1", "h:1", "h:1", "h:1"},
       }) {
    const OtlpSettings settings = Url(expected.url);
    EXPECT_EQ(settings.TargetOf(Signal::kTraces), expected.traces);
    EXPECT_EQ(settings.TargetOf(Signal::kMetrics), expected.metrics);
    EXPECT_EQ(settings.TargetOf(Signal::kLogs), expected.logs);
  }
  EXPECT_EQ(Url("http://u:p@h:1").DisplayOf(Signal::kLogs), "http://h:1/v1/logs");
  EXPECT_EQ(Url("http://u:p@h:1").display, "http://h:1/v1/traces");
}

TEST(OtlpSettings, TakesAnEndpointAndKeepsTheRest) {
  OtlpSettings settings = Url("http://h:1");
  settings.headers = {{"a", "b"}};
  settings.TakeEndpoint(Url("grpcs://other:2"));
  EXPECT_EQ(settings.protocol, OtlpProtocol::kGrpc);
  EXPECT_TRUE(settings.tls);
  EXPECT_EQ(settings.display, "grpcs://other:2");
  for (const Signal signal : {Signal::kTraces, Signal::kMetrics, Signal::kLogs}) {
    EXPECT_EQ(settings.TargetOf(signal), "other:2");
  }
  EXPECT_THAT(settings.headers, ElementsAre(Pair("a", "b")));
}

TEST(SettingsFromUrl, RefusesTheRestWithoutRepeatingIt) {
  for (const char* url :
       {"", "localhost:4318", "ftp://h", "http://", "http://h:port", "http://h:70000",
        "grpc://h:1/path", "grpc://secret@h:1", "http://h/ x", "://h"}) {
    const auto settings = SettingsFromUrl(url);
    ASSERT_FALSE(settings.ok()) << url;
    EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(settings.status().message());
    EXPECT_THAT(message, HasSubstr("http://HOST"));
    EXPECT_THAT(message, Not(HasSubstr("secret")));
  }
}

TEST(SettingsFromUrl, DisplaysNoCredentials) {
  EXPECT_EQ(Url("https://user:pass@h:1/v1/traces?key=abc").display, "https://h:1/v1/traces");
  EXPECT_EQ(Url("grpcs://h:1").display, "grpcs://h:1");
}

TEST(SettingsFromEnvironment, HasTheSpecificationsDefaults) {
  const OtlpSettings settings = Env({});
  EXPECT_EQ(settings.protocol, OtlpProtocol::kHttpProtobuf);
  EXPECT_EQ(settings.target, "http://localhost:4318/v1/traces");
  EXPECT_EQ(settings.timeout, absl::Seconds(10));
  EXPECT_FALSE(settings.gzip);
  EXPECT_EQ(settings.batch.queue_spans, 2048u);
  EXPECT_EQ(settings.batch.batch_spans, 512u);
  EXPECT_EQ(settings.batch.schedule_delay, absl::Seconds(5));
  EXPECT_THAT(settings.warnings, IsEmpty());
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}).target, "localhost:4317");
}

TEST(SettingsFromEnvironment, AppendsThePathToTheGeneralEndpointOnly) {
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"}}).target, "http://h:1/v1/traces");
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1/base/"}}).target,
            "http://h:1/base/v1/traces");
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/exact"}}).target,
            "http://h:1/exact");
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1"}}).target, "http://h:1/");
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1"},
                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1"}})
                .target,
            "http://own:1/");
  EXPECT_EQ(Env({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""},
                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1"}})
                .target,
            "http://general:1/v1/traces");
}

TEST(SettingsFromEnvironment, ReadsGrpcEndpoints) {
  const auto grpc = [](const std::string& endpoint, const std::string& insecure) {
    return Env({{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"},
                {"OTEL_EXPORTER_OTLP_ENDPOINT", endpoint},
                {"OTEL_EXPORTER_OTLP_INSECURE", insecure}});
  };
  EXPECT_TRUE(grpc("h:1", "").tls);
  EXPECT_FALSE(grpc("h:1", "True").tls);
  EXPECT_TRUE(grpc("h:1", "1").tls);
  EXPECT_TRUE(grpc("https://h:1", "true").tls);
  EXPECT_FALSE(grpc("http://h:1", "").tls);
  EXPECT_EQ(grpc("http://h:1", "").target, "h:1");
}

TEST(SettingsFromEnvironment, RefusesWhatItCannotSpeak) {
  const auto refused = [](const Variables& variables) {
    const auto settings = SettingsFromEnvironment(variables);
    EXPECT_FALSE(settings.ok());
    return std::string(settings.status().message());
  };
  EXPECT_THAT(refused({{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}}),
              HasSubstr("http/json is not supported"));
  EXPECT_THAT(refused({{"OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"}}), HasSubstr("unknown protocol"));
  EXPECT_THAT(refused({{"OTEL_EXPORTER_OTLP_ENDPOINT", "h:1"}}), HasSubstr("http://"));
  EXPECT_THAT(refused({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:x"}}),
              HasSubstr("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"));
}

TEST(SettingsFromEnvironment, DecodesHeadersAndKeepsTheirValuesQuiet) {
  OtlpSettings settings =
      Env({{"OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=se%20cret, x=a=b , empty="}});
  EXPECT_THAT(settings.headers,
              ElementsAre(Pair("api-key", "se cret"), Pair("x", "a=b"), Pair("empty", "")));
  EXPECT_THAT(settings.warnings, IsEmpty());
  for (const char* bad : {"secretvalue", "a=secret%2", "a=secret%0D%0Ab", "b%20ad=secret",
                          "=secret", "x-bin=secret"}) {
    settings = Env({{"OTEL_EXPORTER_OTLP_HEADERS", bad}});
    EXPECT_THAT(settings.headers, IsEmpty()) << bad;
    ASSERT_EQ(settings.warnings.size(), 1u) << bad;
    EXPECT_THAT(settings.warnings[0], Not(HasSubstr("secret")));
  }
}

TEST(SettingsFromEnvironment, ReadsTheRestAndThePerSignalFormWins) {
  const OtlpSettings settings = Env({{"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
                                     {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"},
                                     {"OTEL_EXPORTER_OTLP_TIMEOUT", "250"},
                                     {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"},
                                     {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"},
                                     {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert.pem"},
                                     {"OTEL_BSP_SCHEDULE_DELAY", "10"},
                                     {"OTEL_BSP_MAX_QUEUE_SIZE", "20"},
                                     {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "30"},
                                     {"OTEL_SERVICE_NAME", "svc"},
                                     {"OTEL_RESOURCE_ATTRIBUTES", "a=1,b=x%2Cy"}});
  EXPECT_TRUE(settings.gzip);
  EXPECT_EQ(settings.timeout, absl::Milliseconds(250));
  EXPECT_EQ(settings.ca_file, "/ca.pem");
  EXPECT_EQ(settings.client_key_file, "/key.pem");
  EXPECT_EQ(settings.client_certificate_file, "/cert.pem");
  EXPECT_EQ(settings.batch.schedule_delay, absl::Milliseconds(10));
  EXPECT_EQ(settings.batch.queue_spans, 20u);
  EXPECT_EQ(settings.batch.batch_spans, 20u);
  EXPECT_EQ(settings.service_name, "svc");
  EXPECT_THAT(settings.resource_attributes, ElementsAre(Pair("a", "1"), Pair("b", "x,y")));
}

TEST(SettingsFromEnvironment, IgnoresInvalidValuesWithAWarning) {
  const OtlpSettings settings = Env({{"OTEL_EXPORTER_OTLP_TIMEOUT", "soon"},
                                     {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
                                     {"OTEL_BSP_MAX_QUEUE_SIZE", "0"},
                                     {"OTEL_RESOURCE_ATTRIBUTES", "a=1,broken"}});
  EXPECT_EQ(settings.timeout, absl::Seconds(10));
  EXPECT_FALSE(settings.gzip);
  EXPECT_EQ(settings.batch.queue_spans, 2048u);
  EXPECT_THAT(settings.resource_attributes, IsEmpty());
  EXPECT_EQ(settings.warnings.size(), 4u);
}

TEST(SettingsFromEnvironment, ReadsTheFormOfTheSignal) {
  const Variables variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1/base"},
                               {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:1/exact"},
                               {"OTEL_EXPORTER_OTLP_HEADERS", "a=general"},
                               {"OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=logs"},
                               {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "70"},
                               {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/exact"},
                               {"OTEL_LOGS_EXPORTER", "console"},
                               {"OTEL_BSP_SCHEDULE_DELAY", "10"},
                               {"OTEL_BLRP_MAX_QUEUE_SIZE", "99"},
                               {"OTEL_METRIC_EXPORT_INTERVAL", "1500"}};
  const auto metrics = SettingsFromEnvironment(variables, Signal::kMetrics);
  ASSERT_TRUE(metrics.ok());
  EXPECT_EQ(metrics->TargetOf(Signal::kMetrics), "http://m:1/exact");
  EXPECT_EQ(metrics->TargetOf(Signal::kTraces), "");
  EXPECT_EQ(metrics->timeout, absl::Milliseconds(70));
  EXPECT_EQ(metrics->metrics.interval, absl::Milliseconds(1500));
  EXPECT_EQ(metrics->metrics.temporality, Temporality::kCumulative);
  EXPECT_FALSE(metrics->metrics.exponential);
  EXPECT_THAT(metrics->headers, ElementsAre(Pair("a", "general")));
  EXPECT_THAT(metrics->warnings, IsEmpty());

  const auto logs = SettingsFromEnvironment(variables, Signal::kLogs);
  ASSERT_TRUE(logs.ok());
  EXPECT_EQ(logs->TargetOf(Signal::kLogs), "http://h:1/base/v1/logs");
  EXPECT_EQ(logs->display, "http://h:1/base/v1/logs");
  EXPECT_THAT(logs->headers, ElementsAre(Pair("a", "logs")));
  EXPECT_EQ(logs->batch.queue_spans, 99u);
  EXPECT_EQ(logs->batch.schedule_delay, absl::Seconds(1));
  ASSERT_EQ(logs->warnings.size(), 1u);
  EXPECT_THAT(logs->warnings[0], HasSubstr("OTEL_LOGS_EXPORTER"));
}

TEST(SettingsFromEnvironment, ReadsHowMetricsAreSent) {
  const auto read = [](const std::string& temporality, const std::string& buckets) {
    return *SettingsFromEnvironment(
        {{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality},
         {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", buckets}},
        Signal::kMetrics);
  };
  EXPECT_EQ(read("Delta", "").metrics.temporality, Temporality::kDelta);
  EXPECT_EQ(read("lowmemory", "").metrics.temporality, Temporality::kDelta);
  EXPECT_EQ(read("cumulative", "").metrics.temporality, Temporality::kCumulative);
  EXPECT_TRUE(read("", "base2_exponential_bucket_histogram").metrics.exponential);
  EXPECT_FALSE(read("", "explicit_bucket_histogram").metrics.exponential);
  EXPECT_EQ(read("sometimes", "none").warnings.size(), 2u);
  EXPECT_TRUE(
      SettingsFromEnvironment({{"OTEL_METRICS_EXPORTER", "none"}}, Signal::kMetrics)->disabled);
}

TEST(MakeTransport, RefusesHeadersThatCannotBeSent) {
  for (const char* url : {"http://h:1", "grpc://h:1"}) {
    for (const std::pair<std::string, std::string>& header :
         {std::pair<std::string, std::string>{"Upper", "secret"},
          {"a b", "secret"},
          {"", "secret"},
          {"a", "secret\r\nb: c"},
          {"a-bin", "secret"},
          {"grpc-x", "secret"},
          {"a", "secret \xC3"}}) {
      OtlpSettings settings = Url(url);
      settings.headers = {header};
      const auto transport = MakeTransport(settings);
      ASSERT_EQ(transport.status().code(), absl::StatusCode::kInvalidArgument) << header.first;
      EXPECT_THAT(std::string(transport.status().message()), Not(HasSubstr("secret")));
    }
  }
}

TEST(SettingsFromEnvironment, CanBeSwitchedOff) {
  EXPECT_TRUE(Env({{"OTEL_SDK_DISABLED", "TRUE"}}).disabled);
  EXPECT_TRUE(Env({{"OTEL_TRACES_EXPORTER", "none"}}).disabled);
  EXPECT_FALSE(Env({{"OTEL_TRACES_EXPORTER", "otlp"}}).disabled);
  EXPECT_EQ(Env({{"OTEL_TRACES_EXPORTER", "console"}}).warnings.size(), 1u);
}

}  // namespace
}  // namespace sonde::exporter
