// Sends finished calls as OTLP spans.
#ifndef SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_
#define SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "agent/export/otlp/batch_exporter.h"

namespace sonde::exporter {

using SpanStats = ExportStats;

class SpanExporter final : public BatchExporter {
 public:
  /// Start it after forking: gRPC does not survive a fork.
  static absl::StatusOr<std::unique_ptr<SpanExporter>> Start(const Options& options);
  /// With a transport of the caller's choice.
  static std::unique_ptr<SpanExporter> StartWith(const Options& options,
                                                 std::unique_ptr<OtlpTransport> transport);

 private:
  using BatchExporter::BatchExporter;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_SPAN_EXPORTER_H_
