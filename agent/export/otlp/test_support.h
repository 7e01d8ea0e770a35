// What tests of transports and exporters share.
#ifndef SONDE_AGENT_EXPORT_OTLP_TEST_SUPPORT_H_
#define SONDE_AGENT_EXPORT_OTLP_TEST_SUPPORT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace sonde::exporter {

using TraceRequest = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using TraceResponse = opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;

using MetricsRequest = opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;
using LogsRequest = opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;

/// A loopback port that takes connections into its backlog and never answers, or, when not
/// listening, one that refuses them (it stays reserved while this lives).
class SilentPort {
 public:
  explicit SilentPort(bool listening) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    constexpr int kBacklog = 16;
    if (fd_ < 0 || bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        (listening && listen(fd_, kBacklog) != 0)) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { close(fd_); }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;

  std::string Host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_;
  int port_ = 0;
};

/// A request with `spans` spans of one process.
inline TraceRequest MakeRequest(int spans) {
  TraceRequest request;
  auto* scope = request.add_resource_spans()->add_scope_spans();
  for (int i = 0; i < spans; ++i) scope->add_spans()->set_name("span " + std::to_string(i));
  return request;
}

inline MetricsRequest MakeMetricsRequest(int metrics) {
  MetricsRequest request;
  auto* scope = request.add_resource_metrics()->add_scope_metrics();
  for (int i = 0; i < metrics; ++i) scope->add_metrics()->set_name("metric " + std::to_string(i));
  return request;
}

inline LogsRequest MakeLogsRequest(int records) {
  LogsRequest request;
  auto* scope = request.add_resource_logs()->add_scope_logs();
  for (int i = 0; i < records; ++i) {
    scope->add_log_records()->set_event_name("event " + std::to_string(i));
  }
  return request;
}

inline int SpanCount(const TraceRequest& request) {
  int count = 0;
  for (const auto& resource : request.resource_spans()) {
    for (const auto& scope : resource.scope_spans()) count += scope.spans_size();
  }
  return count;
}

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_TEST_SUPPORT_H_
