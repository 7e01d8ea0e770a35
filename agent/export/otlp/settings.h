// Where and how spans are exported. Read once, then constant.
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

/// How spans are gathered and when a failed batch is given up.
struct BatchSettings {
  size_t queue_spans = 2048;  ///< Beyond it the oldest waiting span is dropped, and counted.
  size_t batch_spans = 512;
  absl::Duration schedule_delay = absl::Seconds(5);  ///< Longest wait of a span before it is sent.
  absl::Duration first_backoff = absl::Seconds(1);   ///< Doubles, with jitter, up to:
  absl::Duration longest_backoff = absl::Seconds(30);
  absl::Duration give_up_after = absl::Minutes(5);  ///< Of one batch, since its first attempt.
};

struct OtlpSettings {
  OtlpProtocol protocol = OtlpProtocol::kHttpProtobuf;
  /// HTTP: the whole URL of the traces path. gRPC: host:port.
  std::string target;
  bool tls = false;
  /// For people: the endpoint without credentials and query.
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
  bool disabled = false;              ///< OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none.
  std::vector<std::string> warnings;  ///< Settings that were ignored, one sentence each.
};

/// Whether HTTP and gRPC both take it as a header: a lower-case name, a value of printable ASCII,
/// and no name that gRPC keeps for itself.
bool IsExportHeader(std::string_view name, std::string_view value);

/// Of `--otlp URL`: http:// and https:// speak HTTP/protobuf, grpc:// and grpcs:// gRPC. Without a
/// port: 4318 and 4317, the protocol's own, and 443 with TLS. An HTTP URL without a path gets
/// /v1/traces. InvalidArgument says what is wrong, without repeating credentials.
absl::StatusOr<OtlpSettings> SettingsFromUrl(std::string_view url);

/// Of the OTEL_* variables of the OpenTelemetry specification, given as a map; an empty value
/// counts as unset and a form for traces wins over the general one. Invalid optional values are
/// ignored with a warning; an endpoint or protocol that cannot be used is an error.
absl::StatusOr<OtlpSettings> SettingsFromEnvironment(
    const std::map<std::string, std::string>& environment);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_SETTINGS_H_
