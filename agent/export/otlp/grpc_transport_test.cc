#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/export/otlp/test_certificates.h"
#include "agent/export/otlp/test_collector.h"
#include "agent/export/otlp/test_support.h"
#include "agent/export/otlp/transport.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "sonde/rpc_status.pb.h"

namespace sonde::exporter {
namespace {

namespace collector = opentelemetry::proto::collector::trace::v1;
using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

// Answers with what it was given, in order, then with OK.
class Collector : public collector::TraceService::Service {
 public:
  struct Options {
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    bool takes_gzip = true;
  };
  explicit Collector(const Options& options) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", options.credentials, &port_);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, options.takes_gzip);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  Collector() : Collector(Options()) {}
  ~Collector() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Export(grpc::ServerContext* context, const TraceRequest* request,
                      TraceResponse* response) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(*request);
    for (const auto& [name, value] : context->client_metadata()) {
      metadata_[{name.data(), name.size()}] = {value.data(), value.size()};
    }
    *response = reply_;
    if (failures_.empty()) return grpc::Status::OK;
    grpc::Status status = failures_.front();
    failures_.pop_front();
    return status;
  }

  std::string Host() const { return "127.0.0.1:" + std::to_string(port_); }

  void Fail(std::deque<grpc::Status> failures) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failures_ = std::move(failures);
  }
  void Reject(int64_t spans, const std::string& why) {
    const std::lock_guard<std::mutex> lock(mutex_);
    reply_.mutable_partial_success()->set_rejected_spans(spans);
    reply_.mutable_partial_success()->set_error_message(why);
  }
  std::vector<TraceRequest> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  std::map<std::string, std::string> metadata() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return metadata_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<TraceRequest> requests_;
  std::map<std::string, std::string> metadata_;
  std::deque<grpc::Status> failures_;
  TraceResponse reply_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

OtlpSettings SettingsFor(const std::string& host, const std::string& scheme = "grpc://") {
  auto settings = SettingsFromUrl(scheme + host);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return *settings;
}

std::unique_ptr<OtlpTransport> Transport(const OtlpSettings& settings) {
  auto transport = MakeTransport(settings);
  EXPECT_TRUE(transport.ok()) << transport.status();
  return *std::move(transport);
}

constexpr absl::Duration kTimeout = absl::Seconds(20);

grpc::Status WithRetryInfo(grpc::StatusCode code, int64_t seconds, int32_t nanos) {
  rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(seconds);
  info.mutable_retry_delay()->set_nanos(nanos);
  rpc::Status details;
  details.set_code(code);
  auto* any = details.add_details();
  any->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  any->set_value(info.SerializeAsString());
  return {code, "later", details.SerializeAsString()};
}

TEST(GrpcTransport, DeliversTheRequestAsItIs) {
  Collector server;
  OtlpSettings settings = SettingsFor(server.Host());
  settings.headers = {{"api-key", "value with blanks"}};
  const TraceRequest request = MakeRequest(3);
  const SendResult result = Transport(settings)->Send(Signal::kTraces, request, kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kAccepted);
  EXPECT_EQ(result.message, "");
  EXPECT_TRUE(result.answered);
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(MessageDifferencer::Equals(server.requests()[0], request));
  EXPECT_EQ(server.metadata().at("api-key"), "value with blanks");
  EXPECT_THAT(server.metadata().at("user-agent"), HasSubstr("OTel-OTLP-Exporter-Cpp/"));
}

TEST(GrpcTransport, CompressesWhenAsked) {
  Collector server;
  OtlpSettings settings = SettingsFor(server.Host());
  settings.gzip = true;
  EXPECT_EQ(Transport(settings)->Send(Signal::kTraces, MakeRequest(100), kTimeout).outcome,
            SendOutcome::kAccepted);
  EXPECT_EQ(SpanCount(server.requests().at(0)), 100);
  // A server that refuses gzip shows that it was gzip.
  Collector plain({.takes_gzip = false});
  settings.target = plain.Host();
  EXPECT_THAT(Transport(settings)->Send(Signal::kTraces, MakeRequest(100), kTimeout).message,
              HasSubstr("UNIMPLEMENTED"));
  settings.gzip = false;
  EXPECT_EQ(Transport(settings)->Send(Signal::kTraces, MakeRequest(100), kTimeout).outcome,
            SendOutcome::kAccepted);
}

struct CodeCase {
  grpc::StatusCode code;
  SendOutcome outcome;
};
class Codes : public testing::TestWithParam<CodeCase> {};
TEST_P(Codes, FollowOtlpsTable) {
  Collector server;
  server.Fail({grpc::Status(GetParam().code, "because")});
  const SendResult result =
      Transport(SettingsFor(server.Host()))->Send(Signal::kTraces, MakeRequest(1), kTimeout);
  EXPECT_EQ(result.outcome, GetParam().outcome) << result.message;
  EXPECT_THAT(result.message, HasSubstr(server.Host()));
  EXPECT_THAT(result.message, HasSubstr("because"));
  EXPECT_FALSE(result.retry_after.has_value());
}
INSTANTIATE_TEST_SUITE_P(All, Codes,
                         testing::Values(CodeCase{grpc::CANCELLED, SendOutcome::kRetry},
                                         CodeCase{grpc::DEADLINE_EXCEEDED, SendOutcome::kRetry},
                                         CodeCase{grpc::ABORTED, SendOutcome::kRetry},
                                         CodeCase{grpc::OUT_OF_RANGE, SendOutcome::kRetry},
                                         CodeCase{grpc::UNAVAILABLE, SendOutcome::kRetry},
                                         CodeCase{grpc::DATA_LOSS, SendOutcome::kRetry},
                                         CodeCase{grpc::RESOURCE_EXHAUSTED, SendOutcome::kRefused},
                                         CodeCase{grpc::UNKNOWN, SendOutcome::kRefused},
                                         CodeCase{grpc::INVALID_ARGUMENT, SendOutcome::kRefused},
                                         CodeCase{grpc::NOT_FOUND, SendOutcome::kRefused},
                                         CodeCase{grpc::ALREADY_EXISTS, SendOutcome::kRefused},
                                         CodeCase{grpc::PERMISSION_DENIED, SendOutcome::kRefused},
                                         CodeCase{grpc::UNAUTHENTICATED, SendOutcome::kRefused},
                                         CodeCase{grpc::FAILED_PRECONDITION, SendOutcome::kRefused},
                                         CodeCase{grpc::UNIMPLEMENTED, SendOutcome::kRefused},
                                         CodeCase{grpc::INTERNAL, SendOutcome::kRefused}));

TEST(GrpcTransport, RetryInfoMakesExhaustionRetryable) {
  Collector server;
  server.Fail({WithRetryInfo(grpc::RESOURCE_EXHAUSTED, 3, 500'000'000),
               WithRetryInfo(grpc::UNAVAILABLE, 7, 0),
               WithRetryInfo(grpc::RESOURCE_EXHAUSTED, -1, 0),
               WithRetryInfo(grpc::INVALID_ARGUMENT, 1, 0),
               grpc::Status(grpc::RESOURCE_EXHAUSTED, "later", "\xff garbage")});
  const auto transport = Transport(SettingsFor(server.Host()));
  const auto send = [&] { return transport->Send(Signal::kTraces, MakeRequest(1), kTimeout); };
  SendResult result = send();
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_TRUE(result.answered);
  EXPECT_EQ(result.retry_after, absl::Milliseconds(3500));
  result = send();
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_EQ(result.retry_after, absl::Seconds(7));
  EXPECT_EQ(send().outcome, SendOutcome::kRefused);  // A negative delay is none.
  EXPECT_EQ(send().outcome, SendOutcome::kRefused);
  EXPECT_EQ(send().outcome, SendOutcome::kRefused);
}

TEST(GrpcTransport, ReadsPartialSuccess) {
  Collector server;
  server.Reject(2, "too old\nforged line");
  const auto transport = Transport(SettingsFor(server.Host()));
  SendResult result = transport->Send(Signal::kTraces, MakeRequest(5), kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kAccepted);
  EXPECT_EQ(result.rejected, 2u);
  EXPECT_THAT(result.message, HasSubstr("rejected 2 spans: too old forged line"));
  server.Reject(0, "soon full");
  result = transport->Send(Signal::kTraces, MakeRequest(5), kTimeout);
  EXPECT_EQ(result.rejected, 0u);
  EXPECT_THAT(result.message, HasSubstr("warns"));
}

TEST(GrpcTransport, SaysThatNobodyListens) {
  const SilentPort port(/*listening=*/false);
  const SendResult result =
      Transport(SettingsFor(port.Host()))->Send(Signal::kTraces, MakeRequest(1), kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
  EXPECT_THAT(result.message, HasSubstr("did not answer"));
  EXPECT_THAT(result.message, HasSubstr("start it or correct its address"));
}

TEST(GrpcTransport, TimesOutAtASilentCollector) {
  const SilentPort port(/*listening=*/true);
  const SendResult result = Transport(SettingsFor(port.Host()))
                                ->Send(Signal::kTraces, MakeRequest(1), absl::Milliseconds(100));
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
}

TEST(GrpcTransport, CancelEndsASend) {
  const SilentPort port(/*listening=*/true);
  const auto transport = Transport(SettingsFor(port.Host()));
  auto sent = std::async(std::launch::async, [&] {
    return transport->Send(Signal::kTraces, MakeRequest(1), absl::Hours(1));
  });
  transport->Cancel();
  ASSERT_EQ(sent.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_NE(sent.get().outcome, SendOutcome::kAccepted);
  EXPECT_NE(transport->Send(Signal::kTraces, MakeRequest(1), absl::Hours(1)).outcome,
            SendOutcome::kAccepted);
}

TEST(GrpcTransport, SpeaksTlsWithTheGivenAuthorityAndClientCertificate) {
  const TestCertificates certificates;
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = certificates.Text("ca.pem");
  tls.pem_key_cert_pairs = {{certificates.Text("server.key"), certificates.Text("server.pem")}};
  Collector server({.credentials = grpc::SslServerCredentials(tls)});
  OtlpSettings settings = SettingsFor(server.Host(), "grpcs://");
  settings.ca_file = certificates.Path("ca.pem");
  settings.client_key_file = certificates.Path("client.key");
  settings.client_certificate_file = certificates.Path("client.pem");
  EXPECT_EQ(Transport(settings)->Send(Signal::kTraces, MakeRequest(1), kTimeout).outcome,
            SendOutcome::kAccepted);

  const TestCertificates strangers;
  settings.ca_file = strangers.Path("ca.pem");
  const SendResult result = Transport(settings)->Send(Signal::kTraces, MakeRequest(1), kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
  EXPECT_EQ(server.requests().size(), 1u);
}

// Each signal goes to its own place and comes back with its own kind of partial success.
TEST(GrpcTransport, CarriesMetricsAndLogsToo) {
  const auto server = TestCollector::Make(OtlpProtocol::kGrpc);
  const auto transport = Transport(SettingsFor(server->Url().substr(7)));
  const MetricsRequest metrics = MakeMetricsRequest(3);
  const LogsRequest logs = MakeLogsRequest(4);
  const auto send = [&](Signal signal, const OtlpTransport::Request& request) {
    return transport->Send(signal, request, kTimeout);
  };
  EXPECT_EQ(send(Signal::kMetrics, metrics).outcome, SendOutcome::kAccepted);
  EXPECT_EQ(send(Signal::kLogs, logs).outcome, SendOutcome::kAccepted);
  EXPECT_EQ(send(Signal::kTraces, MakeRequest(1)).outcome, SendOutcome::kAccepted);
  const auto taken_metrics = server->Taken<MetricsRequest>(Signal::kMetrics);
  const auto taken_logs = server->Taken<LogsRequest>(Signal::kLogs);
  ASSERT_EQ(taken_metrics.size(), 1u);
  ASSERT_EQ(taken_logs.size(), 1u);
  EXPECT_TRUE(MessageDifferencer::Equals(taken_metrics[0], metrics));
  EXPECT_TRUE(MessageDifferencer::Equals(taken_logs[0], logs));

  server->Reject(2, "too old");
  SendResult result = send(Signal::kMetrics, metrics);
  EXPECT_EQ(result.rejected, 2u);
  EXPECT_THAT(result.message, HasSubstr("rejected 2 data points: too old"));
  result = send(Signal::kLogs, logs);
  EXPECT_EQ(result.rejected, 2u);
  EXPECT_THAT(result.message, HasSubstr("rejected 2 log records: too old"));

  server->Next({TestCollector::Answer::kLater, TestCollector::Answer::kRefuse});
  EXPECT_EQ(send(Signal::kMetrics, metrics).outcome, SendOutcome::kRetry);
  EXPECT_EQ(send(Signal::kLogs, logs).outcome, SendOutcome::kRefused);
}

TEST(GrpcTransport, NamesACertificateThatCannotBeRead) {
  OtlpSettings settings = SettingsFor("127.0.0.1:1", "grpcs://");
  settings.ca_file = "/nonexistent/ca.pem";
  const auto transport = MakeTransport(settings);
  EXPECT_EQ(transport.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(transport.status().message()), HasSubstr("/nonexistent/ca.pem"));
}

}  // namespace
}  // namespace sonde::exporter
