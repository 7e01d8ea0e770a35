// Series as a page that Prometheus reads.
#ifndef SONDE_AGENT_EXPORT_METRICS_PROMETHEUS_TEXT_H_
#define SONDE_AGENT_EXPORT_METRICS_PROMETHEUS_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"

namespace sonde::exporter {

enum class TextFormat : uint8_t {
  kPrometheus,   ///< text/plain; version=0.0.4
  kOpenMetrics,  ///< application/openmetrics-text; version=1.0.0: with exemplars and "# EOF".
};

/// The format the reader asks for in its Accept header.
TextFormat FormatFor(std::string_view accept);
std::string_view ContentType(TextFormat format);

/// `points` in the registry's order. Counters and histograms with an id above `revealed` show zero.
/// Numbers are exact decimals. Metrics the profile does not have are left out.
std::string PrometheusText(const std::vector<SeriesPoint>& points, Profile profile,
                           TextFormat format, uint64_t revealed);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_PROMETHEUS_TEXT_H_
