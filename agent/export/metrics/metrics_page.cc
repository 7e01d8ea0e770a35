#include "agent/export/metrics/metrics_page.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "agent/export/metrics/prometheus_text.h"

namespace sonde::exporter {

void MetricsPage::SetProfile(Profile profile) {
  const std::lock_guard lock(mutex_);
  profile_ = profile;
}

MetricsPage::Text MetricsPage::Render(const std::string& reader, const std::string& accept) {
  const TextFormat format = FormatFor(accept);
  const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  Profile profile{};
  uint64_t revealed = 0;
  std::vector<SeriesPoint> points;
  {
    // Taken together, so that what the gate calls the newest series stands on this page.
    const std::lock_guard lock(mutex_);
    profile = profile_;
    points = registry_->Collect();
    uint64_t newest = 0;
    for (const SeriesPoint& point : points) newest = std::max(newest, point.id);
    revealed = gate_.Reveal(reader, newest, now);
  }
  return {std::string(ContentType(format)), PrometheusText(points, profile, format, revealed)};
}

}  // namespace sonde::exporter
