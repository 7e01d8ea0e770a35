#include "agent/export/console/samples.h"

#include <algorithm>

namespace sonde::exporter::console {

uint64_t Samples::Random() {
  // splitmix64.
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void Samples::Add(uint64_t value) {
  ++count_;
  if (values_.size() < kLimit) {
    values_.push_back(value);
    return;
  }
  const uint64_t slot = Random() % count_;
  if (slot < kLimit) values_[slot] = value;
}

void Samples::Add(const Samples& other) {
  for (uint64_t value : other.values_) Add(value);
  count_ += other.count_ - other.values_.size();
}

std::optional<uint64_t> Samples::Percentile(unsigned percent) const {
  if (values_.empty()) return std::nullopt;
  std::vector<uint64_t> sorted = values_;
  const size_t rank = std::clamp<size_t>((sorted.size() * percent + 99) / 100, 1, sorted.size());
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return *nth;
}

}  // namespace sonde::exporter::console
