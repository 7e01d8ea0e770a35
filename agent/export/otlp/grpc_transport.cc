#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/export/otlp/collector_says.h"
#include "agent/export/otlp/transport.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.grpc.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace sonde::exporter {
namespace {

namespace collector = opentelemetry::proto::collector;

// gRPC keeps a broken connection back on its own clock. The exporter has its own, so this one is
// kept short.
constexpr int kReconnectMs = 100;
constexpr int kLongestReconnectMs = 5000;

struct CodeRow {
  grpc::StatusCode code;
  std::string_view name;
  bool retryable;
  std::string_view advice;
};

// OTLP's table. RESOURCE_EXHAUSTED is retryable only with RetryInfo.
constexpr CodeRow kCodes[] = {
    {grpc::CANCELLED, "CANCELLED", true, ""},
    {grpc::UNKNOWN, "UNKNOWN", false, ""},
    {grpc::INVALID_ARGUMENT, "INVALID_ARGUMENT", false, ""},
    {grpc::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", true, "is it an OTLP/gRPC port?"},
    {grpc::NOT_FOUND, "NOT_FOUND", false, ""},
    {grpc::ALREADY_EXISTS, "ALREADY_EXISTS", false, ""},
    {grpc::PERMISSION_DENIED, "PERMISSION_DENIED", false, "check its credentials"},
    {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", false, ""},
    {grpc::FAILED_PRECONDITION, "FAILED_PRECONDITION", false, ""},
    {grpc::ABORTED, "ABORTED", true, ""},
    {grpc::OUT_OF_RANGE, "OUT_OF_RANGE", true, ""},
    {grpc::UNIMPLEMENTED, "UNIMPLEMENTED", false, "does it take this signal, and over gRPC?"},
    {grpc::INTERNAL, "INTERNAL", false, ""},
    {grpc::UNAVAILABLE, "UNAVAILABLE", true, "start it or correct its address"},
    {grpc::DATA_LOSS, "DATA_LOSS", true, ""},
    {grpc::UNAUTHENTICATED, "UNAUTHENTICATED", false, "check its credentials"},
};

const CodeRow& RowOf(grpc::StatusCode code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  return kCodes[1];
}

// gRPC's log goes to standard error, which belongs to the program and to the person.
void SilenceGrpc() {
  static std::once_flag once;
  std::call_once(once, [] { gpr_set_log_function([](gpr_log_func_args*) {}); });
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::string_view what) {
  if (path.empty()) return std::string();
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in || text.str().empty()) {
    return absl::NotFoundError(absl::StrCat("cannot read ",
                                            absl::string_view(what.data(), what.size()), " ", path,
                                            " for the OTLP exporter: name a PEM file"));
  }
  return text.str();
}

class GrpcTransport : public OtlpTransport {
 public:
  GrpcTransport(const OtlpSettings& settings, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : settings_(settings), credentials_(std::move(credentials)) {}

  SendResult Send(Signal signal, const Request& request, absl::Duration timeout) override;
  void Cancel() override;

 private:
  // One service of the collector. Made at the first Send(), so that gRPC's threads come from the
  // exporter's thread.
  template <typename Service>
  struct Client {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<typename Service::Stub> stub;
  };

  std::shared_ptr<grpc::Channel> Connect(Signal signal) const;
  template <typename ExportRequest, typename ExportResponse, typename Service>
  SendResult SendTo(Client<Service>& client, Signal signal, const Request& request,
                    absl::Duration timeout);
  SendResult Failed(const grpc::Status& status, bool connected) const;

  const OtlpSettings settings_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  Client<collector::trace::v1::TraceService> traces_;
  Client<collector::metrics::v1::MetricsService> metrics_;
  Client<collector::logs::v1::LogsService> logs_;

  std::mutex mutex_;
  grpc::ClientContext* under_way_ = nullptr;  // Guarded by mutex_.
  bool cancelled_ = false;                    // Guarded by mutex_.
};

std::shared_ptr<grpc::Channel> GrpcTransport::Connect(Signal signal) const {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(UserAgent());
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A proxy in the environment is the program's.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(
      GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
      static_cast<int>(absl::ToInt64Milliseconds(std::min(settings_.timeout, absl::Minutes(1)))));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  arguments.SetMaxReceiveMessageSize(kLargestReplyBytes);
  return grpc::CreateCustomChannel(settings_.TargetOf(signal), credentials_, arguments);
}

SendResult GrpcTransport::Send(Signal signal, const Request& request, absl::Duration timeout) {
  namespace trace = collector::trace::v1;
  namespace metrics = collector::metrics::v1;
  namespace logs = collector::logs::v1;
  switch (signal) {
    case Signal::kMetrics:
      return SendTo<metrics::ExportMetricsServiceRequest, metrics::ExportMetricsServiceResponse>(
          metrics_, signal, request, timeout);
    case Signal::kLogs:
      return SendTo<logs::ExportLogsServiceRequest, logs::ExportLogsServiceResponse>(
          logs_, signal, request, timeout);
    case Signal::kTraces:
      break;
  }
  return SendTo<trace::ExportTraceServiceRequest, trace::ExportTraceServiceResponse>(
      traces_, signal, request, timeout);
}

template <typename ExportRequest, typename ExportResponse, typename Service>
SendResult GrpcTransport::SendTo(Client<Service>& client, Signal signal, const Request& request,
                                 absl::Duration timeout) {
  if (client.channel == nullptr) {
    client.channel = Connect(signal);
    client.stub = Service::NewStub(client.channel);
  }
  grpc::ClientContext context;
  // Monotonic: a step of the wall clock neither ends nor prolongs the attempt.
  context.set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                   gpr_time_from_micros(absl::ToInt64Microseconds(timeout), GPR_TIMESPAN)));
  if (settings_.gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  for (const auto& [name, value] : settings_.headers) context.AddMetadata(name, value);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) return Ended(settings_.display, signal);
    under_way_ = &context;
  }
  ExportResponse response;
  const grpc::Status status =
      client.stub->Export(&context, static_cast<const ExportRequest&>(request), &response);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    under_way_ = nullptr;
    if (cancelled_ && !status.ok()) return Ended(settings_.display, signal);
  }
  if (status.ok()) return PartialSuccess(settings_.display, response);
  return Failed(status, client.channel->GetState(false) == GRPC_CHANNEL_READY);
}

void GrpcTransport::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (under_way_ != nullptr) under_way_->TryCancel();
}

SendResult GrpcTransport::Failed(const grpc::Status& status, bool connected) const {
  const CodeRow& row = RowOf(status.error_code());
  SendResult result;
  result.retry_after = RetryDelay(status.error_details());
  const bool throttled = row.code == grpc::RESOURCE_EXHAUSTED && result.retry_after.has_value();
  result.outcome = row.retryable || throttled ? SendOutcome::kRetry : SendOutcome::kRefused;
  result.answered = connected && status.error_code() != grpc::DEADLINE_EXCEEDED;
  result.message = Sentence(settings_.display, result.answered ? "answered " : "did not answer: ",
                            absl::StrCat(absl::string_view(row.name.data(), row.name.size()), " (",
                                         status.error_message(), ")"),
                            result.answered && row.retryable ? "" : row.advice);
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeGrpcTransport(const OtlpSettings& settings) {
  SilenceGrpc();
  if (!settings.tls) {
    return std::make_unique<GrpcTransport>(settings, grpc::InsecureChannelCredentials());
  }
  const auto roots = ReadFile(settings.ca_file, "the certificate file");
  if (!roots.ok()) return roots.status();
  const auto key = ReadFile(settings.client_key_file, "the client key file");
  if (!key.ok()) return key.status();
  const auto chain = ReadFile(settings.client_certificate_file, "the client certificate file");
  if (!chain.ok()) return chain.status();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = *roots;
  options.pem_private_key = *key;
  options.pem_cert_chain = *chain;
  return std::make_unique<GrpcTransport>(settings, grpc::SslCredentials(options));
}

}  // namespace sonde::exporter
