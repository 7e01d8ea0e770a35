// What a back end that adds up increases makes of export requests. For tests.
#ifndef SONDE_AGENT_EXPORT_OTLP_RECEIVED_METRICS_H_
#define SONDE_AGENT_EXPORT_OTLP_RECEIVED_METRICS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/export/metric_names.h"
#include "agent/export/metrics/label_name.h"
#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"
#include "agent/export/otlp/test_support.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h"

namespace sonde::exporter {

/// Adds up, series by series, in the registry's units: of cumulative points the increases from one
/// to the next (what comes first counts nothing), of deltas themselves, of gauges the last. Notes
/// whatever a back end with a resolution of milliseconds would refuse or count wrongly.
class ReceivedMetrics {
 public:
  struct Total {
    int64_t sum = 0;
    uint64_t count = 0;
    std::vector<uint64_t> buckets;
    bool operator==(const Total&) const = default;
  };
  using Totals = std::map<std::string, Total>;

  explicit ReceivedMetrics(Profile profile) : profile_(profile) {}

  void Add(const MetricsRequest& request) {
    for (const auto& resource : request.resource_metrics()) {
      std::string service;
      for (const auto& attribute : resource.resource().attributes()) {
        if (attribute.key() == "service.name") service = attribute.value().string_value();
      }
      for (const auto& scope : resource.scope_metrics()) {
        for (const auto& metric : scope.metrics()) AddMetric(service, metric);
      }
    }
  }

  const Totals& totals() const { return totals_; }
  const std::vector<std::string>& faults() const { return faults_; }
  uint64_t points() const { return points_; }

  /// What should have come.
  static Totals Of(const std::vector<SeriesPoint>& points, Profile profile) {
    Totals totals;
    for (const SeriesPoint& point : points) {
      const MetricRow& row = RowOf(point.metric);
      if (MetricName(profile, point.metric).empty()) continue;
      std::string service = "sonde";
      std::set<std::string> labels;
      for (const auto& [attribute, value] : point.labels) {
        if (attribute == Attribute::kServiceName) {
          service = value;
        } else {
          labels.insert(std::string(LabelName(profile, row, attribute)) + "=" + value);
        }
      }
      totals[Key(service, std::string(MetricName(profile, point.metric)), labels)] = {
          point.sum, point.count, point.buckets};
    }
    return totals;
  }

 private:
  using ProtoMetric = opentelemetry::proto::metrics::v1::Metric;

  static std::string Key(const std::string& service, const std::string& name,
                         const std::set<std::string>& labels) {
    std::string key = service + " " + name;
    for (const std::string& label : labels) key += " " + label;
    return key;
  }

  int64_t Divisor(const std::string& name) const {
    for (size_t i = 0; i < kMetricCount; ++i) {
      const auto metric = static_cast<Metric>(i);
      if (MetricName(profile_, metric) == name) return RowOf(metric).divisor;
    }
    faults_.push_back("unknown metric " + name);
    return 1;
  }
  static int64_t ToInteger(double value, int64_t divisor) {
    return llroundl(static_cast<long double>(value) * static_cast<long double>(divisor));
  }

  void AddMetric(const std::string& service, const ProtoMetric& metric) {
    const int64_t divisor = Divisor(metric.name());
    const auto number = [&](const auto& point) {
      return Total{
          point.has_as_int() ? point.as_int() : ToInteger(point.as_double(), divisor), 0, {}};
    };
    const auto all = [&](const auto& data, bool gauge, bool delta, const auto& values) {
      for (const auto& point : data.data_points()) {
        std::set<std::string> labels;
        for (const auto& attribute : point.attributes()) {
          labels.insert(attribute.key() + "=" +
                        (attribute.value().has_int_value()
                             ? std::to_string(attribute.value().int_value())
                             : attribute.value().string_value()));
        }
        AddPoint(Key(service, metric.name(), labels), point.start_time_unix_nano(),
                 point.time_unix_nano(), values(point), gauge, delta);
      }
    };
    const auto is_delta = [](const auto& data) {
      return data.aggregation_temporality() ==
             opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_DELTA;
    };
    if (metric.has_gauge()) all(metric.gauge(), true, false, number);
    if (metric.has_sum()) all(metric.sum(), false, is_delta(metric.sum()), number);
    if (!metric.has_histogram()) return;
    all(metric.histogram(), false, is_delta(metric.histogram()), [&](const auto& point) {
      return Total{ToInteger(point.sum(), divisor),
                   point.count(),
                   {point.bucket_counts().begin(), point.bucket_counts().end()}};
    });
  }

  void AddPoint(const std::string& key, uint64_t start, uint64_t time, const Total& value,
                bool gauge, bool delta) {
    constexpr uint64_t kMillisecond = 1'000'000;
    ++points_;
    if (gauge) {
      totals_[key] = value;
      return;
    }
    const auto [found, is_new] = last_.try_emplace(key);
    Last& last = found->second;
    if (!is_new && time / kMillisecond <= last.time / kMillisecond) Fault(key, "goes back in time");
    if (start > time) Fault(key, "starts after its end");
    if (delta && !is_new && start != last.time) Fault(key, "leaves a gap or overlaps");
    if (!delta && !is_new && start != last.start) Fault(key, "changes its start");
    if (!delta && is_new && (value.sum != 0 || value.count != 0)) Fault(key, "begins above zero");
    Total gained = value;
    if (!delta && !is_new) {
      if (value.sum < last.value.sum || value.count < last.value.count) Fault(key, "falls");
      gained.sum -= last.value.sum;
      gained.count -= last.value.count;
      for (size_t i = 0; i < gained.buckets.size(); ++i) gained.buckets[i] -= last.value.buckets[i];
    }
    Total& total = totals_[key];
    total.sum += gained.sum;
    total.count += gained.count;
    total.buckets.resize(gained.buckets.size());
    for (size_t i = 0; i < gained.buckets.size(); ++i) total.buckets[i] += gained.buckets[i];
    last = {start, time, value};
  }
  void Fault(const std::string& key, const std::string& what) {
    faults_.push_back(key + " " + what);
  }

  struct Last {
    uint64_t start = 0;
    uint64_t time = 0;
    Total value;
  };

  const Profile profile_;
  std::map<std::string, Last> last_;
  Totals totals_;
  mutable std::vector<std::string> faults_;
  uint64_t points_ = 0;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_RECEIVED_METRICS_H_
