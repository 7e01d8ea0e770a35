// How a metric's labels are spelled.
#ifndef SONDE_AGENT_EXPORT_METRICS_LABEL_NAME_H_
#define SONDE_AGENT_EXPORT_METRICS_LABEL_NAME_H_

#include <string_view>

#include "agent/export/metric_names.h"
#include "agent/export/names.h"

namespace sonde::exporter {

/// As older dashboards have it where the metric's row says so. Empty when the profile has none.
std::string_view LabelName(Profile profile, const MetricRow& row, Attribute attribute);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_LABEL_NAME_H_
