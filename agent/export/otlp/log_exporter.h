// Sends finished calls as OTLP log records.
#ifndef SONDE_AGENT_EXPORT_OTLP_LOG_EXPORTER_H_
#define SONDE_AGENT_EXPORT_OTLP_LOG_EXPORTER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "agent/export/otlp/batch_exporter.h"

namespace sonde::exporter {

/// One event per call, whether its span is sampled or not.
class LogExporter final : public BatchExporter {
 public:
  /// Start it after forking: gRPC does not survive a fork.
  static absl::StatusOr<std::unique_ptr<LogExporter>> Start(const Options& options);
  /// With a transport of the caller's choice.
  static std::unique_ptr<LogExporter> StartWith(const Options& options,
                                                std::unique_ptr<OtlpTransport> transport);

 private:
  using BatchExporter::BatchExporter;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_LOG_EXPORTER_H_
