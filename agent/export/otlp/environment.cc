// OTEL_* variables, by the OpenTelemetry specification (environment variables; OTLP exporter).
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/export/otlp/endpoint.h"
#include "agent/export/otlp/settings.h"

namespace sonde::exporter {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kOtlp = "OTEL_EXPORTER_OTLP_";
constexpr absl::Duration kLogsScheduleDelay = absl::Seconds(1);

struct Variable {
  std::string name;
  std::string value;  // Empty: unset.
};

class Environment {
 public:
  Environment(const std::map<std::string, std::string>& variables, Signal signal)
      : variables_(variables),
        signal_(signal),
        upper_(absl::AsciiStrToUpper(std::string(SignalName(signal)))) {}

  Signal signal() const { return signal_; }
  // "TRACES", "METRICS" or "LOGS".
  const std::string& upper() const { return upper_; }

  Variable Get(std::string_view name) const {
    const auto found = variables_.find(std::string(name));
    return {std::string(name), found == variables_.end() ? "" : found->second};
  }
  // The form for the signal wins.
  Variable Exporter(std::string_view suffix) const {
    Variable own = Get(absl::StrCat(std::string(kOtlp), upper_, "_", std::string(suffix)));
    if (!own.value.empty()) return own;
    return Get(absl::StrCat(std::string(kOtlp), std::string(suffix)));
  }

 private:
  const std::map<std::string, std::string>& variables_;
  const Signal signal_;
  const std::string upper_;
};

absl::Status Unusable(const Variable& variable, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(variable.name, ": ", std::string(why)));
}

bool IsTrue(const Variable& variable) { return absl::EqualsIgnoreCase(variable.value, "true"); }

// Percent-decoding; false when a percent sign is not followed by two hexadecimal digits.
bool Decode(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || std::isxdigit(static_cast<unsigned char>(digits[0])) == 0 ||
        std::isxdigit(static_cast<unsigned char>(digits[1])) == 0) {
      return false;
    }
    out += absl::HexStringToBytes(std::string(digits));
    i += 2;
  }
  return true;
}

// "k1=v1,k2=v2" in W3C baggage encoding. False when some entry is malformed.
bool DecodePairs(const std::string& text, Pairs& pairs) {
  for (const auto& entry : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::pair<std::string, std::string> split =
        absl::StrSplit(absl::StripAsciiWhitespace(entry), absl::MaxSplits('=', 1));
    std::string key;
    std::string value;
    const bool has_equals = entry.find('=') != absl::string_view::npos;
    if (!has_equals || !Decode(std::string(absl::StripAsciiWhitespace(split.first)), key) ||
        !Decode(std::string(absl::StripAsciiWhitespace(split.second)), value) || key.empty()) {
      return false;
    }
    pairs.emplace_back(std::move(key), std::move(value));
  }
  return true;
}

// The value is never part of a message: it can be a key.
void ReadHeaders(const Variable& variable, OtlpSettings& settings) {
  Pairs pairs;
  bool whole = DecodePairs(variable.value, pairs);
  for (auto& [name, value] : pairs) {
    absl::AsciiStrToLower(&name);
    if (IsExportHeader(name, value)) {
      settings.headers.emplace_back(name, value);
    } else {
      whole = false;
    }
  }
  if (!whole) {
    settings.warnings.push_back(
        absl::StrCat(variable.name,
                     " holds entries that are no headers; they were left out. Use "
                     "name=value,name=value with other characters as %XX"));
  }
}

template <typename T>
void ReadNumber(const Environment& environment, std::string_view name, uint64_t least,
                OtlpSettings& settings, T set) {
  const Variable variable = environment.Get(name);
  if (variable.value.empty()) return;
  uint64_t number = 0;
  if (absl::SimpleAtoi(variable.value, &number) && number >= least && number <= INT32_MAX) {
    set(number);
  } else {
    settings.warnings.push_back(
        absl::StrCat(variable.name, " is ignored: it must be a whole number from ", least));
  }
}

void ReadBatch(const Environment& environment, OtlpSettings& settings) {
  BatchSettings& batch = settings.batch;
  const bool logs = environment.signal() == Signal::kLogs;
  const std::string prefix = logs ? "OTEL_BLRP_" : "OTEL_BSP_";
  if (logs) batch.schedule_delay = kLogsScheduleDelay;
  ReadNumber(environment, prefix + "SCHEDULE_DELAY", 0, settings,
             [&](uint64_t n) { batch.schedule_delay = absl::Milliseconds(n); });
  ReadNumber(environment, prefix + "MAX_QUEUE_SIZE", 1, settings,
             [&](uint64_t n) { batch.queue_spans = n; });
  ReadNumber(environment, prefix + "MAX_EXPORT_BATCH_SIZE", 1, settings,
             [&](uint64_t n) { batch.batch_spans = n; });
  // A batch larger than the queue would never be full.
  batch.batch_spans = std::min(batch.batch_spans, batch.queue_spans);
}

void WarnOfChoice(const Variable& variable, std::string_view choices, OtlpSettings& settings) {
  settings.warnings.push_back(
      absl::StrCat(variable.name, " is ignored: use ", std::string(choices)));
}

void ReadMetrics(const Environment& environment, OtlpSettings& settings) {
  ReadNumber(environment, "OTEL_METRIC_EXPORT_INTERVAL", 1, settings,
             [&](uint64_t n) { settings.metrics.interval = absl::Milliseconds(n); });
  const Variable temporality = environment.Get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE");
  // Every counter here is one that "lowmemory" wants as a delta.
  const bool delta = absl::EqualsIgnoreCase(temporality.value, "delta") ||
                     absl::EqualsIgnoreCase(temporality.value, "lowmemory");
  if (delta) {
    settings.metrics.temporality = Temporality::kDelta;
  } else if (!temporality.value.empty() &&
             !absl::EqualsIgnoreCase(temporality.value, "cumulative")) {
    WarnOfChoice(temporality, "cumulative, delta or lowmemory", settings);
  }
  const Variable buckets =
      environment.Get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION");
  if (absl::EqualsIgnoreCase(buckets.value, "base2_exponential_bucket_histogram")) {
    settings.metrics.exponential = true;
  } else if (!buckets.value.empty() &&
             !absl::EqualsIgnoreCase(buckets.value, "explicit_bucket_histogram")) {
    WarnOfChoice(buckets, "explicit_bucket_histogram or base2_exponential_bucket_histogram",
                 settings);
  }
}

void ReadTimeout(const Environment& environment, OtlpSettings& settings) {
  const Variable variable = environment.Exporter("TIMEOUT");
  ReadNumber(environment, variable.name, 1, settings,
             [&](uint64_t n) { settings.timeout = absl::Milliseconds(n); });
}

void ReadCompression(const Environment& environment, OtlpSettings& settings) {
  const Variable variable = environment.Exporter("COMPRESSION");
  settings.gzip = variable.value == "gzip";
  if (settings.gzip || variable.value.empty() || variable.value == "none") return;
  WarnOfChoice(variable, "gzip or none", settings);
}

void ReadResource(const Environment& environment, OtlpSettings& settings) {
  const Variable attributes = environment.Get("OTEL_RESOURCE_ATTRIBUTES");
  Pairs pairs;
  if (DecodePairs(attributes.value, pairs)) {
    settings.resource_attributes = std::move(pairs);
  } else {
    settings.warnings.push_back(absl::StrCat(
        attributes.name, " is ignored as a whole: use key=value,key=value with , and = as %XX"));
  }
  const Variable name = environment.Get("OTEL_SERVICE_NAME");
  if (!name.value.empty()) settings.service_name = name.value;
}

absl::Status ReadProtocol(const Environment& environment, OtlpSettings& settings) {
  const Variable variable = environment.Exporter("PROTOCOL");
  if (variable.value == "grpc") {
    settings.protocol = OtlpProtocol::kGrpc;
  } else if (variable.value == "http/json") {
    return Unusable(variable, "http/json is not supported; use http/protobuf or grpc");
  } else if (!variable.value.empty() && variable.value != "http/protobuf") {
    return Unusable(variable, "unknown protocol; use http/protobuf or grpc");
  }
  return absl::OkStatus();
}

absl::Status ReadHttpEndpoint(const Environment& environment, OtlpSettings& settings) {
  Variable variable = environment.Exporter("ENDPOINT");
  const bool as_is =
      absl::StrContains(variable.name, environment.upper() + "_") && !variable.value.empty();
  if (variable.value.empty()) variable.value = "http://localhost:4318";
  if (!absl::StrContains(variable.value, "://")) {
    return Unusable(variable, "an endpoint for HTTP begins with http:// or https://");
  }
  absl::StatusOr<Endpoint> endpoint = ParseEndpoint(variable.value);
  if (!endpoint.ok()) return Unusable(variable, std::string(endpoint.status().message()));
  if (endpoint->scheme != "http" && endpoint->scheme != "https") {
    return Unusable(variable, "an endpoint for HTTP begins with http:// or https://");
  }
  if (!as_is) {
    while (endpoint->path.ends_with('/')) endpoint->path.pop_back();
    endpoint->path += SignalPath(environment.signal());
  }
  settings.tls = endpoint->scheme == "https";
  settings.TargetOf(environment.signal()) = endpoint->Url();
  settings.display = endpoint->Display();
  return absl::OkStatus();
}

absl::Status ReadGrpcEndpoint(const Environment& environment, OtlpSettings& settings) {
  Variable variable = environment.Exporter("ENDPOINT");
  if (variable.value.empty()) variable.value = "http://localhost:4317";
  const bool has_scheme = absl::StrContains(variable.value, "://");
  // OTEL_EXPORTER_OTLP_INSECURE speaks of endpoints without a scheme only.
  const std::string scheme = IsTrue(environment.Exporter("INSECURE")) ? "http://" : "https://";
  absl::StatusOr<Endpoint> endpoint =
      ParseEndpoint(has_scheme ? variable.value : scheme + variable.value);
  if (!endpoint.ok()) return Unusable(variable, std::string(endpoint.status().message()));
  const bool known = endpoint->scheme == "http" || endpoint->scheme == "https";
  if (!known || !endpoint->userinfo.empty()) {
    return Unusable(variable,
                    "an endpoint for gRPC is http://HOST:PORT, https://HOST:PORT or "
                    "HOST:PORT");
  }
  settings.tls = endpoint->scheme == "https";
  if (endpoint->port.empty()) endpoint->port = settings.tls ? "443" : "4317";
  std::string& target = settings.TargetOf(environment.signal());
  target = endpoint->host + ":" + endpoint->port;
  settings.display = absl::StrCat(settings.tls ? "grpcs://" : "grpc://", target);
  return absl::OkStatus();
}

void ReadDisabled(const Environment& environment, OtlpSettings& settings) {
  const Variable exporter =
      environment.Get(absl::StrCat("OTEL_", environment.upper(), "_EXPORTER"));
  settings.disabled = IsTrue(environment.Get("OTEL_SDK_DISABLED")) || exporter.value == "none";
  if (!exporter.value.empty() && exporter.value != "otlp" && exporter.value != "none") {
    settings.warnings.push_back(
        absl::StrCat(exporter.name, " names an exporter that Sonde has not; ",
                     std::string(SignalName(environment.signal())), " go to OTLP"));
  }
}

}  // namespace

absl::StatusOr<OtlpSettings> SettingsFromEnvironment(
    const std::map<std::string, std::string>& variables, Signal signal) {
  const Environment environment(variables, signal);
  OtlpSettings settings;
  ReadDisabled(environment, settings);
  if (settings.disabled) return settings;
  if (absl::Status status = ReadProtocol(environment, settings); !status.ok()) return status;
  const bool grpc = settings.protocol == OtlpProtocol::kGrpc;
  const absl::Status status =
      grpc ? ReadGrpcEndpoint(environment, settings) : ReadHttpEndpoint(environment, settings);
  if (!status.ok()) return status;
  ReadHeaders(environment.Exporter("HEADERS"), settings);
  ReadCompression(environment, settings);
  ReadTimeout(environment, settings);
  settings.ca_file = environment.Exporter("CERTIFICATE").value;
  settings.client_key_file = environment.Exporter("CLIENT_KEY").value;
  settings.client_certificate_file = environment.Exporter("CLIENT_CERTIFICATE").value;
  ReadBatch(environment, settings);
  if (signal == Signal::kMetrics) ReadMetrics(environment, settings);
  ReadResource(environment, settings);
  return settings;
}

}  // namespace sonde::exporter
