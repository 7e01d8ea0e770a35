// A series as OTLP data points.
#ifndef SONDE_AGENT_EXPORT_OTLP_METRIC_POINTS_H_
#define SONDE_AGENT_EXPORT_OTLP_METRIC_POINTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/export/metric_names.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"
#include "agent/export/otlp/settings.h"
#include "opentelemetry/proto/metrics/v1/metrics.pb.h"

namespace sonde::exporter {

/// What a series holds, or what it gained between two moments.
struct PointValues {
  int64_t sum = 0;  ///< As SeriesPoint has it.
  uint64_t count = 0;
  std::vector<uint64_t> buckets;  ///< Explicit ones; empty where `exponential` is used.
  int scale = 0;                  ///< Of `exponential`, as ExponentialBuckets has it.
  int offset = 0;
  uint64_t zero_count = 0;
  std::vector<uint64_t> exponential;
};

/// Of a histogram either kind of buckets, of others neither.
PointValues ValuesOf(const SeriesPoint& point, bool exponential);
/// Nothing, in the same kind of buckets.
PointValues ZeroLike(const PointValues& values);
/// `before` is the same series at an earlier moment, or empty.
PointValues Difference(const PointValues& now, const PointValues& before);

struct PointTimes {
  int64_t start_unix_ns = 0;  ///< Since when the values count; not of gauges.
  int64_t time_unix_ns = 0;
};

/// Name, unit and meaning, and which kind of data follows. `exponential`: of histograms.
void DescribeMetric(const MetricRow& row, Profile profile, const MetricSettings& settings,
                    bool exponential, opentelemetry::proto::metrics::v1::Metric* metric);

/// Adds one data point; `exemplar` may be null. The service's name is no label: the resource has
/// it. Money and time become the nearest floating point number: exact to 1e-12 USD below 9007 USD.
/// Returns the point's encoded size.
size_t AddPoint(const SeriesPoint& series, const PointValues& values, const PointTimes& times,
                const Exemplar* exemplar, Profile profile,
                opentelemetry::proto::metrics::v1::Metric* metric);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_METRIC_POINTS_H_
