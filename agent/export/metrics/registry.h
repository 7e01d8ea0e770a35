// Every metric's series, with exact sums. What scrapes and exports read.
#ifndef SONDE_AGENT_EXPORT_METRICS_REGISTRY_H_
#define SONDE_AGENT_EXPORT_METRICS_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/calls/call.h"
#include "agent/export/metric_names.h"
#include "agent/export/metrics/histogram.h"
#include "agent/export/names.h"

namespace sonde::exporter {

/// Label values longer than this are cut.
inline constexpr size_t kLabelBytes = 128;
/// What values beyond a limit become.
inline constexpr std::string_view kOther = "_other";

/// Attributes with their values; equal sets in another order are other series, so callers keep one
/// order. Empty values are left out.
using Labels = std::vector<std::pair<Attribute, std::string>>;

/// A trace that belongs to a value.
struct Exemplar {
  calls::TraceId trace_id{};
  calls::SpanId span_id{};
  int64_t value = 0;  ///< In 1/divisor of the metric's unit.
  int64_t unix_ns = 0;
};

/// One series as it stood at one moment.
struct SeriesPoint {
  uint64_t id = 0;  ///< In the order of birth, from 1.
  Metric metric = Metric::kCalls;
  Labels labels;
  int64_t born_unix_ns = 0;
  int64_t sum = 0;  ///< A counter's or gauge's value; of a histogram the sum of its values.
  uint64_t count = 0;
  std::vector<uint64_t> buckets;  ///< Of the row's bounds, and one more for what is above.
  std::optional<ExponentialBuckets> exponential;
  std::optional<Exemplar> exemplar;
};

/// Thread-safe. Counters only grow and series are never removed: a reader that adds up increases
/// gets the whole.
class Registry {
 public:
  struct Limits {
    size_t series = 10000;     ///< Of one metric; a new set of labels beyond it folds.
    size_t values = 500;       ///< Different values of one label that the wire chooses.
    bool exponential = false;  ///< Also keep exponential buckets.
  };
  explicit Registry(const Limits& limits) : limits_(limits) {}

  /// Adds to a counter; nothing for a negative amount. Adding 0 makes the series exist.
  void Add(Metric metric, Labels labels, int64_t amount, int64_t unix_ns,
           const Exemplar* exemplar = nullptr);
  /// Sets a gauge, or a counter that is kept elsewhere and never falls (a fall is ignored).
  void Set(Metric metric, Labels labels, int64_t value, int64_t unix_ns);
  /// Counts `value` in a histogram, `times` times.
  void Observe(Metric metric, Labels labels, int64_t value, int64_t unix_ns,
               const Exemplar* exemplar = nullptr, uint64_t times = 1);
  /// Takes away what a gauge said, for gauges whose things are gone (a process that ended).
  void Forget(Metric metric, const Labels& labels);

  /// All series, ordered by metric and then by birth.
  std::vector<SeriesPoint> Collect() const;
  size_t size() const;
  uint64_t folded_values() const;
  uint64_t folded_series() const;

 private:
  using Table = std::map<std::string, std::unique_ptr<SeriesPoint>>;

  SeriesPoint* Find(Metric metric, Labels labels, int64_t unix_ns);
  void Fold(Labels& labels);

  const Limits limits_;
  mutable std::mutex mutex_;
  Table tables_[kMetricCount];
  std::map<Attribute, std::set<std::string>> values_;  ///< Those that were let through.
  size_t size_ = 0;
  uint64_t next_id_ = 1;
  uint64_t folded_values_ = 0;
  uint64_t folded_series_ = 0;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_REGISTRY_H_
