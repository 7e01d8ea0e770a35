#include "agent/calls/call_tracker.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/calls/billing.h"
#include "agent/calls/headers.h"
#include "agent/calls/ids.h"
#include "agent/calls/outcome.h"
#include "agent/calls/trace_context.h"
#include "decoders/dialects/dialect.h"

namespace sonde::calls {
namespace {

constexpr size_t kLongestUserAgent = 256;
constexpr size_t kLoneBytes = size_t{4} * 1024;  // Enough to tell whose reply it is.
constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kHttpPort = 80;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

EndedBy WhoEnded(const flow::ConnectionView& connection) {
  if (connection.local_ended_first()) return EndedBy::kLocal;
  if (connection.peer_end) return EndedBy::kPeer;
  if (connection.flow_end == flow::FlowEnd::kEvicted) return EndedBy::kEvicted;
  if (connection.flow_end == flow::FlowEnd::kDeselected) return EndedBy::kDeselected;
  if (connection.flow_end == flow::FlowEnd::kFinish) return EndedBy::kFinish;
  return EndedBy::kNobody;
}

events::MonoNs WhenEnded(const flow::ConnectionView& connection, EndedBy by, events::MonoNs now) {
  if (by == EndedBy::kLocal) return connection.local_end_ns;
  if (by == EndedBy::kPeer) return connection.peer_end->ns;
  return now;
}

}  // namespace

struct CallTracker::OpenCall {
  Call call;
  uint64_t exchange = 0;
  ConnectionCalls* owner = nullptr;
  std::unique_ptr<dialects::ExchangeReader> reader;
  std::shared_ptr<const pricing::PriceBook> book;
  Ending ending;
  std::vector<wire::Header> billing_headers;  // Of the request, for the scope only.
  Credential credential = Credential::kNone;
  std::optional<uint32_t> stated_retry;
  bool plan_limits = false;
  bool request_coded = false;    // Under a content coding: gaps in it are of unknown length.
  bool request_hidden = false;   // Under one that is not decoded, like
  bool response_hidden = false;  // the reply.
  uint64_t request_gap_bytes = 0;
  uint64_t unmatched_before = 0;   // Bytes of the connection that belonged to nobody so far.
  events::MonoNs gives_up_ns = 0;  // Waiting for the request's end until then; 0 when not.
};

/// The calls under way on one connection, oldest first; lives with it.
struct CallTracker::ConnectionCalls final : public flow::Attachment {
  std::vector<std::unique_ptr<OpenCall>> calls;
  // A reply whose request was not seen, until its bytes say what it is.
  std::optional<wire::ResponseHead> lone_head;
  std::string lone_bytes;
  wire::Stamp lone_first;
};

CallTracker::CallTracker(const TrackerLimits& limits, std::string seed,
                         std::shared_ptr<const pricing::PriceBook> book, ProcessTable* processes,
                         CallSink* sink)
    : limits_(limits),
      seed_(std::move(seed)),
      book_(std::move(book)),
      processes_(processes),
      sink_(sink),
      retries_(limits.retry_bodies) {}

CallTracker::~CallTracker() = default;

void CallTracker::OnClockOffset(const events::ClockOffset& event) {
  clock_known_ = true;
  wall_minus_mono_ns_ = event.wall_minus_mono_ns;
}

void CallTracker::Advance(events::MonoNs now) {
  now_ = std::max(now_, now);
  while (!waiting_.empty() && waiting_.begin()->first <= now_) {
    Complete(nullptr, *open_.at(waiting_.begin()->second));
  }
}

TrackerStats CallTracker::stats() const {
  TrackerStats stats = stats_;
  stats.retries_forgotten = retries_.evicted();
  stats.open_calls = open_.size();
  for (const auto& [number, open] : open_) {
    stats.memory_bytes += sizeof(OpenCall) + open->reader->MemoryBytes();
  }
  return stats;
}

CallTracker::OpenCall* CallTracker::Find(const flow::ConnectionView& connection,
                                         uint64_t exchange) {
  auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());
  if (calls == nullptr) return nullptr;
  for (const std::unique_ptr<OpenCall>& open : calls->calls) {
    if (open->exchange != exchange) continue;
    open->ending.order_unknown |= connection.order_unknown;
    return open.get();
  }
  return nullptr;
}

// ---- The request.

void CallTracker::OnRequestHead(const flow::ConnectionView& connection, uint64_t exchange,
                                const wire::RequestHead& head, wire::Stamp stamp) {
  ++stats_.exchanges;
  auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());
  // A next request on the connection: those before it are out.
  for (size_t i = 0; calls != nullptr && i < calls->calls.size();) {
    OpenCall& open = *calls->calls[i];
    if (open.gives_up_ns != 0) {
      Complete(nullptr, open);  // Takes it out of the list.
    } else {
      ++i;
    }
  }
  if (const dialects::Dialect* dialect = dialects::Recognize(head)) {
    Open(connection, exchange, *dialect, head, stamp);
  }
}

CallTracker::OpenCall* CallTracker::Open(const flow::ConnectionView& connection, uint64_t exchange,
                                         const dialects::Dialect& dialect,
                                         const wire::RequestHead& head, wire::Stamp stamp) {
  if (open_.size() >= std::max<size_t>(limits_.open_calls, 1)) EvictFirst();
  if (!connection.attachment) connection.attachment = std::make_unique<ConnectionCalls>();
  auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());

  auto open = std::make_unique<OpenCall>();
  open->exchange = exchange;
  open->owner = calls;
  open->reader = dialect.open(head);
  open->book = book_;
  open->ending.last_byte_ns = stamp.end_ns;
  open->ending.order_unknown = connection.order_unknown;
  open->unmatched_before = connection.unmatched_bytes;
  Call& call = open->call;
  call.number = next_number_++;
  call.dialect = dialect.name;
  call.operation = dialect.operation;
  call.api_type = dialect.api_type;
  call.start_ns = stamp.begin_ns;
  call.request_end_ns = stamp.end_ns;
  if (clock_known_) {
    call.start_unix_ns = static_cast<int64_t>(stamp.begin_ns) + wall_minus_mono_ns_;
  }
  Place(connection, head, *open);
  open->request_coded = !wire::FindHeader(head.headers, "content-encoding").empty();
  open->request_hidden = !head.unsupported_coding.empty();
  if (open->request_hidden) NoticeCoding(*open, head.unsupported_coding);
  open_.emplace(call.number, open.get());
  calls->calls.push_back(std::move(open));
  return calls->calls.back().get();
}

/// A reply whose request went out before the connection was met: its bytes say whose it is.
void CallTracker::RecognizeLone(const flow::ConnectionView& connection, std::string_view bytes,
                                wire::Stamp stamp) {
  auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());
  if (calls == nullptr || !calls->lone_head) return;
  if (calls->lone_bytes.empty()) calls->lone_first = stamp;
  calls->lone_bytes.append(bytes);
  const dialects::Dialect* dialect = dialects::RecognizeReply(calls->lone_bytes);
  if (dialect == nullptr && calls->lone_bytes.size() < kLoneBytes) return;
  const wire::ResponseHead head = *std::exchange(calls->lone_head, std::nullopt);
  const std::string begin = std::exchange(calls->lone_bytes, {});
  if (dialect == nullptr) return;
  OpenCall* open = Open(connection, flow::kLoneExchange, *dialect, {}, calls->lone_first);
  open->ending.no_request = true;
  open->reader->RequestEnd(wire::MessageEnd::kHole);
  open->ending.request_end = wire::MessageEnd::kComplete;  // Nothing more is waited for.
  OnResponseHead(connection, flow::kLoneExchange, head, calls->lone_first);
  OnResponseBody(connection, flow::kLoneExchange, begin, stamp);
}

/// Who, where, whose, under which trace: all that the request's head says.
void CallTracker::Place(const flow::ConnectionView& connection, const wire::RequestHead& head,
                        OpenCall& open) {
  Call& call = open.call;
  const CallIds ids = MakeIds(seed_, call.number);
  call.trace_id = ids.trace;
  call.span_id = ids.span;
  if (const std::optional<TraceContext> parent = FindTraceContext(head.headers)) {
    call.trace_id = parent->trace_id;
    call.parent_span_id = parent->parent_span_id;
    call.trace_flags = parent->flags;
    call.trace_state = parent->state;
  }
  call.process = processes_->Get(connection.id.process);
  call.tid = connection.tid;
  call.connection = connection.id;
  call.method = head.method;
  call.path = PathOf(head.target);
  call.user_agent = wire::FindHeader(head.headers, "user-agent").substr(0, kLongestUserAgent);

  const bool tls = connection.id.transport == events::Transport::kTls;
  HostPort host = SplitAuthority(head.authority);
  if (host.host.empty()) host.host = connection.server_name;
  if (host.host.empty()) host = HostPort{connection.peer_address, connection.peer_port};
  if (host.port == 0) host.port = tls ? kHttpsPort : kHttpPort;
  call.server_address = host.host;
  call.server_port = host.port;
  call.biller = open.book->ProviderForHost(host.host, host.port);
  if (call.biller.empty() && !connection.server_name.empty()) {
    call.biller = open.book->ProviderForHost(connection.server_name, host.port);
  }
  if (call.biller.empty() && !connection.peer_address.empty()) {
    call.biller = open.book->ProviderForHost(connection.peer_address, connection.peer_port);
  }
  // A dialect is no biller: an unknown host that speaks OpenAI's is "openai-compatible".
  if (call.biller.empty()) {
    call.provider = std::string(call.dialect.substr(0, call.dialect.find('.'))) + "-compatible";
  } else {
    call.provider = open.book->SemconvName(call.biller);
  }

  open.credential = CredentialKind(head.headers);
  open.stated_retry = StatedRetryCount(head.headers);
  open.ending.timeouts = ReadStatedTimeouts(head.headers);
  if (open.exchange == 0 && !connection.mid_stream) open.ending.opened_ns = connection.opened_ns;
  for (const wire::Header& header : head.headers) {
    const bool scope = StartsWith(header.name, "openai-organization") ||
                       StartsWith(header.name, "openai-project") ||
                       StartsWith(header.name, "anthropic-workspace");
    if (scope) open.billing_headers.push_back(header);
  }
}

void CallTracker::OnRequestBody(const flow::ConnectionView& connection, uint64_t exchange,
                                std::string_view bytes, wire::Stamp stamp) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr) return;
  open->call.request_end_ns = stamp.end_ns;
  open->ending.last_byte_ns = std::max(open->ending.last_byte_ns, stamp.end_ns);
  open->reader->RequestBody(bytes);
}

void CallTracker::OnRequestGap(const flow::ConnectionView& connection, uint64_t exchange,
                               uint64_t length) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr || open->request_hidden) return;
  open->reader->RequestGap(length);
  if (!open->request_coded) open->request_gap_bytes += length;
}

void CallTracker::OnRequestEnd(const flow::ConnectionView& connection, uint64_t exchange,
                               wire::MessageEnd end, wire::Stamp stamp) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr || open->ending.request_end) return;
  open->ending.request_end = end;
  if (end == wire::MessageEnd::kComplete) {
    open->call.request_end_ns = std::max(open->call.request_end_ns, stamp.end_ns);
  }
  open->reader->RequestEnd(open->request_hidden ? wire::MessageEnd::kHole : end);
  CompleteIfWhole(connection, *open);
}

// ---- The reply.

void CallTracker::OnResponseHead(const flow::ConnectionView& connection, uint64_t exchange,
                                 const wire::ResponseHead& head, wire::Stamp stamp) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr) {
    if (exchange != flow::kLoneExchange) return;
    if (!connection.attachment) connection.attachment = std::make_unique<ConnectionCalls>();
    auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());
    calls->lone_head = head;
    calls->lone_bytes.clear();
    return;
  }
  Call& call = open->call;
  call.http_status = head.status;
  call.request_id = RequestId(head.headers);
  call.rate_limits = ReadRateLimits(head.headers);
  call.retry_after_ns =
      clock_known_
          ? RetryAfterNs(head.headers, static_cast<int64_t>(stamp.end_ns) + wall_minus_mono_ns_)
          : RetryAfterNs(head.headers);
  call.billing_scope = BillingScope(open->billing_headers, head.headers);
  open->plan_limits = StatesPlanLimits(head.headers);
  open->ending.last_byte_ns = std::max(open->ending.last_byte_ns, stamp.end_ns);
  open->reader->ResponseHead(head);
  open->response_hidden = !head.unsupported_coding.empty();
  if (open->response_hidden) NoticeCoding(*open, head.unsupported_coding);
}

void CallTracker::OnResponseBody(const flow::ConnectionView& connection, uint64_t exchange,
                                 std::string_view bytes, wire::Stamp stamp) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr) {
    if (exchange == flow::kLoneExchange) RecognizeLone(connection, bytes, stamp);
    return;
  }
  open->ending.last_byte_ns = std::max(open->ending.last_byte_ns, stamp.end_ns);
  open->reader->ResponseBody(bytes, stamp);
}

void CallTracker::OnResponseGap(const flow::ConnectionView& connection, uint64_t exchange,
                                uint64_t length) {
  OpenCall* open = Find(connection, exchange);
  if (open != nullptr && !open->response_hidden) open->reader->ResponseGap(length);
}

void CallTracker::OnResponseEnd(const flow::ConnectionView& connection, uint64_t exchange,
                                wire::MessageEnd end, wire::Stamp stamp) {
  OpenCall* open = Find(connection, exchange);
  if (open == nullptr || open->ending.response_end) return;
  open->ending.response_end = end;
  open->ending.response_end_ns = stamp.end_ns;
  open->reader->ResponseEnd(open->response_hidden ? wire::MessageEnd::kHole : end, stamp);
  CompleteIfWhole(connection, *open);
}

// ---- The end.

void CallTracker::CompleteIfWhole(const flow::ConnectionView& connection, OpenCall& open) {
  if (!open.ending.response_end) return;
  if (open.ending.request_end) {
    Complete(&connection, open);
  } else if (open.gives_up_ns == 0) {
    // The reply came first, or the server answered before it had read everything.
    open.gives_up_ns = now_ + limits_.request_wait_ns;
    waiting_.emplace(open.gives_up_ns, open.call.number);
  }
}

void CallTracker::OnProtocol(const flow::ConnectionView& connection, wire::Protocol) {
  // Another protocol takes the connection over: what was under way can no longer be followed.
  OnConnectionEnd(connection);
}

void CallTracker::OnConnectionEnd(const flow::ConnectionView& connection) {
  auto* calls = static_cast<ConnectionCalls*>(connection.attachment.get());
  while (calls != nullptr && !calls->calls.empty()) Complete(&connection, *calls->calls.front());
}

void CallTracker::EvictFirst() {
  OpenCall& open = *open_.begin()->second;
  ++stats_.evicted;
  open.ending.by = EndedBy::kEvicted;
  open.ending.ns = now_;
  Complete(nullptr, open);
}

/// `connection` is null when it has no part in the call's end.
void CallTracker::Complete(const flow::ConnectionView* connection, OpenCall& open) {
  Ending& ending = open.ending;
  if (connection != nullptr) {
    ending.by = WhoEnded(*connection);
    ending.ns = WhenEnded(*connection, ending.by, now_);
    // Met mid-stream, with bytes of something else between this request and its reply: whether the
    // reply is its own cannot be told.
    ending.mid_stream =
        connection->mid_stream && connection->unmatched_bytes > open.unmatched_before;
  }
  ending.mid_stream = ending.mid_stream || ending.no_request;
  const wire::Stamp last{ending.last_byte_ns, ending.last_byte_ns};
  if (!ending.request_end) open.reader->RequestEnd(wire::MessageEnd::kTruncated);
  if (!ending.response_end) open.reader->ResponseEnd(wire::MessageEnd::kTruncated, last);
  Call& call = open.call;
  call.request = open.reader->request();
  call.request.body_bytes += open.request_gap_bytes;
  call.response = open.reader->response();
  if (!IsPlausible(call.response.usage)) {
    ++stats_.implausible_usage;
    ending.garbled_usage = true;
    call.response.usage = {};
  }
  Judge(ending, call);
  if (call.start_unix_ns == 0 && clock_known_) {
    call.start_unix_ns = static_cast<int64_t>(call.start_ns) + wall_minus_mono_ns_;
  }
  PriceCall(*open.book, call);
  call.billing_mode = ModeOf(call, open.credential, open.plan_limits);
  LinkRetry(open);
  NoticeMissingUsage(open);
  Deliver(open);
}

void CallTracker::LinkRetry(OpenCall& open) {
  Call& call = open.call;
  const RetryTable::Key key{.process = call.connection.process,
                            .destination = absl::StrCat(call.server_address, ":", call.server_port),
                            .path = call.path,
                            .body_hash = call.request.body_hash};
  const bool body_known = !open.ending.no_request && !call.request.body_has_gap &&
                          !open.request_hidden &&
                          open.ending.request_end == wire::MessageEnd::kComplete;
  const RetryTable::Link link =
      retries_.Add(key, body_known,
                   RetryTable::Attempt{.number = call.number,
                                       .start_ns = call.start_ns,
                                       .end_ns = call.end_ns,
                                       .failed = call.error != ErrorClass::kNone,
                                       .stated_count = open.stated_retry});
  call.attempt = link.attempt;
  call.retry_of = link.retry_of;
}

/// Once per program and host: a whole stream of OpenAI's kind that stated no usage.
void CallTracker::NoticeMissingUsage(const OpenCall& open) {
  const Call& call = open.call;
  const bool whole_stream = call.response.is_stream && call.incomplete.empty() &&
                            call.error == ErrorClass::kNone && call.response.usage.empty();
  if (!whole_stream || !StartsWith(call.dialect, "openai.")) return;
  ++stats_.usage_not_sent;
  const bool asked = call.request.include_usage.value_or(false);
  NoticeOnce(
      call, "usage_not_sent",
      asked ? "usage asked for but not sent" : "usage not sent: add stream_options.include_usage");
}

/// A body that cannot be read: its call is marked, and a person should know why.
void CallTracker::NoticeCoding(OpenCall& open, const std::string& coding) {
  if (!open.ending.unsupported_coding) ++stats_.unsupported_coding;
  open.ending.unsupported_coding = true;
  NoticeOnce(open.call, "unsupported_coding",
             absl::StrCat("unsupported: content coding ", absl::CHexEscape(coding)));
}

/// Once per program, in however many processes it runs, and host.
void CallTracker::NoticeOnce(const Call& call, std::string_view key, std::string_view text) {
  const absl::string_view what(key.data(), key.size());
  std::string whole_key =
      absl::StrCat(what, " ", call.process->display_name, " ", call.server_address);
  if (noticed_.size() >= limits_.notices || !noticed_.insert(whole_key).second) return;
  sink_->OnNotice(
      Notice{.key = std::move(whole_key),
             .text = absl::StrCat(absl::string_view(text.data(), text.size()), " (",
                                  call.process->display_name, " to ", call.server_address, ")"),
             .ns = std::max(call.end_ns, call.start_ns)});
}

void CallTracker::Deliver(OpenCall& open) {
  ++stats_.calls;
  if (!open.call.incomplete.empty()) ++stats_.incomplete;
  open_.erase(open.call.number);
  if (open.gives_up_ns != 0) waiting_.erase({open.gives_up_ns, open.call.number});
  std::vector<std::unique_ptr<OpenCall>>& siblings = open.owner->calls;
  const auto place = std::find_if(siblings.begin(), siblings.end(),
                                  [&open](const auto& sibling) { return sibling.get() == &open; });
  const std::unique_ptr<OpenCall> finished = std::move(*place);
  siblings.erase(place);
  sink_->OnCall(finished->call);
}

}  // namespace sonde::calls
