// Trace and span ids that a replay repeats.
#ifndef SONDE_AGENT_CALLS_IDS_H_
#define SONDE_AGENT_CALLS_IDS_H_

#include <cstdint>
#include <string>

#include "agent/calls/call.h"

namespace sonde::calls {

struct CallIds {
  TraceId trace{};
  SpanId span{};
};

/// A function of the run's seed and the call's number: SHA-256 over both. Never all zero. Distinct
/// seeds give unrelated ids, so a run's seed must be random and is kept with a capture.
CallIds MakeIds(const std::string& seed, uint64_t number);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_IDS_H_
