// The agent's own port: metrics, health.
#ifndef SONDE_AGENT_EXPORT_HTTP_SERVER_H_
#define SONDE_AGENT_EXPORT_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/export/http/access.h"
#include "agent/export/http/health.h"

namespace sonde::exporter {

struct Page {
  std::string content_type;
  std::string body;
};

struct ServerStats {
  uint64_t served = 0;
  uint64_t refused = 0;  ///< Address or credentials.
};

/// Serves on threads of its own. A peer that does not read or write holds one thread for at most
/// five seconds.
class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 9464;
    std::string cert_file;  ///< PEM; with key_file it turns TLS on.
    std::string key_file;
    AccessSettings access;
  };
  /// Called on the server's threads, several at a time.
  struct Pages {
    /// `reader` tells regular readers apart; `accept` is the Accept header.
    std::function<Page(const std::string& reader, const std::string& accept)> metrics;
    std::function<HealthReport()> health;
  };

  /// Unavailable when the port is in use or the address is not this host's; InvalidArgument for a
  /// certificate or key that cannot be used. The message says what to do.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options, Pages pages);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The port that was taken: the given one, or what the system chose for 0.
  uint16_t port() const;
  ServerStats stats() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_HTTP_SERVER_H_
