#include "agent/export/otlp/settings.h"

#include <algorithm>
#include <cctype>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/export/otlp/endpoint.h"

namespace sonde::exporter {
namespace {

constexpr std::string_view kTracesPath = "/v1/traces";

}  // namespace

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
    settings.target = endpoint->host + ":" + endpoint->port;
  } else {
    if (endpoint->path == "/") endpoint->path = kTracesPath;
    settings.target = endpoint->Url();
  }
  settings.display = endpoint->Display();
  return settings;
}

}  // namespace sonde::exporter
