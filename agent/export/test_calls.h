// Hand-made calls for the tests of this room: each is what one kind of exchange leaves behind.
#ifndef SONDE_AGENT_EXPORT_TEST_CALLS_H_
#define SONDE_AGENT_EXPORT_TEST_CALLS_H_

#include "agent/calls/call.h"

namespace sonde::exporter {

calls::Call MakeOpenAiStream();     ///< Streamed, cached and thinking tokens, priced.
calls::Call MakeAnthropicCached();  ///< Not streamed, two cache writes, two tools, a parent span.
calls::Call MakeRateLimited();      ///< 429 with limits, second attempt.
calls::Call MakeEstimatedStream();  ///< No usage on the wire.
calls::Call MakeAborted();          ///< The client left in the middle of a stream.
calls::Call MakeBare();             ///< Nothing known but that it happened.
calls::Call MakeEverything();       ///< Every field set.

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_TEST_CALLS_H_
