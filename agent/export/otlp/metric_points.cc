#include "agent/export/otlp/metric_points.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "agent/export/metrics/label_name.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto;
namespace metrics = opentelemetry::proto::metrics::v1;

double InUnits(int64_t value, const MetricRow& row) {
  // The wider type holds every integer, so that there is one rounding only.
  return static_cast<double>(static_cast<long double>(value) /
                             static_cast<long double>(row.divisor));
}

// For the messages that carry as_int or as_double.
template <typename Message>
void SetNumber(int64_t value, const MetricRow& row, Message* out) {
  if (row.divisor == 1) {
    out->set_as_int(value);
  } else {
    out->set_as_double(InUnits(value, row));
  }
}

void PutLabel(std::string_view name, Attribute attribute, const std::string& value,
              otlp::common::v1::KeyValue* out) {
  out->set_key(name.data(), name.size());
  int64_t port = 0;
  if (attribute == Attribute::kServerPort && absl::SimpleAtoi(value, &port)) {
    out->mutable_value()->set_int_value(port);
  } else {
    out->mutable_value()->set_string_value(value);
  }
}

// What every kind of data point has.
template <typename Point>
void Fill(const SeriesPoint& series, const PointTimes& times, const Exemplar* exemplar,
          Profile profile, Point* out) {
  const MetricRow& row = RowOf(series.metric);
  for (const auto& [attribute, value] : series.labels) {
    const std::string_view name = LabelName(profile, row, attribute);
    if (attribute == Attribute::kServiceName || name.empty()) continue;
    PutLabel(name, attribute, value, out->add_attributes());
  }
  out->set_time_unix_nano(static_cast<uint64_t>(times.time_unix_ns));
  if (row.kind != MetricKind::kGauge) {
    out->set_start_time_unix_nano(static_cast<uint64_t>(times.start_unix_ns));
  }
  if (exemplar == nullptr) return;
  auto* example = out->add_exemplars();
  example->set_time_unix_nano(static_cast<uint64_t>(exemplar->unix_ns));
  example->set_trace_id(exemplar->trace_id.data(), exemplar->trace_id.size());
  example->set_span_id(exemplar->span_id.data(), exemplar->span_id.size());
  SetNumber(exemplar->value, row, example);
}

void FillExplicit(const PointValues& values, const MetricRow& row,
                  metrics::HistogramDataPoint* out) {
  out->set_count(values.count);
  out->set_sum(InUnits(values.sum, row));
  out->mutable_explicit_bounds()->Add(row.buckets.begin(), row.buckets.end());
  out->mutable_bucket_counts()->Add(values.buckets.begin(), values.buckets.end());
}

void FillExponential(const PointValues& values, const MetricRow& row,
                     metrics::ExponentialHistogramDataPoint* out) {
  out->set_count(values.count);
  out->set_sum(InUnits(values.sum, row));
  out->set_scale(values.scale);
  out->set_zero_count(values.zero_count);
  out->mutable_positive()->set_offset(values.offset);
  out->mutable_positive()->mutable_bucket_counts()->Add(values.exponential.begin(),
                                                        values.exponential.end());
}

// The index of a bucket after its resolution was halved `times` times.
int Halved(int index, int times) {
  constexpr int kAll = 31;
  return index >> std::min(times, kAll);
}

}  // namespace

PointValues ValuesOf(const SeriesPoint& point, bool exponential) {
  PointValues values;
  values.sum = point.sum;
  values.count = point.count;
  if (exponential && point.exponential) {
    values.scale = point.exponential->scale();
    values.offset = point.exponential->offset();
    values.zero_count = point.exponential->zero_count();
    values.exponential = point.exponential->Counts();
  } else {
    values.buckets = point.buckets;
  }
  return values;
}

PointValues ZeroLike(const PointValues& values) {
  PointValues zero;
  zero.buckets.resize(values.buckets.size());
  zero.scale = values.scale;
  return zero;
}

PointValues Difference(const PointValues& now, const PointValues& before) {
  PointValues gained = now;
  gained.sum -= before.sum;
  gained.count -= before.count;
  gained.zero_count -= before.zero_count;
  for (size_t i = 0; i < before.buckets.size(); ++i) gained.buckets[i] -= before.buckets[i];
  // A histogram's resolution only ever becomes coarser.
  const int halvings = before.scale - now.scale;
  for (size_t i = 0; i < before.exponential.size(); ++i) {
    const int index = Halved(before.offset + static_cast<int>(i), halvings);
    gained.exponential[static_cast<size_t>(index - now.offset)] -= before.exponential[i];
  }
  return gained;
}

void DescribeMetric(const MetricRow& row, Profile profile, const MetricSettings& settings,
                    bool exponential, metrics::Metric* metric) {
  const std::string_view name = MetricName(profile, row.metric);
  metric->set_name(name.data(), name.size());
  metric->set_unit(row.unit.data(), row.unit.size());
  metric->set_description(row.help.data(), row.help.size());
  const metrics::AggregationTemporality temporality =
      settings.temporality == Temporality::kDelta ? metrics::AGGREGATION_TEMPORALITY_DELTA
                                                  : metrics::AGGREGATION_TEMPORALITY_CUMULATIVE;
  switch (row.kind) {
    case MetricKind::kCounter:
      metric->mutable_sum()->set_is_monotonic(true);
      metric->mutable_sum()->set_aggregation_temporality(temporality);
      return;
    case MetricKind::kGauge:
      metric->mutable_gauge();
      return;
    case MetricKind::kHistogram:
      if (exponential) {
        metric->mutable_exponential_histogram()->set_aggregation_temporality(temporality);
      } else {
        metric->mutable_histogram()->set_aggregation_temporality(temporality);
      }
      return;
  }
}

size_t AddPoint(const SeriesPoint& series, const PointValues& values, const PointTimes& times,
                const Exemplar* exemplar, Profile profile, metrics::Metric* metric) {
  const MetricRow& row = RowOf(series.metric);
  const auto filled = [&](auto* point) {
    Fill(series, times, exemplar, profile, point);
    return point;
  };
  switch (metric->data_case()) {
    case metrics::Metric::kHistogram: {
      auto* point = filled(metric->mutable_histogram()->add_data_points());
      FillExplicit(values, row, point);
      return point->ByteSizeLong();
    }
    case metrics::Metric::kExponentialHistogram: {
      auto* point = filled(metric->mutable_exponential_histogram()->add_data_points());
      FillExponential(values, row, point);
      return point->ByteSizeLong();
    }
    default: {
      auto* point =
          filled(row.kind == MetricKind::kGauge ? metric->mutable_gauge()->add_data_points()
                                                : metric->mutable_sum()->add_data_points());
      SetNumber(values.sum, row, point);
      return point->ByteSizeLong();
    }
  }
}

}  // namespace sonde::exporter
