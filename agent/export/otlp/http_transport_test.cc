#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <zlib.h>

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "agent/export/otlp/test_certificates.h"
#include "agent/export/otlp/test_collector.h"
#include "agent/export/otlp/test_support.h"
#include "agent/export/otlp/transport.h"
#include "sonde/rpc_status.pb.h"

namespace sonde::exporter {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::Not;

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr char kProtobuf[] = "application/x-protobuf";

// Keeps the last request and answers by `reply`.
class Collector {
 public:
  explicit Collector(std::unique_ptr<httplib::Server> server = std::make_unique<httplib::Server>())
      : server_(std::move(server)) {
    server_->Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard<std::mutex> lock(mutex_);
      last_ = request;
      ++count_;
      reply_(response);
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  ~Collector() {
    server_->stop();
    thread_.join();
  }

  std::string Host() const { return "127.0.0.1:" + std::to_string(port_); }

  void Reply(std::function<void(httplib::Response&)> reply) {
    const std::lock_guard<std::mutex> lock(mutex_);
    reply_ = std::move(reply);
  }
  httplib::Request last() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return last_;
  }
  int count() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return count_;
  }

 private:
  mutable std::mutex mutex_;
  httplib::Request last_;
  int count_ = 0;
  std::function<void(httplib::Response&)> reply_ = [](httplib::Response& response) {
    response.set_content(TraceResponse().SerializeAsString(), kProtobuf);
  };
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::thread thread_;
};

OtlpSettings SettingsFor(const std::string& url) {
  auto settings = SettingsFromUrl(url);
  EXPECT_TRUE(settings.ok()) << settings.status();
  return *settings;
}

std::unique_ptr<OtlpTransport> Transport(const OtlpSettings& settings) {
  auto transport = MakeTransport(settings);
  EXPECT_TRUE(transport.ok()) << transport.status();
  return *std::move(transport);
}

SendResult SendTo(const Collector& server, int spans = 1) {
  return Transport(SettingsFor("http://" + server.Host()))
      ->Send(Signal::kTraces, MakeRequest(spans), kTimeout);
}

TraceRequest Parsed(const std::string& body) {
  TraceRequest request;
  EXPECT_TRUE(request.ParseFromString(body));
  return request;
}

TEST(HttpTransport, PostsTheRequestAsItIs) {
  Collector server;
  OtlpSettings settings = SettingsFor("http://user:pass@" + server.Host());
  settings.headers = {{"api-key", "a=b"}};
  const auto transport = Transport(settings);
  const TraceRequest request = MakeRequest(3);
  const SendResult result = transport->Send(Signal::kTraces, request, kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kAccepted);
  EXPECT_EQ(result.message, "");
  EXPECT_EQ(server.last().method, "POST");
  EXPECT_EQ(server.last().path, "/v1/traces");
  EXPECT_EQ(server.last().get_header_value("Content-Type"), kProtobuf);
  EXPECT_EQ(server.last().get_header_value("api-key"), "a=b");
  EXPECT_THAT(server.last().get_header_value("Authorization"), HasSubstr("Basic "));
  EXPECT_THAT(server.last().get_header_value("User-Agent"), HasSubstr("OTel-OTLP-Exporter-Cpp/"));
  EXPECT_FALSE(server.last().has_header("Content-Encoding"));
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(server.last().body), request));
  // The same transport again, with a smaller body.
  EXPECT_EQ(transport->Send(Signal::kTraces, MakeRequest(1), kTimeout).outcome,
            SendOutcome::kAccepted);
  EXPECT_EQ(SpanCount(Parsed(server.last().body)), 1);
}

TEST(HttpTransport, CompressesWhenAsked) {
  Collector server;
  OtlpSettings settings = SettingsFor("http://" + server.Host());
  settings.gzip = true;
  const TraceRequest request = MakeRequest(1000);
  EXPECT_EQ(Transport(settings)->Send(Signal::kTraces, request, kTimeout).outcome,
            SendOutcome::kAccepted);
  EXPECT_EQ(server.last().get_header_value("Content-Encoding"), "gzip");
  // The server unpacked it; the length on the wire shows that there was something to unpack.
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(server.last().body), request));
  EXPECT_LT(std::stoul(server.last().get_header_value("Content-Length")),
            request.ByteSizeLong() / 2);
}

struct StatusCase {
  int status;
  SendOutcome outcome;
};
class Statuses : public testing::TestWithParam<StatusCase> {};
TEST_P(Statuses, FollowOtlpsTable) {
  Collector server;
  server.Reply([&](httplib::Response& response) { response.status = GetParam().status; });
  const SendResult result = SendTo(server);
  EXPECT_EQ(result.outcome, GetParam().outcome) << result.message;
  EXPECT_TRUE(result.answered);
  if (GetParam().outcome == SendOutcome::kAccepted) return;
  EXPECT_THAT(result.message, HasSubstr(std::to_string(GetParam().status)));
  EXPECT_THAT(result.message, HasSubstr(server.Host()));
  EXPECT_FALSE(result.retry_after.has_value());
}
INSTANTIATE_TEST_SUITE_P(
    All, Statuses,
    testing::Values(StatusCase{200, SendOutcome::kAccepted},
                    StatusCase{202, SendOutcome::kAccepted}, StatusCase{429, SendOutcome::kRetry},
                    StatusCase{502, SendOutcome::kRetry}, StatusCase{503, SendOutcome::kRetry},
                    StatusCase{504, SendOutcome::kRetry}, StatusCase{400, SendOutcome::kRefused},
                    StatusCase{401, SendOutcome::kRefused}, StatusCase{404, SendOutcome::kRefused},
                    StatusCase{408, SendOutcome::kRefused}, StatusCase{413, SendOutcome::kRefused},
                    StatusCase{500, SendOutcome::kRefused},
                    StatusCase{501, SendOutcome::kRefused}));

TEST(HttpTransport, HonoursRetryAfter) {
  Collector server;
  server.Reply([](httplib::Response& response) {
    response.status = 429;
    response.set_header("Retry-After", "7");
  });
  EXPECT_EQ(SendTo(server).retry_after, absl::Seconds(7));
  // As a date, far ahead: the wait is what is left until then.
  server.Reply([](httplib::Response& response) {
    response.status = 503;
    response.set_header("Retry-After",
                        absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT",
                                         absl::Now() + absl::Minutes(10), absl::UTCTimeZone()));
  });
  const SendResult dated = SendTo(server);
  ASSERT_TRUE(dated.retry_after.has_value());
  EXPECT_GT(*dated.retry_after, absl::Minutes(9));
  EXPECT_LE(*dated.retry_after, absl::Minutes(10));
  // Not retryable, whatever it says.
  server.Reply([](httplib::Response& response) {
    response.status = 400;
    response.set_header("Retry-After", "7");
  });
  const SendResult refused = SendTo(server);
  EXPECT_EQ(refused.outcome, SendOutcome::kRefused);
  EXPECT_FALSE(refused.retry_after.has_value());
}

TEST(HttpTransport, ReadsPartialSuccessAndErrorBodies) {
  Collector server;
  server.Reply([](httplib::Response& response) {
    TraceResponse partial;
    partial.mutable_partial_success()->set_rejected_spans(2);
    partial.mutable_partial_success()->set_error_message("too old");
    response.set_content(partial.SerializeAsString(), kProtobuf);
  });
  SendResult result = SendTo(server, 5);
  EXPECT_EQ(result.outcome, SendOutcome::kAccepted);
  EXPECT_EQ(result.rejected, 2u);
  EXPECT_THAT(result.message, HasSubstr("too old"));

  server.Reply([](httplib::Response& response) {
    rpc::Status status;
    status.set_message("span 3 has no name");
    response.status = 400;
    response.set_content(status.SerializeAsString(), kProtobuf);
  });
  result = SendTo(server);
  EXPECT_EQ(result.outcome, SendOutcome::kRefused);
  EXPECT_THAT(result.message, HasSubstr("HTTP 400 (span 3 has no name)"));

  server.Reply(
      [](httplib::Response& response) { response.set_content("\xff\xff garbage", kProtobuf); });
  EXPECT_EQ(SendTo(server).outcome, SendOutcome::kAccepted);
}

TEST(HttpTransport, FollowsNoRedirect) {
  Collector elsewhere;
  Collector server;
  server.Reply([&](httplib::Response& response) {
    response.status = 307;
    response.set_header("Location", "http://" + elsewhere.Host() + "/v1/traces");
  });
  const SendResult result = SendTo(server);
  EXPECT_EQ(result.outcome, SendOutcome::kRefused);
  EXPECT_EQ(elsewhere.count(), 0);
  EXPECT_THAT(result.message, HasSubstr("redirects"));
}

TEST(HttpTransport, RefusesAnEndlessReply) {
  Collector server;
  server.Reply([](httplib::Response& response) {
    response.set_content(std::string(size_t{5} * 1024 * 1024, 'x'), kProtobuf);
  });
  EXPECT_EQ(SendTo(server).outcome, SendOutcome::kRetry);
}

TEST(HttpTransport, SaysThatNobodyListensWithoutCredentials) {
  const SilentPort port(/*listening=*/false);
  const SendResult result =
      Transport(SettingsFor("http://user:pass@" + port.Host() + "/x?key=secret"))
          ->Send(Signal::kTraces, MakeRequest(1), kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
  EXPECT_THAT(result.message, HasSubstr("http://" + port.Host() + "/x did not answer"));
  EXPECT_THAT(result.message, Not(HasSubstr("pass")));
  EXPECT_THAT(result.message, Not(HasSubstr("secret")));
}

TEST(HttpTransport, TimesOutAtASilentCollector) {
  const SilentPort port(/*listening=*/true);
  const SendResult result = Transport(SettingsFor("http://" + port.Host()))
                                ->Send(Signal::kTraces, MakeRequest(1), absl::Milliseconds(100));
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
}

TEST(HttpTransport, CancelEndsASend) {
  const SilentPort port(/*listening=*/true);
  const auto transport = Transport(SettingsFor("http://" + port.Host()));
  auto sent = std::async(std::launch::async, [&] {
    return transport->Send(Signal::kTraces, MakeRequest(1), absl::Hours(1));
  });
  transport->Cancel();
  ASSERT_EQ(sent.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_NE(sent.get().outcome, SendOutcome::kAccepted);
  EXPECT_NE(transport->Send(Signal::kTraces, MakeRequest(1), absl::Hours(1)).outcome,
            SendOutcome::kAccepted);
}

TEST(HttpTransport, SpeaksTlsWithTheGivenAuthorityAndClientCertificate) {
  const TestCertificates certificates;
  Collector server(std::make_unique<httplib::SSLServer>(certificates.Path("server.pem").c_str(),
                                                        certificates.Path("server.key").c_str(),
                                                        certificates.Path("ca.pem").c_str()));
  OtlpSettings settings = SettingsFor("https://" + server.Host());
  settings.ca_file = certificates.Path("ca.pem");
  settings.client_key_file = certificates.Path("client.key");
  settings.client_certificate_file = certificates.Path("client.pem");
  EXPECT_EQ(Transport(settings)->Send(Signal::kTraces, MakeRequest(1), kTimeout).outcome,
            SendOutcome::kAccepted);
  EXPECT_EQ(server.count(), 1);

  const TestCertificates strangers;
  settings.ca_file = strangers.Path("ca.pem");
  const SendResult result = Transport(settings)->Send(Signal::kTraces, MakeRequest(1), kTimeout);
  EXPECT_EQ(result.outcome, SendOutcome::kRetry);
  EXPECT_FALSE(result.answered);
  EXPECT_THAT(result.message, HasSubstr("check its certificate"));
  EXPECT_EQ(server.count(), 1);
}

// Each signal goes to its own place and comes back with its own kind of partial success.
TEST(HttpTransport, CarriesMetricsAndLogsToo) {
  const auto server = TestCollector::Make(OtlpProtocol::kHttpProtobuf);
  const auto transport = Transport(SettingsFor(server->Url()));
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

TEST(HttpTransport, NamesACertificateThatCannotBeRead) {
  OtlpSettings settings = SettingsFor("https://127.0.0.1:1");
  settings.ca_file = "/nonexistent/ca.pem";
  const auto transport = MakeTransport(settings);
  EXPECT_EQ(transport.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(transport.status().message()), HasSubstr("/nonexistent/ca.pem"));
}

}  // namespace
}  // namespace sonde::exporter
