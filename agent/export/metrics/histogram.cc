#include "agent/export/metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sonde::exporter {

int ExponentialBuckets::Index(double value) const {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent
  // A power of two belongs to the bucket that it closes: bounds are upper-inclusive.
  if (scale_ <= 0) {
    const int power = fraction == 0.5 ? exponent - 2 : exponent - 1;
    return power >> -scale_;
  }
  if (fraction == 0.5) return ((exponent - 1) << scale_) - 1;
  const double steps = std::ldexp(std::log2(value), scale_);
  return static_cast<int>(std::ceil(steps)) - 1;
}

void ExponentialBuckets::Add(double value, uint64_t times) {
  if (times == 0) return;
  if (!(value > 0)) {
    zero_count_ += times;
    return;
  }
  for (;;) {
    const int index = Index(value);
    const int least = counts_.empty() ? index : std::min(index, counts_.begin()->first);
    const int most = counts_.empty() ? index : std::max(index, counts_.rbegin()->first);
    if (static_cast<size_t>(most - least) < kMaxBuckets) {
      counts_[index] += times;
      return;
    }
    Halve();
  }
}

void ExponentialBuckets::Halve() {
  --scale_;
  std::map<int, uint64_t> wider;
  for (const auto& [index, count] : counts_) wider[index >> 1] += count;
  counts_ = std::move(wider);
}

std::vector<uint64_t> ExponentialBuckets::Counts() const {
  if (counts_.empty()) return {};
  std::vector<uint64_t> out(static_cast<size_t>(counts_.rbegin()->first - offset() + 1));
  for (const auto& [index, count] : counts_) out[static_cast<size_t>(index - offset())] = count;
  return out;
}

size_t BucketOf(std::span<const double> bounds, double value) {
  return static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                             bounds.begin());
}

}  // namespace sonde::exporter
