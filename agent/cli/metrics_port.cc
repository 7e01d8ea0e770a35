#include "agent/cli/metrics_port.h"

#include <utility>

#include "agent/config/address.h"

namespace sonde::cli {

absl::StatusOr<std::unique_ptr<MetricsPort>> MetricsPort::Open(const std::string& address,
                                                               exporter::Profile profile,
                                                               const std::string& service_name) {
  const auto listen = config::ParseListen(address);
  if (!listen.ok()) return listen.status();
  std::unique_ptr<MetricsPort> port(new MetricsPort(profile, service_name));
  exporter::HttpServer::Options options;
  options.host = listen->host;
  options.port = listen->port;
  auto server = exporter::HttpServer::Start(
      options, {[page = &port->page_](const std::string& reader, const std::string& accept) {
                  exporter::MetricsPage::Text text = page->Render(reader, accept);
                  return exporter::Page{std::move(text.content_type), std::move(text.body)};
                },
                [] { return exporter::HealthReport{.version = SONDE_VERSION, .started = true}; }});
  if (!server.ok()) return server.status();
  port->server_ = *std::move(server);
  return port;
}

}  // namespace sonde::cli
