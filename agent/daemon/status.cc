#include "agent/daemon/status.h"

#include "absl/strings/str_cat.h"
#include "agent/export/service_name.h"

namespace sonde::daemon {

using exporter::Attribute;
using exporter::HealthCheck;
using exporter::HealthState;
using exporter::Labels;
using exporter::Metric;

void SelfMetrics::Set(Metric metric, uint64_t value, int64_t unix_ns, const Labels& labels) {
  registry_->Set(metric, labels, static_cast<int64_t>(value), unix_ns);
}

void SelfMetrics::Count(const capture::CaptureStats& capture, const pipeline::Pipeline& pipeline,
                        int64_t unix_ns) {
  const pipeline::PipelineStats stats = pipeline.stats();
  size_t probes = 0;
  for (const capture::ProbedFile& file : capture.files) probes += file.attached ? file.probes : 0;
  Set(Metric::kProbes, probes, unix_ns);
  Set(Metric::kProcesses, capture.processes, unix_ns);
  Set(Metric::kConnections, capture.connections, unix_ns);
  Set(Metric::kOpenCalls, stats.calls.open_calls, unix_ns);
  Set(Metric::kEvents, stats.events, unix_ns);
  Set(Metric::kCaptured, capture.ring_bytes_read, unix_ns);
  Set(Metric::kMemory, capture.ring_bytes, unix_ns, {{Attribute::kUse, "ring"}});
  Set(Metric::kMemory, stats.calls.memory_bytes, unix_ns, {{Attribute::kUse, "calls"}});
  for (const auto& [cause, count] : stats.losses) {
    Set(Metric::kLost, count, unix_ns, {{Attribute::kCause, cause}});
  }
  Set(Metric::kLost, stats.calls.evicted, unix_ns, {{Attribute::kCause, "call_evicted"}});
  Set(Metric::kLost, stats.unseen_dropped, unix_ns, {{Attribute::kCause, "unseen_dropped"}});
  Set(Metric::kLost, stats.processes_evicted, unix_ns, {{Attribute::kCause, "process_evicted"}});
  CountUnseen(pipeline.unseen(), unix_ns);
  Set(Metric::kSeries, registry_->size(), unix_ns);
  Set(Metric::kSeriesFolded, registry_->folded_values(), unix_ns, {{Attribute::kCause, "values"}});
  Set(Metric::kSeriesFolded, registry_->folded_series(), unix_ns, {{Attribute::kCause, "series"}});
}

void SelfMetrics::CountUnseen(const std::vector<calls::Unseen>& unseen, int64_t unix_ns) {
  std::map<Labels, uint64_t> sums;
  for (const calls::Unseen& one : unseen) {
    if (!one.provider_host) continue;
    sums[{{Attribute::kServiceName, exporter::DefaultServiceName(one.process.get())},
          {Attribute::kServerAddress, one.host},
          {Attribute::kReason, one.kind}}] += one.connections;
  }
  for (const auto& [labels, connections] : sums) Set(Metric::kUnseen, connections, unix_ns, labels);
}

std::vector<HealthCheck> CaptureHealth(const capture::CaptureStats& capture,
                                       const absl::Status& ring,
                                       const std::vector<SelectorState>& selectors) {
  std::vector<HealthCheck> checks;
  HealthCheck probes{"probes", HealthState::kUp, "", {}};
  size_t attached = 0;
  for (const capture::ProbedFile& file : capture.files) {
    if (file.attached) {
      ++attached;
    } else if (!file.problem.empty()) {
      probes.state = HealthState::kDegraded;
      probes.message = absl::StrCat(file.path, ": ", file.problem);
    }
  }
  if (probes.message.empty()) {
    probes.message = absl::StrCat("in ", attached, " files, by ", capture.mechanism);
  }
  checks.push_back(probes);
  checks.push_back(
      {"ring",
       ring.ok() ? HealthState::kUp : HealthState::kDown,
       ring.ok() ? absl::StrCat(capture.records, " records taken") : std::string(ring.message()),
       {}});
  HealthCheck selection{
      "selection", HealthState::kUp, absl::StrCat(capture.processes, " processes"), {}};
  for (const SelectorState& selector : selectors) {
    if (selector.problem.empty()) continue;
    selection.state = HealthState::kDegraded;
    selection.message = absl::StrCat(selector.name, ": ", selector.problem);
  }
  checks.push_back(selection);
  return checks;
}

}  // namespace sonde::daemon
