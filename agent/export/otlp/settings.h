// Where and how spans, metrics and logs are exported. Read once, then constant.
#ifndef SONDE_AGENT_EXPORT_OTLP_SETTINGS_H_
#define SONDE_AGENT_EXPORT_OTLP_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sonde::exporter {

enum class OtlpProtocol : uint8_t { kHttpProtobuf, kGrpc };

enum class Signal : uint8_t { kTraces, kMetrics, kLogs };
/// "traces", "metrics" or "logs".
std::string_view SignalName(Signal signal);
/// "/v1/traces", "/v1/metrics" or "/v1/logs".
std::string SignalPath(Signal signal);

/// How spans, and log records, are gathered and when a failed batch is given up. Metrics take the
/// backoff from here.
struct BatchSettings {
  size_t queue_spans = 2048;  ///< Beyond it the oldest waiting one is dropped, and counted.
  size_t batch_spans = 512;
  absl::Duration schedule_delay = absl::Seconds(5);  ///< Longest wait before one is sent.
  absl::Duration first_backoff = absl::Seconds(1);   ///< Doubles, with jitter, up to:
  absl::Duration longest_backoff = absl::Seconds(30);
  absl::Duration give_up_after = absl::Minutes(5);  ///< Of one batch, since its first attempt.
};

/// What counters and histograms count from: their birth, or the last export.
enum class Temporality : uint8_t { kCumulative, kDelta };

struct MetricSettings {
  absl::Duration interval = absl::Seconds(60);  ///< Between exports.
  Temporality temporality = Temporality::kCumulative;
  /// Base-2 exponential histograms, where the registry keeps them; else explicit buckets.
  bool exponential = false;
};

struct OtlpSettings {
  OtlpProtocol protocol = OtlpProtocol::kHttpProtobuf;
  /// HTTP: the whole URL of the signal's path. gRPC: host:port.
  std::string target;  ///< Of traces.
  std::string metrics_target;
  std::string logs_target;
  bool tls = false;
  /// For people: the endpoint, that of traces if there are several, without credentials and query.
  std::string display;
  /// Lower-case names. Values can be secrets: never print them.
  std::vector<std::pair<std::string, std::string>> headers;
  bool gzip = false;
  absl::Duration timeout = absl::Seconds(10);  ///< Of one attempt.
  std::string ca_file;                         ///< PEM; empty is the system's store.
  std::string client_key_file;
  std::string client_certificate_file;
  std::optional<std::string> service_name;
  std::vector<std::pair<std::string, std::string>> resource_attributes;
  BatchSettings batch;
  MetricSettings metrics;
  bool disabled = false;              ///< OTEL_SDK_DISABLED=true or OTEL_<SIGNAL>_EXPORTER=none.
  std::vector<std::string> warnings;  ///< Settings that were ignored, one sentence each.

  const std::string& TargetOf(Signal signal) const;
  std::string& TargetOf(Signal signal);
  /// For people: the signal's endpoint without credentials and query.
  std::string DisplayOf(Signal signal) const;
  /// Goes where `from` goes; headers, certificates and the rest stay.
  void TakeEndpoint(const OtlpSettings& from);
};

/// Whether HTTP and gRPC both take it as a header: a lower-case name, a value of printable ASCII,
/// and no name that gRPC keeps for itself.
bool IsExportHeader(std::string_view name, std::string_view value);

/// Of `--otlp URL`: http:// and https:// speak HTTP/protobuf, grpc:// and grpcs:// gRPC. Without a
/// port: 4318 and 4317, the protocol's own, and 443 with TLS. An HTTP URL without a path gets the
/// path of each signal, one that ends in such a path gets it replaced for the others. Any other
/// path is that of traces as it stands, and metrics and logs append theirs.
/// InvalidArgument says what is wrong, without repeating credentials.
absl::StatusOr<OtlpSettings> SettingsFromUrl(std::string_view url);

/// Of the OTEL_* variables of the OpenTelemetry specification, given as a map; an empty value
/// counts as unset and a form for `signal` wins over the general one. Invalid optional values are
/// ignored with a warning; an endpoint or protocol that cannot be used is an error. For this signal
/// alone: the targets of the others stay empty, for their protocol, headers and certificates can
/// differ too.
absl::StatusOr<OtlpSettings> SettingsFromEnvironment(
    const std::map<std::string, std::string>& environment, Signal signal = Signal::kTraces);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_SETTINGS_H_
