// The agent's own figures: gauges and counters about itself, and its health.
#ifndef SONDE_AGENT_DAEMON_STATUS_H_
#define SONDE_AGENT_DAEMON_STATUS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/capture/live_capture.h"
#include "agent/daemon/selection.h"
#include "agent/export/http/health.h"
#include "agent/export/metrics/registry.h"
#include "agent/pipeline/pipeline.h"

namespace sonde::daemon {

/// Brings the registry's view of capture and pipeline up to date.
class SelfMetrics {
 public:
  explicit SelfMetrics(exporter::Registry* registry) : registry_(registry) {}

  void Count(const capture::CaptureStats& capture, const pipeline::Pipeline& pipeline,
             int64_t unix_ns);

 private:
  void CountUnseen(const std::vector<calls::Unseen>& unseen, int64_t unix_ns);
  void Set(exporter::Metric metric, uint64_t value, int64_t unix_ns,
           const exporter::Labels& labels = {});

  exporter::Registry* const registry_;
};

/// Probes, ring and selection as health checks.
std::vector<exporter::HealthCheck> CaptureHealth(const capture::CaptureStats& capture,
                                                 const absl::Status& ring,
                                                 const std::vector<SelectorState>& selectors);

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_STATUS_H_
