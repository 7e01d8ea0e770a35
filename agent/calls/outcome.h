// How a call ended, from what was seen of its exchange and its connection.
#ifndef SONDE_AGENT_CALLS_OUTCOME_H_
#define SONDE_AGENT_CALLS_OUTCOME_H_

#include <cstdint>
#include <optional>

#include "agent/calls/call.h"
#include "agent/calls/headers.h"
#include "agent/events/event.h"
#include "decoders/wire/http.h"

namespace sonde::calls {

/// Who ended the connection under an exchange that was not over.
enum class EndedBy : uint8_t {
  kNobody,      ///< It is open, or ended after the exchange.
  kLocal,       ///< The process closed it, or shut its side down, before the peer ended.
  kPeer,        ///< End of file, reset or error from the peer or the path.
  kEvicted,     ///< Sonde gave it up to stay within a bound.
  kDeselected,  ///< Sonde was told to look away.
  kFinish,      ///< Capture ended.
};

struct Ending {
  EndedBy by = EndedBy::kNobody;
  events::MonoNs ns = 0;                        ///< When, by that.
  std::optional<wire::MessageEnd> request_end;  ///< Absent: it never ended.
  std::optional<wire::MessageEnd> response_end;
  events::MonoNs response_end_ns = 0;  ///< Of the read that ended it.
  events::MonoNs last_byte_ns = 0;     ///< Newest byte of either side.
  StatedTimeouts timeouts;             ///< How long the client said it waits.
  /// When the connection opened, if the call is its first one; else 0.
  events::MonoNs opened_ns = 0;
  bool mid_stream = false;
  bool no_request = false;  ///< The reply was met alone, maybe in its middle.
  bool order_unknown = false;
  bool garbled_usage = false;       ///< Its usage could not be true.
  bool unsupported_coding = false;  ///< Of the request's or the reply's body.
};

/// What a client's total timeout may be off by: resolving and connecting before, its timers after.
inline constexpr uint64_t kTimeoutSlackNs = 250'000'000;

/// Sets end_ns, error, error_type, error_message, client_aborted and incomplete of a call whose
/// facts are filled in. The rules:
///
/// - The provider's own error, or its status, names the class whatever happened after it.
/// - A reply is over when its framing says so, or when its dialect's terminal event, or its finish
///   reasons (one for each choice asked for) together with whole usage, were seen: a client that
///   closes then has not aborted.
/// - Closed by the process before that: kTimeout if the client had said how long it waits and has
///   waited so long, else kClientAbort. A time between bytes is counted from the newest byte; a
///   time in all from the connection's opening if the call is its first, else from its start. The
///   latter is stated in whole seconds and begins before the connection does, so an end
///   kTimeoutSlackNs too early to one second and kTimeoutSlackNs too late still is that timeout.
///   Ended by the peer: kNetwork.
/// - A hole in a large request is usual (events::Data::after_gap) and hides nothing of the bill
/// when
///   the reply states the usage and one of the two the model; else the call is marked with kHole,
///   as for any hole in the reply.
/// - Bounds and the end of capture are no errors of the call; they make it incomplete.
void Judge(const Ending& ending, Call& call);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_OUTCOME_H_
