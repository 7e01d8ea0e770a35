#include "agent/export/otlp/metric_requests.h"

#include <algorithm>
#include <string_view>

#include "agent/export/metric_names.h"
#include "agent/export/otlp/span.h"

namespace sonde::exporter {
namespace {

namespace metrics = opentelemetry::proto::metrics::v1;

// Back ends keep milliseconds: two points in one of them would be one point.
constexpr int64_t kStepNs = 1'000'000;
// More than a series and what stands around it take.
constexpr size_t kRoomBytes = size_t{64} * 1024;
// Of the fields around one point.
constexpr size_t kPointOverhead = 8;

std::string_view ServiceOf(const SeriesPoint& point) {
  for (const auto& [attribute, value] : point.labels) {
    if (attribute == Attribute::kServiceName) return value;
  }
  return {};
}

}  // namespace

/// A request under construction. Points come ordered by metric.
class MetricRequests::Builder {
 public:
  explicit Builder(const Options& options) : options_(options) {}

  void Add(const SeriesPoint& point, const PointValues& values, const PointTimes& times,
           const Exemplar* exemplar) {
    bytes_ += kPointOverhead +
              AddPoint(point, values, times, exemplar, options_.profile, &MetricFor(point));
    ++batch_.points;
  }
  bool Full() const { return batch_.points > 0 && bytes_ + kRoomBytes > options_.request_bytes; }
  Batch Finish() { return std::move(batch_); }
  bool empty() const { return batch_.points == 0; }

 private:
  struct Service {
    metrics::ScopeMetrics* scope = nullptr;
    metrics::Metric* metric = nullptr;
    Metric of = Metric::kCalls;
  };

  metrics::Metric& MetricFor(const SeriesPoint& point) {
    Service& service = services_[std::string(ServiceOf(point))];
    if (service.scope == nullptr) service.scope = &AddScope(ServiceOf(point));
    if (service.metric == nullptr || service.of != point.metric) {
      service.metric = service.scope->add_metrics();
      service.of = point.metric;
      const bool exponential = options_.metrics.exponential && point.exponential.has_value();
      DescribeMetric(RowOf(point.metric), options_.profile, options_.metrics, exponential,
                     service.metric);
      bytes_ += kPointOverhead + service.metric->ByteSizeLong();
    }
    return *service.metric;
  }

  metrics::ScopeMetrics& AddScope(std::string_view service) {
    metrics::ResourceMetrics* resource = batch_.request.add_resource_metrics();
    ResourceOptions resource_options;
    resource_options.profile = options_.profile;
    // What belongs to no program is the agent's own.
    resource_options.service_name = service.empty() ? Scope().name() : std::string(service);
    resource_options.attributes = options_.resource_attributes;
    *resource->mutable_resource() = ToResource(nullptr, resource_options);
    metrics::ScopeMetrics* scope = resource->add_scope_metrics();
    *scope->mutable_scope() = Scope();
    const std::string_view schema = SchemaUrl(options_.profile);
    scope->set_schema_url(schema.data(), schema.size());
    bytes_ += kPointOverhead + resource->ByteSizeLong();
    return *scope;
  }

  const Options& options_;
  Batch batch_;
  std::map<std::string, Service> services_;
  size_t bytes_ = 0;
};

void MetricRequests::Begin(std::vector<SeriesPoint> points, int64_t unix_ns) {
  points_ = std::move(points);
  next_ = 0;
  without_zeros_to_.reset();
  sent_.clear();
  now_unix_ns_ = std::max(unix_ns, now_unix_ns_ + kStepNs);
}

std::optional<MetricRequests::Batch> MetricRequests::Next() {
  sent_.clear();
  Builder builder(options_);
  begin_ = next_;
  const size_t end = without_zeros_to_.value_or(points_.size());
  while (next_ < end && !builder.Full()) AddSeries(next_++, builder);
  if (builder.empty()) {
    points_ = {};
    return std::nullopt;
  }
  return builder.Finish();
}

// Strictly before this round's points, as its zero's time must be.
int64_t MetricRequests::StartOf(const SeriesPoint& point, const Known& known) const {
  if (known.accepted) return known.start_unix_ns;
  const int64_t latest = now_unix_ns_ - kStepNs;
  if (known.zero_refused) return latest;
  const int64_t oldest = delta() ? 0 : now_unix_ns_ - kOldestZeroNs;
  return std::clamp(point.born_unix_ns, oldest, latest);
}

void MetricRequests::AddSeries(size_t index, Builder& builder) {
  const SeriesPoint& point = points_[index];
  if (MetricName(options_.profile, point.metric).empty()) return;
  PointValues values = ValuesOf(point, options_.metrics.exponential);
  if (RowOf(point.metric).kind == MetricKind::kGauge) {
    builder.Add(point, values, {.time_unix_ns = now_unix_ns_}, nullptr);
    return;
  }
  const Known& known = known_[point.id];
  const int64_t start = StartOf(point, known);
  const bool zero = !delta() && !known.accepted && !(without_zeros_to_ && known.maybe_arrived);
  if (delta()) {
    values = Difference(values, known.values);
    if (values.sum == 0 && values.count == 0) return;
  }
  if (zero) {
    builder.Add(point, ZeroLike(values), {.start_unix_ns = start, .time_unix_ns = start}, nullptr);
  }
  // An example is told once.
  const bool example = point.exemplar && point.exemplar->unix_ns != known.exemplar_unix_ns;
  builder.Add(point, values, {.start_unix_ns = start, .time_unix_ns = now_unix_ns_},
              example ? &*point.exemplar : nullptr);
  sent_.push_back({index, start, zero});
}

void MetricRequests::Accepted() {
  for (const Sent& sent : sent_) {
    const SeriesPoint& point = points_[sent.index];
    Known& known = known_[point.id];
    known.accepted = true;
    known.start_unix_ns = delta() ? now_unix_ns_ : sent.start_unix_ns;
    if (point.exemplar) known.exemplar_unix_ns = point.exemplar->unix_ns;
    if (delta()) known.values = ValuesOf(point, options_.metrics.exponential);
  }
  sent_.clear();
  without_zeros_to_.reset();
}

void MetricRequests::Failed(bool maybe_arrived, bool refused) {
  bool zero_came_before = false;
  for (const Sent& sent : sent_) {
    Known& known = known_[points_[sent.index].id];
    known.maybe_arrived |= maybe_arrived && sent.zero;
    known.zero_refused |= refused && sent.zero;
    zero_came_before |= known.maybe_arrived && sent.zero;
  }
  sent_.clear();
  if (refused && zero_came_before && !without_zeros_to_) {
    without_zeros_to_ = next_;
    next_ = begin_;
  } else {
    without_zeros_to_.reset();
  }
}

}  // namespace sonde::exporter
