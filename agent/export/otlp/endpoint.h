// The parts of an endpoint's URL.
#ifndef SONDE_AGENT_EXPORT_OTLP_ENDPOINT_H_
#define SONDE_AGENT_EXPORT_OTLP_ENDPOINT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sonde::exporter {

struct Endpoint {
  std::string scheme;    ///< Lower case.
  std::string userinfo;  ///< As written, a secret; may be empty.
  std::string host;      ///< IPv6 in brackets.
  std::string port;      ///< Empty when not written.
  std::string path;      ///< "/" at least.
  std::string query;     ///< Without its question mark; can hold a secret.

  /// The whole URL.
  std::string Url() const;
  /// For people: no userinfo, no query.
  std::string Display() const;
};

/// InvalidArgument does not repeat the text, which may hold credentials.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view url);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_ENDPOINT_H_
