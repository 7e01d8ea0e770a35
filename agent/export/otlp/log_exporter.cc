#include "agent/export/otlp/log_exporter.h"

#include <utility>

#include "agent/export/otlp/call_encoder.h"
#include "agent/export/otlp/log_record.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto;

struct LogRecords {
  using Request = otlp::collector::logs::v1::ExportLogsServiceRequest;
  using Scope = otlp::logs::v1::ScopeLogs;
  static otlp::logs::v1::LogRecord FromCall(const calls::Call& call, const SpanOptions& options) {
    return ToLogRecord(call, options);
  }
  static otlp::logs::v1::ResourceLogs* AddResource(Request& request) {
    return request.add_resource_logs();
  }
  static Scope* AddScope(otlp::logs::v1::ResourceLogs& resource) {
    return resource.add_scope_logs();
  }
  static otlp::logs::v1::LogRecord* AddItem(Scope& scope) { return scope.add_log_records(); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<LogExporter>> LogExporter::Start(const Options& options) {
  absl::StatusOr<std::unique_ptr<OtlpTransport>> transport =
      MakeTransport(Signal::kLogs, options.settings);
  if (!transport.ok()) return transport.status();
  return StartWith(options, *std::move(transport));
}

std::unique_ptr<LogExporter> LogExporter::StartWith(const Options& options,
                                                    std::unique_ptr<OtlpTransport> transport) {
  return std::unique_ptr<LogExporter>(
      new LogExporter(Signal::kLogs, options, std::make_unique<CallEncoder<LogRecords>>(options),
                      std::move(transport)));
}

}  // namespace sonde::exporter
