// Snapshots of the metrics as export requests, and what the collector has taken of them.
#ifndef SONDE_AGENT_EXPORT_OTLP_METRIC_REQUESTS_H_
#define SONDE_AGENT_EXPORT_OTLP_METRIC_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/export/metrics/registry.h"
#include "agent/export/names.h"
#include "agent/export/otlp/metric_points.h"
#include "agent/export/otlp/settings.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h"

namespace sonde::exporter {

/// Cumulative: until a series has been accepted once, a point with value zero at the series' birth
/// precedes its value in the same request, so that a back end that adds up increases gets the
/// whole. A zero that was refused moves up to its value: what a back end has from before the clock
/// went back may be newer. Delta: each point holds what was gained since the last accepted one,
/// however many exports failed in between; series without gain are left out. Gauges are sent as
/// they stand.
///
/// One round: Begin(), then Next() until there is nothing, with Accepted() or Failed() after each.
/// Not thread-safe.
class MetricRequests {
 public:
  using Request = opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;

  /// A zero is never older than this before its value: back ends refuse what is too old.
  static constexpr int64_t kOldestZeroNs = int64_t{30} * 60 * 1'000'000'000;

  struct Options {
    Profile profile = Profile::kSemconv141;
    MetricSettings metrics;
    std::vector<std::pair<std::string, std::string>> resource_attributes;
    size_t request_bytes = 0;  ///< No request is much larger.
  };
  struct Batch {
    Request request;
    uint64_t points = 0;  ///< Data points in it.
  };

  explicit MetricRequests(Options options) : options_(std::move(options)) {}

  /// `points` as they stand at the wall clock's `unix_ns`. Time in points never stands still or
  /// goes back, whatever the clock does. Forgets what is left of the round before.
  void Begin(std::vector<SeriesPoint> points, int64_t unix_ns);
  std::optional<Batch> Next();
  /// Of the batch that Next() made last.
  void Accepted();
  /// `maybe_arrived`: some attempt had no answer. `refused`: the collector's answer was final.
  void Failed(bool maybe_arrived, bool refused);

 private:
  /// What the collector knows of a series.
  struct Known {
    bool accepted = false;
    bool zero_refused = false;   ///< Or something else of its request.
    bool maybe_arrived = false;  ///< An attempt of a request with its zero had no answer.
    int64_t start_unix_ns = 0;   ///< Cumulative: its zero's time. Delta: its last point's.
    int64_t exemplar_unix_ns = 0;
    PointValues values;  ///< Delta: at its last accepted point.
  };
  struct Sent {
    size_t index = 0;  ///< In points_.
    int64_t start_unix_ns = 0;
    bool zero = false;
  };
  class Builder;

  int64_t StartOf(const SeriesPoint& point, const Known& known) const;
  bool delta() const { return options_.metrics.temporality == Temporality::kDelta; }
  void AddSeries(size_t index, Builder& builder);

  const Options options_;
  std::unordered_map<uint64_t, Known> known_;  ///< By the series' id; no gauges.
  std::vector<SeriesPoint> points_;
  size_t begin_ = 0;  ///< Of the last batch, in points_.
  size_t next_ = 0;
  /// A back end that wants points in order refuses a zero that came before, in a request whose
  /// answer was lost. So such a refusal is followed by the same batch without those zeros, to here.
  std::optional<size_t> without_zeros_to_;
  std::vector<Sent> sent_;  ///< Of the last batch; no gauges.
  int64_t now_unix_ns_ = 0;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_METRIC_REQUESTS_H_
