#include "agent/export/otlp/log_exporter.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/export/otlp/log_record.h"
#include "agent/export/otlp/test_collector.h"
#include "agent/export/otlp/test_support.h"
#include "agent/export/test_calls.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"

namespace sonde::exporter {
namespace {

using google::protobuf::util::MessageDifferencer;
using opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;
using opentelemetry::proto::logs::v1::LogRecord;
using testing::HasSubstr;
using testing::Not;
using Answer = TestCollector::Answer;

constexpr absl::Duration kDeadline = absl::Seconds(20);

TEST(LogRecord, IsTheEventOfTheCallsSpan) {
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    const calls::Call call = MakeOpenAiStream();
    const SpanOptions options{.profile = profile};
    const LogRecord record = ToLogRecord(call, options);
    const auto span = ToSpan(call, options);
    EXPECT_EQ(record.event_name(), "gen_ai.client.inference.operation.details");
    EXPECT_EQ(record.trace_id(), span.trace_id());
    EXPECT_EQ(record.span_id(), span.span_id());
    EXPECT_EQ(record.flags(), call.trace_flags);
    EXPECT_EQ(record.time_unix_nano(), span.end_time_unix_nano());
    EXPECT_NE(record.observed_time_unix_nano(), 0u);
    EXPECT_EQ(record.severity_text(), "INFO");
    EXPECT_EQ(record.severity_number(), opentelemetry::proto::logs::v1::SEVERITY_NUMBER_INFO);
    EXPECT_FALSE(record.has_body());
    ASSERT_EQ(record.attributes_size(), span.attributes_size());
    for (int i = 0; i < span.attributes_size(); ++i) {
      EXPECT_TRUE(MessageDifferencer::Equals(record.attributes(i), span.attributes(i)));
    }
  }
}

TEST(LogRecord, AFailedCallIsAnErrorWithoutItsText) {
  calls::Call call = MakeRateLimited();
  call.error_message = "the provider repeats the prompt";
  const LogRecord record = ToLogRecord(call, {.profile = Profile::kSeed});
  EXPECT_EQ(record.severity_text(), "ERROR");
  EXPECT_EQ(record.severity_number(), opentelemetry::proto::logs::v1::SEVERITY_NUMBER_ERROR);
  EXPECT_THAT(record.SerializeAsString(), Not(HasSubstr("repeats the prompt")));
  EXPECT_THAT(ToSpan(call, {.profile = Profile::kSeed}).SerializeAsString(),
              HasSubstr("repeats the prompt"));  // So that the above means something.
}

class OverBoth : public testing::TestWithParam<OtlpProtocol> {
 protected:
  LogExporter::Options Options() {
    LogExporter::Options options;
    options.settings = *SettingsFromUrl(collector_->Url());
    options.settings.batch.schedule_delay = absl::ZeroDuration();
    options.settings.batch.first_backoff = absl::Milliseconds(1);
    options.settings.batch.longest_backoff = absl::Milliseconds(2);
    return options;
  }
  std::unique_ptr<TestCollector> collector_ = TestCollector::Make(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Transports, OverBoth,
                         testing::Values(OtlpProtocol::kGrpc, OtlpProtocol::kHttpProtobuf),
                         [](const auto& test) {
                           return test.param == OtlpProtocol::kGrpc ? "grpc" : "http";
                         });

TEST_P(OverBoth, EveryCallIsOneRecord) {
  collector_->Next({Answer::kLater, Answer::kTake, Answer::kLater});
  auto exporter = LogExporter::Start(Options());
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i) {
    calls::Call call = MakeOpenAiStream();
    call.span_id[0] = static_cast<uint8_t>(i >> 8);
    call.span_id[1] = static_cast<uint8_t>(i);
    call.trace_flags = 0;  // Logs know no sampling.
    (*exporter)->OnCall(call);
  }
  (*exporter)->Stop(kDeadline);
  std::map<std::string, int> seen;
  for (const auto& request : collector_->Taken<ExportLogsServiceRequest>(Signal::kLogs)) {
    for (const auto& resource : request.resource_logs()) {
      EXPECT_TRUE(MessageDifferencer::Equals(resource.resource(),
                                             ToResource(MakeOpenAiStream().process.get(), {})));
      for (const auto& scope : resource.scope_logs()) {
        EXPECT_EQ(scope.scope().name(), "sonde");
        EXPECT_EQ(scope.schema_url(), "https://opentelemetry.io/schemas/1.41.1");
        for (const auto& record : scope.log_records()) ++seen[record.span_id()];
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kCalls));
  for (const auto& [id, times] : seen) EXPECT_EQ(times, 1);
  const ExportStats stats = (*exporter)->stats();
  EXPECT_EQ(stats.sent, static_cast<uint64_t>(kCalls));
  EXPECT_EQ(stats.dropped(), 0u);
  EXPECT_EQ(stats.retries, 2u);
}

TEST_P(OverBoth, CountsPartialSuccess) {
  collector_->Reject(1, "no room");
  LogExporter::Options options = Options();
  options.settings.batch.schedule_delay = absl::Hours(1);
  auto exporter = LogExporter::Start(options);
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  (*exporter)->OnCall(MakeOpenAiStream());
  (*exporter)->OnCall(MakeBare());
  (*exporter)->Stop(kDeadline);
  EXPECT_EQ((*exporter)->stats().sent, 1u);
  EXPECT_EQ((*exporter)->stats().rejected, 1u);
  EXPECT_THAT((*exporter)->stats().last_error, HasSubstr("rejected 1 log records: no room"));
}

TEST(LogExporter, ASilentCollectorEndsWithTheDeadline) {
  const SilentPort port(/*listening=*/true);
  LogExporter::Options options;
  options.settings = *SettingsFromUrl("http://" + port.Host());
  auto exporter = LogExporter::Start(options);
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  (*exporter)->OnCall(MakeBare());
  (*exporter)->Stop(absl::Milliseconds(300));
  EXPECT_EQ((*exporter)->stats().dropped_at_stop, 1u);
  EXPECT_THAT((*exporter)->stats().last_error, HasSubstr("/v1/logs did not answer"));
}

}  // namespace
}  // namespace sonde::exporter
