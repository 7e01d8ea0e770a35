// What both transports make of a collector's words.
#ifndef SONDE_AGENT_EXPORT_OTLP_COLLECTOR_SAYS_H_
#define SONDE_AGENT_EXPORT_OTLP_COLLECTOR_SAYS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/export/otlp/transport.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace sonde::exporter {

inline constexpr int kLargestReplyBytes = 4 * 1024 * 1024;

/// "sonde/VERSION OTel-OTLP-Exporter-Cpp/VERSION".
std::string UserAgent();

/// "OTLP collector at ENDPOINT VERB WHAT; ADVICE", cut to a readable length, without control
/// characters.
std::string Sentence(std::string_view endpoint, std::string_view verb, std::string_view what,
                     std::string_view advice);

/// Of an accepted request: whole, or with rejected items and the collector's reason.
SendResult PartialSuccess(
    std::string_view endpoint,
    const opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse& response);
SendResult PartialSuccess(
    std::string_view endpoint,
    const opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceResponse& response);
SendResult PartialSuccess(
    std::string_view endpoint,
    const opentelemetry::proto::collector::logs::v1::ExportLogsServiceResponse& response);
/// Of a serialized response; one that is none counts as empty.
SendResult PartialSuccess(std::string_view endpoint, Signal signal, const std::string& response);

/// Of a Send() that Cancel() ended.
SendResult Ended(std::string_view endpoint, Signal signal);

/// The RetryInfo within a serialized google.rpc.Status; absent when there is none or it is
/// negative.
std::optional<absl::Duration> RetryDelay(const std::string& serialized_status);

/// The message within a serialized google.rpc.Status; empty when it is none.
std::string StatusMessage(const std::string& serialized_status);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_COLLECTOR_SAYS_H_
