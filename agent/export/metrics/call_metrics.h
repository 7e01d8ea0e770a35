// What every call adds to the metrics.
#ifndef SONDE_AGENT_EXPORT_METRICS_CALL_METRICS_H_
#define SONDE_AGENT_EXPORT_METRICS_CALL_METRICS_H_

#include <string>

#include "agent/calls/call.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"

namespace sonde::exporter {

/// Counts every call, whatever is sampled elsewhere. Exact figures, lower bounds, estimates and
/// notional costs go to series of their own. No label is a pid, a pod or a key.
class CallMetrics final : public calls::CallSink {
 public:
  /// `registry` must outlive it. A `service_name` that is not empty stands in for the program's.
  CallMetrics(Profile profile, std::string service_name, Registry* registry)
      : profile_(profile), service_name_(std::move(service_name)), registry_(registry) {}

  void OnCall(const calls::Call& call) override;

 private:
  class Writer;

  Profile profile_;
  std::string service_name_;
  Registry* registry_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_CALL_METRICS_H_
