// The page that Prometheus reads, for many readers at once.
#ifndef SONDE_AGENT_EXPORT_METRICS_METRICS_PAGE_H_
#define SONDE_AGENT_EXPORT_METRICS_METRICS_PAGE_H_

#include <cstdint>
#include <mutex>
#include <string>

#include "agent/export/metrics/registry.h"
#include "agent/export/metrics/scrape_gate.h"
#include "agent/export/names.h"

namespace sonde::exporter {

/// Thread-safe.
class MetricsPage {
 public:
  /// `registry` must outlive it.
  MetricsPage(Profile profile, const Registry* registry) : profile_(profile), registry_(registry) {}

  struct Text {
    std::string content_type;
    std::string body;
  };
  /// For the reader of that name, in the format its Accept header asks for. See ScrapeGate for why
  /// it matters who reads.
  Text Render(const std::string& reader, const std::string& accept);

  /// From the next page on.
  void SetProfile(Profile profile);

 private:
  std::mutex mutex_;
  Profile profile_;
  ScrapeGate gate_;
  const Registry* const registry_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_METRICS_PAGE_H_
