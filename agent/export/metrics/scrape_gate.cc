#include "agent/export/metrics/scrape_gate.h"

#include <algorithm>

namespace sonde::exporter {
namespace {

constexpr int64_t kMissedVisits = 3;  ///< After so many a reader is taken for gone.

}  // namespace

uint64_t ScrapeGate::Reveal(const std::string& reader, uint64_t newest, int64_t now_ns) {
  if (!readers_.contains(reader) && readers_.size() >= kMaxReaders) {
    readers_.erase(std::min_element(readers_.begin(), readers_.end(), [](auto& a, auto& b) {
      return a.second.last_ns < b.second.last_ns;
    }));
  }
  Reader& self = readers_[reader];
  const uint64_t saw_before = self.saw;
  if (self.last_ns != 0) self.interval_ns = std::max<int64_t>(now_ns - self.last_ns, 1);
  self.last_ns = now_ns;

  // Everybody who comes regularly must have seen the zero; the reader itself counts in any case.
  uint64_t everybody = saw_before;
  for (const auto& [name, other] : readers_) {
    if (&other == &self || other.interval_ns == 0) continue;
    if (now_ns - other.last_ns > kMissedVisits * other.interval_ns) continue;
    everybody = std::min(everybody, other.saw);
  }
  revealed_ = std::max(revealed_, everybody);
  self.saw = newest;
  return revealed_;
}

}  // namespace sonde::exporter
