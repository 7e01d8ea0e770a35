#include "agent/calls/outcome.h"

#include <algorithm>

#include "agent/calls/errors.h"

namespace sonde::calls {
namespace {

using wire::MessageEnd;

constexpr int kFirstErrorStatus = 400;

void Mark(Call& call, Incomplete reason) {
  if (!call.has_incomplete(reason)) call.incomplete.push_back(reason);
}

/// Choices end one by one; as many were asked for as the request says.
bool EveryChoiceFinished(const Call& call) {
  const int64_t asked = std::max<int64_t>(call.request.choice_count.value_or(1), 1);
  return static_cast<int64_t>(call.response.finish_reasons.size()) >= asked;
}

/// The dialect saw the whole reply, however the connection ended afterwards.
bool DialectIsDone(const Call& call) {
  const dialects::ResponseFacts& facts = call.response;
  if (facts.terminal_seen) return true;
  return !facts.usage.empty() && !facts.usage_is_partial && EveryChoiceFinished(call);
}

bool FramingIsWhole(const Ending& ending) { return ending.response_end == MessageEnd::kComplete; }

/// A stream whose body ended in good form without its terminal event was cut as well: its framing
/// may be the end of the connection.
bool IsOver(const Ending& ending, const Call& call) {
  const bool needs_terminal = call.response.is_stream && call.http_status < kFirstErrorStatus;
  if (DialectIsDone(call)) return true;
  return FramingIsWhole(ending) &&
         (!needs_terminal || call.response.error.present || EveryChoiceFinished(call));
}

events::MonoNs EndTime(const Ending& ending, const Call& call, bool over) {
  // A body that only the process's own close delimits ended with its last event or byte.
  const bool by_close = ending.by == EndedBy::kLocal && ending.response_end_ns >= ending.ns;
  if (FramingIsWhole(ending) && !by_close) return ending.response_end_ns;
  if (over && call.response.terminal) return call.response.terminal->end_ns;
  if (over && ending.last_byte_ns != 0) return ending.last_byte_ns;
  if (ending.by != EndedBy::kNobody) return ending.ns;
  return ending.response_end_ns != 0 ? ending.response_end_ns : ending.last_byte_ns;
}

bool WaitedAsLongAsStated(const Ending& ending, const Call& call) {
  constexpr uint64_t kSecond = 1'000'000'000;
  const auto waited_since = [&ending](events::MonoNs since) {
    return ending.ns > since ? ending.ns - since : 0;
  };
  const StatedTimeouts& stated = ending.timeouts;
  if (stated.read_ns &&
      waited_since(std::max(ending.last_byte_ns, call.start_ns)) >= *stated.read_ns) {
    return true;
  }
  const bool timer_ended = stated.streams_until_head && call.http_status != 0 &&
                           (call.request.stream || call.response.is_stream);
  if (!stated.total_ns || timer_ended) return false;
  const auto fits = [&](events::MonoNs since) {
    const uint64_t waited = waited_since(since);
    return waited + kTimeoutSlackNs >= *stated.total_ns &&
           waited <= *stated.total_ns + kSecond + kTimeoutSlackNs;
  };
  // A connection that was opened ahead of its first call says nothing about the call's timer.
  return fits(call.start_ns) || (ending.opened_ns != 0 && fits(ending.opened_ns));
}

/// The exchange was not over when its connection ended.
void JudgeCut(const Ending& ending, Call& call) {
  switch (ending.by) {
    case EndedBy::kEvicted:
      Mark(call, Incomplete::kEvicted);
      return;
    case EndedBy::kDeselected:
      Mark(call, Incomplete::kDeselected);
      return;
    case EndedBy::kFinish:
      Mark(call, Incomplete::kOpenAtEnd);
      return;
    case EndedBy::kLocal:
      // The status is the answer: an SDK that is about to retry leaves the error's body unread.
      if (call.http_status >= kFirstErrorStatus) return;
      if (call.error == ErrorClass::kNone) {
        const bool timeout = WaitedAsLongAsStated(ending, call);
        call.error = timeout ? ErrorClass::kTimeout : ErrorClass::kClientAbort;
      }
      call.client_aborted = call.error == ErrorClass::kClientAbort;
      break;
    case EndedBy::kPeer:
      if (call.error == ErrorClass::kNone) call.error = ErrorClass::kNetwork;
      break;
    case EndedBy::kNobody:
      break;
  }
  Mark(call, call.http_status == 0 ? Incomplete::kNoResponse : Incomplete::kTruncated);
}

/// What a hole in the request hid is needed: the model, or text to estimate from.
bool RequestHoleMatters(const Call& call) {
  if (!call.request.body_has_gap) return false;
  if (call.request.model.empty() && call.response.model.empty()) return true;
  const dialects::TextStats& text = call.response.text;
  return call.response.usage.empty() && text.ascii_bytes + text.wide_characters > 0;
}

void MarkWhatWasNotSeen(const Ending& ending, bool over, Call& call) {
  const auto either = [&ending](MessageEnd end) {
    return ending.request_end == end || ending.response_end == end;
  };
  if (call.response.has_gap || RequestHoleMatters(call) || either(MessageEnd::kHole)) {
    Mark(call, Incomplete::kHole);
  }
  // The body of an error or a redirection may be anything, a proxy's HTML for one.
  const bool malformed = call.response.malformed && over && call.http_status / 100 == 2;
  if (malformed || either(MessageEnd::kGarbled) || ending.garbled_usage) {
    Mark(call, Incomplete::kGarbled);
  }
  if (ending.unsupported_coding) Mark(call, Incomplete::kUnsupportedCoding);
  if (ending.no_request) Mark(call, Incomplete::kNoRequest);
  if (ending.mid_stream) Mark(call, Incomplete::kMidStream);
  if (ending.order_unknown) Mark(call, Incomplete::kOrderUnknown);
}

}  // namespace

void Judge(const Ending& ending, Call& call) {
  call.error = Classify(call.http_status, call.response.error);
  const bool over = call.http_status != 0 && IsOver(ending, call);
  call.end_ns = std::max(EndTime(ending, call, over), call.start_ns);
  // A hole or garbage ends a message without anyone having cut it.
  const bool lost =
      ending.response_end == MessageEnd::kHole || ending.response_end == MessageEnd::kGarbled;
  if (!over && !(lost && call.http_status != 0)) JudgeCut(ending, call);
  MarkWhatWasNotSeen(ending, over, call);
  if (call.error == ErrorClass::kNone) return;
  call.error_type = ErrorType(call.http_status, call.response.error, call.error);
  call.error_message = call.response.error.message;
}

}  // namespace sonde::calls
