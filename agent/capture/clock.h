// Clocks, for this room only: what lies behind it takes time from events.
#ifndef SONDE_AGENT_CAPTURE_CLOCK_H_
#define SONDE_AGENT_CAPTURE_CLOCK_H_

#include <cstdint>
#include <ctime>

#include "agent/events/event.h"

namespace sonde::capture {

inline uint64_t ClockNs(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns.
inline uint64_t MonotonicNs() { return ClockNs(CLOCK_MONOTONIC); }

/// Wall clock against monotonic clock; of a few tries the one that took least.
inline events::ClockOffset SampleClockOffset() {
  constexpr int kTries = 5;
  events::ClockOffset best;
  uint64_t width = ~0ULL;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = MonotonicNs();
    const uint64_t wall = ClockNs(CLOCK_REALTIME);
    const uint64_t after = MonotonicNs();
    if (after - before >= width) continue;
    width = after - before;
    best.ns = after;
    best.wall_minus_mono_ns = static_cast<int64_t>(wall - (before + width / 2));
  }
  return best;
}

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_CLOCK_H_
