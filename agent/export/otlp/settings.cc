#include "agent/export/otlp/settings.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/export/otlp/endpoint.h"

namespace sonde::exporter {
namespace {

constexpr Signal kSignals[] = {Signal::kTraces, Signal::kMetrics, Signal::kLogs};

void SetHttpTargets(Endpoint endpoint, OtlpSettings& settings) {
  if (endpoint.path == "/") endpoint.path = SignalPath(Signal::kTraces);
  const std::string given = endpoint.path;
  std::string base = given;
  bool names_a_signal = false;
  for (const Signal signal : kSignals) {
    const std::string path = SignalPath(signal);
    if (!given.ends_with(path)) continue;
    base.resize(given.size() - path.size());
    names_a_signal = true;
  }
  while (base.ends_with('/')) base.pop_back();
  for (const Signal signal : kSignals) {
    const bool as_it_stands = signal == Signal::kTraces && !names_a_signal;
    endpoint.path = as_it_stands ? given : base + SignalPath(signal);
    settings.TargetOf(signal) = endpoint.Url();
  }
}

}  // namespace

std::string_view SignalName(Signal signal) {
  switch (signal) {
    case Signal::kMetrics:
      return "metrics";
    case Signal::kLogs:
      return "logs";
    case Signal::kTraces:
      break;
  }
  return "traces";
}

std::string SignalPath(Signal signal) { return "/v1/" + std::string(SignalName(signal)); }

const std::string& OtlpSettings::TargetOf(Signal signal) const {
  switch (signal) {
    case Signal::kMetrics:
      return metrics_target;
    case Signal::kLogs:
      return logs_target;
    case Signal::kTraces:
      break;
  }
  return target;
}

std::string& OtlpSettings::TargetOf(Signal signal) {
  return const_cast<std::string&>(std::as_const(*this).TargetOf(signal));
}

std::string OtlpSettings::DisplayOf(Signal signal) const {
  if (protocol == OtlpProtocol::kGrpc) return display;
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(TargetOf(signal));
  return endpoint.ok() ? endpoint->Display() : display;
}

void OtlpSettings::TakeEndpoint(const OtlpSettings& from) {
  protocol = from.protocol;
  for (const Signal signal : kSignals) TargetOf(signal) = from.TargetOf(signal);
  tls = from.tls;
  display = from.display;
}

bool IsExportHeader(std::string_view name, std::string_view value) {
  const auto name_byte = [](unsigned char c) {
    return (std::isalnum(c) != 0 && std::isupper(c) == 0) || c == '-' || c == '_' || c == '.';
  };
  const auto value_byte = [](unsigned char c) { return c >= 0x20 && c < 0x7F; };
  return !name.empty() && std::all_of(name.begin(), name.end(), name_byte) &&
         std::all_of(value.begin(), value.end(), value_byte) && !name.ends_with("-bin") &&
         !name.starts_with("grpc-");
}

absl::StatusOr<OtlpSettings> SettingsFromUrl(std::string_view url) {
  constexpr std::string_view kForms =
      "use http://HOST[:PORT][/PATH] or https://... for HTTP/protobuf, grpc://HOST[:PORT] or "
      "grpcs://... for gRPC";
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the OTLP URL cannot be used: ", std::string(why), "; ", std::string(kForms)));
  };
  if (url.find("://") == std::string_view::npos) return refuse("it has no scheme");
  absl::StatusOr<Endpoint> endpoint = ParseEndpoint(url);
  if (!endpoint.ok()) return refuse(std::string(endpoint.status().message()));

  OtlpSettings settings;
  const bool grpc = endpoint->scheme == "grpc" || endpoint->scheme == "grpcs";
  if (!grpc && endpoint->scheme != "http" && endpoint->scheme != "https") {
    return refuse(absl::StrCat("the scheme ", endpoint->scheme, " is unknown"));
  }
  settings.tls = endpoint->scheme == "https" || endpoint->scheme == "grpcs";
  if (endpoint->port.empty()) endpoint->port = settings.tls ? "443" : grpc ? "4317" : "4318";
  if (grpc) {
    if (endpoint->path != "/" || !endpoint->query.empty() || !endpoint->userinfo.empty()) {
      return refuse("a gRPC endpoint has a host and a port only");
    }
    settings.protocol = OtlpProtocol::kGrpc;
    settings.display = endpoint->Display();
    for (const Signal signal : kSignals) {
      settings.TargetOf(signal) = endpoint->host + ":" + endpoint->port;
    }
  } else {
    SetHttpTargets(*endpoint, settings);
    settings.display = settings.DisplayOf(Signal::kTraces);
  }
  return settings;
}

}  // namespace sonde::exporter
