// Everything that hears of calls on behalf of a configuration.
#ifndef SONDE_AGENT_DAEMON_EXPORTS_H_
#define SONDE_AGENT_DAEMON_EXPORTS_H_

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/calls/call.h"
#include "agent/config/config.h"
#include "agent/daemon/log.h"
#include "agent/daemon/sampler.h"
#include "agent/export/http/health.h"
#include "agent/export/ledger/ledger.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/otlp/log_exporter.h"
#include "agent/export/otlp/metric_exporter.h"
#include "agent/export/otlp/span_exporter.h"

namespace sonde::daemon {

/// The generation of names that a configuration asks for.
exporter::Profile ProfileOf(config::Names names);

/// One OTLP destination with its signals.
struct OtlpExports {
  config::Otlp settings;
  std::unique_ptr<exporter::SpanExporter> spans;
  std::unique_ptr<exporter::LogExporter> logs;
  std::unique_ptr<exporter::MetricExporter> metrics;
};

/// Metrics count every call and the ledger has every call; spans may be sampled. Calls come on one
/// thread; stats and health are for any.
class Exports final : public calls::CallSink {
 public:
  /// `registry` and `log` must outlive it. Starts threads: after every fork.
  Exports(exporter::Registry* registry, Log* log) : registry_(registry), log_(log) {}
  ~Exports() override;

  /// Brings what runs in step with the configuration: what it leaves as it was goes on, the rest is
  /// begun anew, and what it replaces is stopped within `deadline` on a thread of its own. On an
  /// error nothing was changed.
  absl::Status Apply(const config::Config& config, absl::Duration deadline);

  void OnCall(const calls::Call& call) override;
  void OnNotice(const calls::Notice& notice) override;

  /// Brings the registry's view of exporters and ledger up to date.
  void Count(int64_t unix_ns);
  void AddHealth(std::vector<exporter::HealthCheck>& checks) const;

  /// Sends and writes what waits, each within `deadline`. The last call.
  void Stop(absl::Duration deadline);

 private:
  void Retire(std::vector<std::unique_ptr<OtlpExports>> otlp,
              std::unique_ptr<exporter::Ledger> ledger, absl::Duration deadline);
  absl::StatusOr<std::unique_ptr<exporter::Ledger>> BeginLedger(const config::Ledger& settings);
  absl::StatusOr<std::unique_ptr<OtlpExports>> Begin(const config::Otlp& otlp,
                                                     const config::Config& config);

  exporter::Registry* const registry_;
  Log* const log_;
  config::Config config_;
  bool applied_ = false;
  std::unique_ptr<calls::CallSink> metrics_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<std::unique_ptr<OtlpExports>> otlp_;
  std::unique_ptr<exporter::Ledger> ledger_;

  /// What exporters and ledgers that were replaced had counted: counters never fall.
  struct Retired {
    std::mutex mutex;
    exporter::ExportStats traces, logs, metrics;
    exporter::LedgerStats ledger;
  };
  std::shared_ptr<Retired> retired_ = std::make_shared<Retired>();
  std::vector<std::thread> retiring_;
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_EXPORTS_H_
