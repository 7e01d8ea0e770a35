#include "agent/export/otlp/metric_exporter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "agent/export/otlp/worker_thread.h"

namespace sonde::exporter {
namespace {

using Lock = std::unique_lock<std::mutex>;

constexpr absl::Duration kShortestInterval = absl::Milliseconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<MetricExporter>> MetricExporter::Start(const Options& options,
                                                                      const Registry* registry) {
  absl::StatusOr<std::unique_ptr<OtlpTransport>> transport =
      MakeTransport(Signal::kMetrics, options.settings);
  if (!transport.ok()) return transport.status();
  return StartWith(options, registry, *std::move(transport));
}

std::unique_ptr<MetricExporter> MetricExporter::StartWith(
    const Options& options, const Registry* registry, std::unique_ptr<OtlpTransport> transport) {
  return std::unique_ptr<MetricExporter>(
      new MetricExporter(options, registry, std::move(transport)));
}

MetricExporter::MetricExporter(const Options& options, const Registry* registry,
                               std::unique_ptr<OtlpTransport> transport)
    : options_(options),
      registry_(registry),
      requests_({.profile = options.profile,
                 .metrics = options.settings.metrics,
                 .resource_attributes = options.settings.resource_attributes,
                 .request_bytes = kRequestBytes}),
      delivery_(Signal::kMetrics, options.settings, options.on_problem, std::move(transport)) {
  worker_ = StartWorker([this] { Work(); });
}

MetricExporter::~MetricExporter() { Stop(absl::ZeroDuration()); }

void MetricExporter::Stop(absl::Duration deadline) {
  delivery_.BeginStop(deadline);
  {
    Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_until(lock, delivery_.stop_at(), [this] { return finished_; });
  }
  delivery_.Cancel();
  if (worker_.joinable()) worker_.join();
}

MetricStats MetricExporter::stats() const {
  const Delivery::Stats delivery = delivery_.stats();
  const Lock lock(mutex_);
  MetricStats stats = stats_;
  stats.exports = delivery.accepted;
  stats.retries = delivery.retries;
  stats.last_error = delivery.last_error;
  return stats;
}

void MetricExporter::Work() {
  const Clock::duration interval =
      Chrono(std::max(options_.settings.metrics.interval, kShortestInterval));
  Clock::time_point due = Clock::now() + interval;
  for (bool last = false; !last;) {
    last = WaitUntilDue(due);
    const Clock::time_point now = Clock::now();
    // An export that took longer than the interval leaves out those it ran over.
    if (due <= now) due += interval * ((now - due) / interval + 1);
    if (!Export(last ? delivery_.stop_at() : due)) break;
  }
  const Lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

bool MetricExporter::WaitUntilDue(Clock::time_point due) {
  Lock lock(mutex_);
  return changed_.wait_until(lock, due, [this] { return stopping_; });
}

bool MetricExporter::Export(Clock::time_point give_up_at) {
  if (options_.refresh) options_.refresh();
  requests_.Begin(registry_->Collect(),
                  options_.wall_clock ? options_.wall_clock() : absl::GetCurrentTimeNanos());
  while (const std::optional<MetricRequests::Batch> batch = requests_.Next()) {
    const Delivery::Result result = Deliver(batch->request, give_up_at);
    const bool refused = result.fate == Delivery::Fate::kRefused;
    if (result.fate == Delivery::Fate::kAccepted) {
      requests_.Accepted();
    } else {
      requests_.Failed(result.unanswered, refused);
    }
    Count(result, batch->points);
    if (result.fate == Delivery::Fate::kStopped) return false;
    if (result.fate == Delivery::Fate::kGaveUp) return true;
  }
  return true;
}

Delivery::Result MetricExporter::Deliver(const MetricRequests::Request& request,
                                         Clock::time_point give_up_at) {
  if (delivery_.quiet_until() > give_up_at) return {.fate = Delivery::Fate::kGaveUp};
  if (!delivery_.WaitForQuietEnd()) return {.fate = Delivery::Fate::kStopped};
  return delivery_.Send(request, give_up_at);
}

void MetricExporter::Count(const Delivery::Result& result, uint64_t points) {
  const Lock lock(mutex_);
  if (result.fate != Delivery::Fate::kAccepted) {
    ++stats_.failures;
    return;
  }
  const uint64_t rejected = std::min(result.rejected, points);
  stats_.rejected += rejected;
  stats_.sent += points - rejected;
}

}  // namespace sonde::exporter
