// The kernel's counters of what it could not send.
#ifndef SONDE_AGENT_CAPTURE_LOSS_COUNTERS_H_
#define SONDE_AGENT_CAPTURE_LOSS_COUNTERS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "agent/events/event.h"
#include "bpf/include/sonde_abi.h"

namespace sonde::capture {

class LossCounters {
 public:
  /// Takes the map's descriptor and does not own it.
  explicit LossCounters(int map) : map_(map) {}

  /// Emits a Loss event for each cause that grew since the last call, if data may be missing by it.
  void Report(events::MonoNs now, events::EventSink* sink);

  /// By cause, since the start, as of the last report.
  std::map<std::string, uint64_t> totals() const;

 private:
  int map_;
  std::array<uint64_t, SONDE_LOSS_COUNT> seen_ = {};
};

/// How a cause is called in events and statistics.
const char* LossName(uint32_t cause);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_LOSS_COUNTERS_H_
