#include "agent/daemon/exports.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/export/metrics/call_metrics.h"

namespace sonde::daemon {
namespace {

using exporter::Attribute;
using exporter::HealthCheck;
using exporter::HealthState;
using exporter::Metric;

int64_t WallMinusBoottime() {
  timespec wall{};
  timespec boot{};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  return (static_cast<int64_t>(wall.tv_sec) - boot.tv_sec) * 1'000'000'000 + wall.tv_nsec -
         boot.tv_nsec;
}

absl::StatusOr<exporter::OtlpSettings> SettingsOf(const config::Otlp& otlp,
                                                  const config::Config& config) {
  auto settings = exporter::SettingsFromUrl(otlp.endpoint);
  if (!settings.ok()) return settings;
  for (const auto& [name, value] : otlp.headers) settings->headers.emplace_back(name, value.value);
  settings->gzip = otlp.gzip;
  settings->timeout = otlp.timeout;
  settings->ca_file = otlp.tls.ca_file;
  settings->client_certificate_file = otlp.tls.cert_file;
  settings->client_key_file = otlp.tls.key_file;
  if (!config.service_name.empty()) settings->service_name = config.service_name;
  settings->resource_attributes.assign(config.resource.begin(), config.resource.end());
  settings->batch.queue_spans = otlp.queue;
  settings->metrics.interval = otlp.metrics_interval;
  settings->metrics.temporality = otlp.temporality == config::Temporality::kDelta
                                      ? exporter::Temporality::kDelta
                                      : exporter::Temporality::kCumulative;
  settings->metrics.exponential = otlp.histograms == config::Histograms::kExponential;
  return settings;
}

/// What all destinations of a configuration share.
bool SameForOtlp(const config::Config& a, const config::Config& b) {
  return a.names == b.names && a.service_name == b.service_name && a.resource == b.resource;
}

void CountSignal(exporter::Registry& registry, std::string_view signal,
                 const exporter::ExportStats& stats, int64_t now) {
  const exporter::Labels labels = {{Attribute::kSignal, std::string(signal)}};
  const auto dropped = [&](std::string_view cause, uint64_t count) {
    registry.Set(
        Metric::kExportDropped,
        {{Attribute::kSignal, std::string(signal)}, {Attribute::kCause, std::string(cause)}},
        static_cast<int64_t>(count), now);
  };
  registry.Set(Metric::kExported, labels, static_cast<int64_t>(stats.sent), now);
  registry.Set(Metric::kExportQueue, labels, static_cast<int64_t>(stats.waiting), now);
  registry.Set(Metric::kExportFailures, labels, static_cast<int64_t>(stats.retries), now);
  dropped("queue_full", stats.dropped_queue_full);
  dropped("refused", stats.dropped_refused);
  dropped("gave_up", stats.dropped_gave_up);
  dropped("at_stop", stats.dropped_at_stop);
  dropped("rejected", stats.rejected);
}

void Add(exporter::ExportStats& sum, const exporter::ExportStats& one) {
  sum.sent += one.sent;
  sum.waiting += one.waiting;
  sum.retries += one.retries;
  sum.rejected += one.rejected;
  sum.dropped_queue_full += one.dropped_queue_full;
  sum.dropped_refused += one.dropped_refused;
  sum.dropped_gave_up += one.dropped_gave_up;
  sum.dropped_at_stop += one.dropped_at_stop;
}

void AddAll(const OtlpExports& one, exporter::ExportStats& traces, exporter::ExportStats& logs,
            exporter::ExportStats& metrics) {
  if (one.spans != nullptr) Add(traces, one.spans->stats());
  if (one.logs != nullptr) Add(logs, one.logs->stats());
  if (one.metrics == nullptr) return;
  const exporter::MetricStats stats = one.metrics->stats();
  metrics.sent += stats.sent;
  metrics.rejected += stats.rejected;
  metrics.retries += stats.retries;
}

void AddLedger(exporter::LedgerStats& sum, const exporter::LedgerStats& one) {
  sum.written += one.written;
  sum.lost += one.lost;
  sum.bytes += one.bytes;
}

void StopAll(OtlpExports& exports, absl::Duration deadline) {
  if (exports.spans) exports.spans->Stop(deadline);
  if (exports.logs) exports.logs->Stop(deadline);
  if (exports.metrics) exports.metrics->Stop(deadline);
}

}  // namespace

exporter::Profile ProfileOf(config::Names names) {
  switch (names) {
    case config::Names::kMain:
      return exporter::Profile::kMain;
    case config::Names::kSeed:
      return exporter::Profile::kSeed;
    case config::Names::k141:
      break;
  }
  return exporter::Profile::kSemconv141;
}

absl::StatusOr<std::unique_ptr<OtlpExports>> Exports::Begin(const config::Otlp& otlp,
                                                            const config::Config& config) {
  auto settings = SettingsOf(otlp, config);
  if (!settings.ok()) return settings.status();
  auto exports = std::make_unique<OtlpExports>();
  exports->settings = otlp;
  const auto problem = [log = log_](std::string_view text) { log->Warn(text); };
  exporter::BatchExporter::Options batch;
  batch.settings = *settings;
  batch.profile = ProfileOf(config.names);
  batch.wall_minus_boottime_ns = WallMinusBoottime();
  batch.on_problem = problem;
  if (otlp.traces) {
    auto spans = exporter::SpanExporter::Start(batch);
    if (!spans.ok()) return spans.status();
    exports->spans = *std::move(spans);
  }
  if (otlp.logs) {
    auto logs = exporter::LogExporter::Start(batch);
    if (!logs.ok()) return logs.status();
    exports->logs = *std::move(logs);
  }
  if (otlp.metrics) {
    exporter::MetricExporter::Options metric;
    metric.settings = *settings;
    metric.profile = batch.profile;
    metric.on_problem = problem;
    auto metrics = exporter::MetricExporter::Start(metric, registry_);
    if (!metrics.ok()) return metrics.status();
    exports->metrics = *std::move(metrics);
  }
  return exports;
}

absl::StatusOr<std::unique_ptr<exporter::Ledger>> Exports::BeginLedger(
    const config::Ledger& settings) {
  exporter::Ledger::Options options;
  options.files = {settings.directory, settings.max_file.count, settings.keep_days};
  options.sync_interval = settings.sync_interval;
  options.on_problem = [log = log_](std::string_view text) { log->Error(text); };
  auto ledger = exporter::Ledger::Start(std::move(options));
  if (ledger.ok()) return ledger;
  return absl::Status(ledger.status().code(),
                      absl::StrCat("ledger: ", std::string(ledger.status().message())));
}

void Exports::Retire(std::vector<std::unique_ptr<OtlpExports>> otlp,
                     std::unique_ptr<exporter::Ledger> ledger, absl::Duration deadline) {
  std::erase(otlp, nullptr);
  if (otlp.empty() && ledger == nullptr) return;
  retiring_.emplace_back(
      [otlp = std::move(otlp), ledger = std::move(ledger), deadline, retired = retired_] {
        for (const auto& one : otlp) {
          StopAll(*one, deadline);
          const std::lock_guard lock(retired->mutex);
          AddAll(*one, retired->traces, retired->logs, retired->metrics);
        }
        if (ledger == nullptr) return;
        ledger->Stop(deadline);
        const std::lock_guard lock(retired->mutex);
        AddLedger(retired->ledger, ledger->stats());
      });
}

Exports::~Exports() {
  for (std::thread& thread : retiring_) thread.join();
}

absl::Status Exports::Apply(const config::Config& config, absl::Duration deadline) {
  // First everything that can fail, into new hands; what runs is touched when all of it stands.
  const bool shared = applied_ && SameForOtlp(config, config_);
  std::vector<std::unique_ptr<OtlpExports>> otlp(config.otlp.size());
  std::vector<size_t> taken(config.otlp.size(), otlp_.size());
  for (size_t i = 0; i < config.otlp.size(); ++i) {
    for (size_t j = 0; shared && j < otlp_.size() && taken[i] == otlp_.size(); ++j) {
      const bool free = std::find(taken.begin(), taken.end(), j) == taken.end();
      if (free && otlp_[j]->settings == config.otlp[i]) taken[i] = j;
    }
    if (taken[i] < otlp_.size()) continue;
    auto begun = Begin(config.otlp[i], config);
    if (!begun.ok()) {
      return {begun.status().code(),
              absl::StrCat("otlp[", i, "]: ", std::string(begun.status().message()))};
    }
    otlp[i] = *std::move(begun);
  }
  const bool same_ledger = applied_ && config.ledger == config_.ledger;
  std::unique_ptr<exporter::Ledger> ledger;
  if (!same_ledger && !config.ledger.directory.empty()) {
    auto begun = BeginLedger(config.ledger);
    if (!begun.ok()) return begun.status();
    ledger = *std::move(begun);
  }

  for (size_t i = 0; i < otlp.size(); ++i) {
    if (otlp[i] == nullptr) otlp[i] = std::move(otlp_[taken[i]]);
  }
  std::swap(otlp_, otlp);
  if (!same_ledger) std::swap(ledger_, ledger);
  Retire(std::move(otlp), std::move(ledger), deadline);
  metrics_ = std::make_unique<exporter::CallMetrics>(ProfileOf(config.names), config.service_name,
                                                     registry_);
  sampler_ = std::make_unique<Sampler>(config.sampling);
  config_ = config;
  applied_ = true;
  return absl::OkStatus();
}

void Exports::OnCall(const calls::Call& call) {
  log_->Call(call);
  metrics_->OnCall(call);
  if (ledger_ != nullptr) ledger_->OnCall(call);
  const bool sampled = sampler_->Keeps(call);
  for (const auto& otlp : otlp_) {
    if (otlp->spans != nullptr && sampled) otlp->spans->OnCall(call);
    if (otlp->logs != nullptr) otlp->logs->OnCall(call);
  }
}

void Exports::OnNotice(const calls::Notice& notice) { log_->Info(notice.text); }

void Exports::Count(int64_t unix_ns) {
  exporter::ExportStats traces;
  exporter::ExportStats logs;
  exporter::ExportStats metrics;
  exporter::LedgerStats ledger;
  {
    const std::lock_guard lock(retired_->mutex);
    traces = retired_->traces;
    logs = retired_->logs;
    metrics = retired_->metrics;
    ledger = retired_->ledger;
  }
  for (const auto& otlp : otlp_) AddAll(*otlp, traces, logs, metrics);
  CountSignal(*registry_, "traces", traces, unix_ns);
  CountSignal(*registry_, "logs", logs, unix_ns);
  CountSignal(*registry_, "metrics", metrics, unix_ns);
  uint64_t waiting_bytes = 0;
  if (ledger_ != nullptr) {
    const exporter::LedgerStats stats = ledger_->stats();
    AddLedger(ledger, stats);
    waiting_bytes = stats.waiting_bytes;
  }
  registry_->Set(Metric::kLedgerRecords, {}, static_cast<int64_t>(ledger.written), unix_ns);
  registry_->Set(Metric::kLedgerLost, {}, static_cast<int64_t>(ledger.lost), unix_ns);
  registry_->Set(Metric::kLedgerBytes, {}, static_cast<int64_t>(ledger.bytes), unix_ns);
  registry_->Set(Metric::kMemory, {{Attribute::kUse, "ledger"}},
                 static_cast<int64_t>(waiting_bytes), unix_ns);
}

void Exports::AddHealth(std::vector<HealthCheck>& checks) const {
  HealthCheck exporters{
      "exporters", HealthState::kUp, absl::StrCat(otlp_.size(), " destinations"), {}};
  for (const auto& otlp : otlp_) {
    std::string error;
    if (otlp->spans != nullptr) error = otlp->spans->stats().last_error;
    if (error.empty() && otlp->metrics != nullptr) error = otlp->metrics->stats().last_error;
    if (error.empty() && otlp->logs != nullptr) error = otlp->logs->stats().last_error;
    if (error.empty()) continue;
    exporters.state = HealthState::kDegraded;
    exporters.message = error;
  }
  checks.push_back(exporters);
  if (ledger_ == nullptr) return;
  const exporter::LedgerStats stats = ledger_->stats();
  const bool down = !stats.last_error.empty();
  checks.push_back({"disk",
                    down ? HealthState::kDegraded : HealthState::kUp,
                    down ? stats.last_error : stats.file,
                    {}});
}

void Exports::Stop(absl::Duration deadline) {
  for (const auto& otlp : otlp_) StopAll(*otlp, deadline);
  if (ledger_ != nullptr) ledger_->Stop(deadline);
}

}  // namespace sonde::daemon
