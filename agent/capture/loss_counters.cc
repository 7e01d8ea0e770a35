#include "agent/capture/loss_counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <vector>

namespace sonde::capture {

const char* LossName(uint32_t cause) {
  switch (cause) {
    case SONDE_LOSS_RING_DATA:
      return "ring_full_data";
    case SONDE_LOSS_RING_EVENT:
      return "ring_full_event";
    case SONDE_LOSS_READ:
      return "memory_unreadable";
    case SONDE_LOSS_CONNECTIONS:
      return "connection_table_full";
    case SONDE_LOSS_PROCESSES:
      return "process_table_full";
    case SONDE_LOSS_IN_FLIGHT:
      return "invocation_table_full";
    case SONDE_LOSS_STALE:
      return "connection_reused_inside_call";
    case SONDE_LOSS_VECTOR:
      return "vector_too_long";
    case SONDE_LOSS_NAME:
      return "server_name_unreadable";
    default:
      return "unknown";
  }
}

void LossCounters::Report(events::MonoNs now, events::EventSink* sink) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return;
  std::vector<uint64_t> values(static_cast<size_t>(cpus));
  for (uint32_t cause = 0; cause < SONDE_LOSS_COUNT; ++cause) {
    if (bpf_map_lookup_elem(map_, &cause, values.data()) != 0) continue;
    uint64_t total = 0;
    for (const uint64_t value : values) total += value;
    if (total <= seen_[cause]) continue;
    // A name is no data: the bill is whole without it.
    if (cause != SONDE_LOSS_NAME) {
      sink->OnEvent(events::Loss{LossName(cause), total - seen_[cause], now});
    }
    seen_[cause] = total;
  }
}

std::map<std::string, uint64_t> LossCounters::totals() const {
  std::map<std::string, uint64_t> totals;
  for (uint32_t cause = 0; cause < SONDE_LOSS_COUNT; ++cause) {
    totals.emplace(LossName(cause), seen_[cause]);
  }
  return totals;
}

}  // namespace sonde::capture
