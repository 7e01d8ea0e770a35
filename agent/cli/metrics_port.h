// The Prometheus page of one run.
#ifndef SONDE_AGENT_CLI_METRICS_PORT_H_
#define SONDE_AGENT_CLI_METRICS_PORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/calls/call.h"
#include "agent/export/http/server.h"
#include "agent/export/metrics/call_metrics.h"
#include "agent/export/metrics/metrics_page.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"

namespace sonde::cli {

/// Calls come on one thread. The page goes with the run; a scraper that wants the last calls too
/// uses the agent.
class MetricsPort final : public calls::CallSink {
 public:
  /// Opens ADDRESS:PORT; starts threads, so after every fork. `service_name` stands in for the
  /// program's when it is not empty.
  static absl::StatusOr<std::unique_ptr<MetricsPort>> Open(const std::string& address,
                                                           exporter::Profile profile,
                                                           const std::string& service_name);

  void OnCall(const calls::Call& call) override { calls_.OnCall(call); }

 private:
  MetricsPort(exporter::Profile profile, const std::string& service_name)
      : registry_(exporter::Registry::Limits{}),
        calls_(profile, service_name, &registry_),
        page_(profile, &registry_) {}

  exporter::Registry registry_;
  exporter::CallMetrics calls_;
  exporter::MetricsPage page_;
  std::unique_ptr<exporter::HttpServer> server_;  ///< Last: its threads use the page.
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_METRICS_PORT_H_
