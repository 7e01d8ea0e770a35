// The caller's trace context on a request (W3C Trace Context, level 1 and 2).
#ifndef SONDE_AGENT_CALLS_TRACE_CONTEXT_H_
#define SONDE_AGENT_CALLS_TRACE_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/calls/call.h"
#include "decoders/wire/http.h"

namespace sonde::calls {

struct TraceContext {
  TraceId trace_id{};
  SpanId parent_span_id{};
  uint8_t flags = 0;  ///< Only the bits this version defines: sampled, random.
  std::string state;
};

/// A `traceparent` value; absent when it is not valid (section 3.2: lower case, no zero ids,
/// version ff forbidden, later versions may carry more).
std::optional<TraceContext> ParseTraceParent(std::string_view value);

/// Of a request's headers. Two `traceparent` headers are as none; `tracestate` headers are joined
/// and dropped beyond 512 bytes.
std::optional<TraceContext> FindTraceContext(const std::vector<wire::Header>& headers);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_TRACE_CONTEXT_H_
