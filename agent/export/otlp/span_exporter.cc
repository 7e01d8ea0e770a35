#include "agent/export/otlp/span_exporter.h"

#include <utility>

#include "agent/export/otlp/call_encoder.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto;

struct Spans {
  using Request = otlp::collector::trace::v1::ExportTraceServiceRequest;
  using Scope = otlp::trace::v1::ScopeSpans;
  static otlp::trace::v1::Span FromCall(const calls::Call& call, const SpanOptions& options) {
    return ToSpan(call, options);
  }
  static otlp::trace::v1::ResourceSpans* AddResource(Request& request) {
    return request.add_resource_spans();
  }
  static Scope* AddScope(otlp::trace::v1::ResourceSpans& resource) {
    return resource.add_scope_spans();
  }
  static otlp::trace::v1::Span* AddItem(Scope& scope) { return scope.add_spans(); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<SpanExporter>> SpanExporter::Start(const Options& options) {
  absl::StatusOr<std::unique_ptr<OtlpTransport>> transport =
      MakeTransport(Signal::kTraces, options.settings);
  if (!transport.ok()) return transport.status();
  return StartWith(options, *std::move(transport));
}

std::unique_ptr<SpanExporter> SpanExporter::StartWith(const Options& options,
                                                      std::unique_ptr<OtlpTransport> transport) {
  return std::unique_ptr<SpanExporter>(
      new SpanExporter(Signal::kTraces, options, std::make_unique<CallEncoder<Spans>>(options),
                       std::move(transport)));
}

}  // namespace sonde::exporter
