// Counts of values by size: in given buckets, and in exponential ones.
#ifndef SONDE_AGENT_EXPORT_METRICS_HISTOGRAM_H_
#define SONDE_AGENT_EXPORT_METRICS_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace sonde::exporter {

/// Base-2 exponential buckets as OTLP has them: bucket i holds (2^(i/2^scale), 2^((i+1)/2^scale)].
/// Begins at the finest scale and halves its resolution when more than kMaxBuckets would be needed.
class ExponentialBuckets {
 public:
  static constexpr int kFinestScale = 20;  ///< Of the specification.
  static constexpr size_t kMaxBuckets = 160;

  /// `value` must be finite; what is not positive counts as zero.
  void Add(double value, uint64_t times);

  int scale() const { return scale_; }
  uint64_t zero_count() const { return zero_count_; }
  /// Index of the first of `counts()`; 0 without any.
  int offset() const { return counts_.empty() ? 0 : counts_.begin()->first; }
  /// One count for each index from offset() to the last one that is not empty.
  std::vector<uint64_t> Counts() const;

 private:
  int Index(double value) const;
  void Halve();

  int scale_ = kFinestScale;
  uint64_t zero_count_ = 0;
  std::map<int, uint64_t> counts_;
};

/// The bucket of `value` among upper bounds: the first bound that is not below it, or
/// bounds.size().
size_t BucketOf(std::span<const double> bounds, double value);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_HISTOGRAM_H_
