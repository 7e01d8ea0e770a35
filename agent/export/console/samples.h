// A bounded set of durations for percentiles.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_SAMPLES_H_
#define SONDE_AGENT_EXPORT_CONSOLE_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sonde::exporter::console {

/// Exact up to kLimit values; beyond it a uniform sample of that many (Vitter's algorithm R), drawn
/// with a fixed seed so that a replay prints the same.
class Samples {
 public:
  static constexpr size_t kLimit = 16384;

  void Add(uint64_t value);
  /// Those of two sets; when `other` is a sample, an approximation.
  void Add(const Samples& other);
  uint64_t count() const { return count_; }
  bool exact() const { return count_ <= kLimit; }
  /// Nearest rank: the smallest value that at least `percent` of the values do not exceed.
  std::optional<uint64_t> Percentile(unsigned percent) const;

 private:
  uint64_t Random();

  std::vector<uint64_t> values_;
  uint64_t count_ = 0;
  uint64_t state_ = 0x9e3779b97f4a7c15;
};

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_SAMPLES_H_
