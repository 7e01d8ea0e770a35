#include "agent/flow/connection.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "decoders/wire/tls_client_hello.h"

namespace sonde::flow {
namespace {

using events::Direction;

/// Verdicts about one connection are repeated at most this often: records that were in the ring
/// before a verdict took hold are no reason to repeat it.
constexpr uint64_t kAdviceInterval = 1'000'000'000;
constexpr uint16_t kHttpsPort = 443;

wire::Stamp StampAt(events::MonoNs ns) { return wire::Stamp{ns, ns}; }

}  // namespace

Connection::Connection(FlowContext* context, const events::ConnectionId& id)
    : context_(context),
      out_(Direction::kOut, context->limits.order, this, &context->stats.order),
      in_(Direction::kIn, context->limits.order, this, &context->stats.order) {
  view_.id = id;
  view_.opened_ns = context->now;
}

Connection::~Connection() = default;

void Connection::Opened(const events::ConnectionOpened& event) {
  opened_seen_ = true;
  view_.opened_ns = event.ns;
  if (event.role != events::Role::kUnknown) view_.role = event.role;
  if (event.mid_stream && !view_.mid_stream) {
    view_.mid_stream = true;
    ++context_->stats.mid_stream;
  }
}

void Connection::Learn(const events::ConnectionInfo& event) {
  if (event.role && *event.role != events::Role::kUnknown) view_.role = *event.role;
  if (event.server_name) view_.server_name = *event.server_name;
  if (event.peer_address) view_.peer_address = *event.peer_address;
  if (event.peer_port) view_.peer_port = *event.peer_port;
  if (event.fd) view_.fd = event.fd;
  if (event.datagram && view_.peer_port == kHttpsPort && !quic_told_) {
    quic_told_ = true;
    ++context_->stats.quic;
    context_->sink->OnQuic(view_);
    Ignore();
  }
}

void Connection::Receive(const events::Data& event) {
  if (event.role != events::Role::kUnknown) view_.role = event.role;
  view_.has_data = true;
  uint64_t& seen = seen_bytes_[static_cast<size_t>(event.direction)];
  seen = std::max<uint64_t>(seen, event.offset + event.length);
  if (state_ == State::kIgnored) {
    Advise();
    return;
  }
  if (state_ == State::kEnded) return;
  OrderedStream& ordered = stream(event.direction);
  if (!opened_seen_ && ordered.expected() == 0 && event.offset > 0) {
    ordered.StartAt(event.offset);
    if (!view_.mid_stream) ++context_->stats.mid_stream;
    view_.mid_stream = true;
  }
  const Range range{.offset = event.offset,
                    .length = event.length,
                    .bytes = event.bytes,
                    .stamp = {event.entry_ns, event.exit_ns},
                    .tid = event.tid,
                    .after_gap = event.after_gap,
                    .concurrent = event.concurrent};
  ordered.Add(range, context_->now);
}

void Connection::PeerEnded(const events::StreamEnded& event) {
  if (state_ == State::kEnded) return;
  // SSL_shutdown, shutdown(2): this side will send no more. Only a failed write is the peer's
  // doing.
  if (event.direction == events::Direction::kOut && !event.error) {
    ShutDown(event.ns);
  } else if (!view_.peer_end) {
    view_.peer_end = PeerEnd{event.ns, event.error};
  }
  if (state_ == State::kIgnored) return;
  stream(event.direction).Finish(std::nullopt);
  if (http_) {
    http_->End(SideOf(event.direction), StampAt(event.ns));
    AfterFeed();
  }
}

void Connection::ShutDown(events::MonoNs ns) {
  if (view_.local_end) return;
  view_.local_end = events::CloseReason::kShutdown;
  view_.local_end_ns = ns;
}

void Connection::Close(const events::ConnectionClosed& event) {
  if (state_ == State::kEnded) return;
  view_.total_bytes[0] = event.bytes[0];
  view_.total_bytes[1] = event.bytes[1];
  view_.has_data |= event.bytes[0] > 0 || event.bytes[1] > 0;
  view_.lost_records += event.lost_records;
  context_->stats.lost_records += event.lost_records;
  if (event.reason == events::CloseReason::kEvicted) {
    view_.flow_end = FlowEnd::kEvicted;
  } else if (event.reason == events::CloseReason::kDeselected) {
    view_.flow_end = FlowEnd::kDeselected;
  } else {
    view_.flow_end = FlowEnd::kClosed;
    if (!view_.local_end) {
      view_.local_end = event.reason;
      view_.local_end_ns = event.ns;
    }
  }
  EndBothSides(event.bytes[0], event.bytes[1], StampAt(event.ns));
}

void Connection::Abandon(FlowEnd end) {
  if (state_ == State::kEnded) return;
  view_.flow_end = end;
  view_.total_bytes[0] = seen_bytes_[0];
  view_.total_bytes[1] = seen_bytes_[1];
  EndBothSides(std::nullopt, std::nullopt, StampAt(context_->now));
}

void Connection::EndBothSides(std::optional<uint64_t> total_out, std::optional<uint64_t> total_in,
                              wire::Stamp stamp) {
  if (state_ != State::kIgnored) {
    out_.Finish(total_out);
    // Finishing may have shown that there is nothing to decode.
    if (state_ != State::kIgnored) in_.Finish(total_in);
  }
  if (state_ == State::kTls) ReportTls();
  if (http_) {
    http_->End(wire::Side::kRequest, stamp);
    http_->End(wire::Side::kResponse, stamp);
  }
  for (const Held& kept : held_) Discard(kept);
  held_.clear();
  EndLoneReply(stamp);
  state_ = State::kEnded;
  context_->sink->OnConnectionEnd(view_);
}

void Connection::Expire(events::MonoNs now) {
  if (state_ == State::kIgnored || state_ == State::kEnded) return;
  out_.Expire(now);
  if (state_ == State::kIgnored) return;
  in_.Expire(now);
}

std::optional<events::MonoNs> Connection::deadline() const {
  if (state_ == State::kIgnored || state_ == State::kEnded) return std::nullopt;
  const std::optional<events::MonoNs> out = out_.deadline();
  const std::optional<events::MonoNs> in = in_.deadline();
  if (out && in) return std::min(*out, *in);
  return out ? out : in;
}

size_t Connection::MemoryBytes() const {
  return sizeof(*this) + out_.MemoryBytes() + in_.MemoryBytes() + held_bytes_ + hello_.capacity() +
         (http_ ? http_->MemoryBytes() : 0) + (lone_ ? lone_->MemoryBytes() : 0);
}

// ---- In order, from the streams.

void Connection::OnRange(Direction direction, const Range& range) {
  switch (state_) {
    case State::kUndecided:
      Hold(direction, range);
      Decide();
      return;
    case State::kHttp:
      Feed(direction, range);
      return;
    case State::kTls:
      FeedTls(direction, range.bytes);
      return;
    case State::kIgnored:
    case State::kEnded:
      return;
  }
}

void Connection::OnHole(Direction direction, uint64_t length, wire::Stamp stamp) {
  switch (state_) {
    case State::kUndecided: {
      if (direction == Direction::kOut) lost_start_ = true;
      Hold(direction, Range{.length = length, .stamp = stamp});
      Decide();
      return;
    }
    case State::kHttp:
      http_->Hole(SideOf(direction), length, stamp);
      AfterFeed();
      return;
    case State::kTls:
      if (direction == hello_direction_) ReportTls();
      return;
    case State::kIgnored:
    case State::kEnded:
      return;
  }
}

// ---- Finding out what it is.

void Connection::Hold(Direction direction, const Range& range) {
  held_.push_back(Held{direction, range, std::string(range.bytes)});
  held_bytes_ += range.bytes.size() + sizeof(Held);
}

/// The first bytes of a direction, as far as they are needed to look at; empty behind a hole.
std::string Connection::HeldFront(Direction direction) const {
  constexpr size_t kEnough = 64;
  std::string front;
  for (const Held& kept : held_) {
    if (kept.direction != direction) continue;
    if (kept.bytes.empty()) break;
    front.append(kept.bytes, 0, kEnough - front.size());
    if (front.size() >= kEnough) break;
  }
  return front;
}

void Connection::Decide() {
  const bool socket = view_.id.transport == events::Transport::kSocket;
  while (state_ == State::kUndecided) {
    const Look out = LookAt(HeldFront(Direction::kOut), socket);
    const Look in = LookAt(HeldFront(Direction::kIn), socket);
    if (!DecideFirst(out, in)) break;
  }
  if (state_ != State::kUndecided || held_bytes_ <= context_->limits.undecided_bytes) return;
  if (!Resynchronising()) {
    Ignore();
    return;
  }
  while (held_bytes_ > context_->limits.undecided_bytes && !held_.empty()) {
    held_bytes_ -= held_.front().bytes.size() + sizeof(Held);
    Discard(held_.front());
    held_.pop_front();
  }
}

/// One step of deciding; false when more bytes are needed.
bool Connection::DecideFirst(Look out, Look in) {
  if (out == Look::kTlsRecord || in == Look::kTlsRecord) {
    hello_direction_ = out == Look::kTlsRecord ? Direction::kOut : Direction::kIn;
    EnterTls();
    return true;
  }
  if (out == Look::kHttpRequest) {
    view_.role = events::Role::kClient;
    EnterHttp();
    return true;
  }
  if (in == Look::kHttpRequest && (!Resynchronising() || view_.role != events::Role::kClient)) {
    view_.role = events::Role::kServer;
  }
  if (view_.role == events::Role::kServer) {
    ++context_->stats.server_side;
    Ignore();
    return true;
  }
  if (Resynchronising()) {
    // Not the start of a request: the middle of a message, or a hole.
    const bool skip = out == Look::kOther || out == Look::kHttpResponse ||
                      (!held_.empty() && HeldFront(Direction::kOut).empty());
    if (!skip) return false;
    for (auto kept = held_.begin(); kept != held_.end(); ++kept) {
      if (kept->direction != Direction::kOut) continue;
      Unmatched(kept->range.length);
      held_bytes_ -= kept->bytes.size() + sizeof(Held);
      held_.erase(kept);
      return true;
    }
    return false;
  }
  if (out == Look::kHttpResponse) {
    view_.role = events::Role::kServer;
    ++context_->stats.server_side;
    Ignore();
    return true;
  }
  if (in == Look::kHttpResponse) {
    view_.role = events::Role::kClient;
    EnterHttp();
    return true;
  }
  if (out == Look::kOther || in == Look::kOther) {
    OnProtocol(wire::Protocol::kUnknown, {});
    Ignore();
    return true;
  }
  return false;
}

void Connection::EnterHttp() {
  ++context_->stats.http1;
  state_ = State::kHttp;
  http_ = std::make_unique<wire::Http1Connection>(context_->limits.http, Resynchronising(), this);
  context_->sink->OnPlaintext(view_);
  std::deque<Held> held = std::move(held_);
  held_.clear();
  held_bytes_ = 0;
  events::MonoNs first_request_ns = 0;
  for (const Held& kept : held) {
    if (kept.direction == Direction::kOut) {
      first_request_ns = kept.range.stamp.begin_ns;
      break;
    }
  }
  for (Held& kept : held) {
    // Met mid-stream: what had been read before the request was written is no reply to it.
    const bool older = Resynchronising() && kept.direction == Direction::kIn &&
                       kept.range.stamp.end_ns < first_request_ns;
    if (older) {
      Discard(kept);
      continue;
    }
    EndLoneReply(kept.range.stamp);
    if (kept.bytes.empty()) {
      OnHole(kept.direction, kept.range.length, kept.range.stamp);
    } else {
      kept.range.bytes = kept.bytes;
      OnRange(kept.direction, kept.range);
    }
  }
}

void Connection::EnterTls() {
  state_ = State::kTls;
  http_.reset();
  std::deque<Held> held = std::move(held_);
  held_.clear();
  held_bytes_ = 0;
  for (const Held& kept : held) {
    if (kept.bytes.empty()) {
      OnHole(kept.direction, kept.range.length, kept.range.stamp);
    } else if (state_ == State::kTls) {
      FeedTls(kept.direction, kept.bytes);
    }
  }
}

void Connection::FeedTls(Direction direction, std::string_view bytes) {
  // The server's flight may be read first; the ClientHello then comes the other way.
  if (direction != hello_direction_) return;
  const size_t room = context_->limits.undecided_bytes - hello_.size();
  hello_.append(bytes.substr(0, room));
  const wire::ClientHelloResult result = wire::ParseClientHello(hello_);
  if (result.status == wire::ClientHelloStatus::kNeedMore &&
      hello_.size() < context_->limits.undecided_bytes) {
    return;
  }
  ReportTls();
}

void Connection::ReportTls() {
  TlsHello hello;
  const wire::ClientHelloResult result = wire::ParseClientHello(hello_);
  if (result.status == wire::ClientHelloStatus::kComplete) {
    hello.server_name = result.hello.server_name;
    hello.alpn = result.hello.alpn;
    view_.hello_bytes = result.hello.wire_bytes;
    view_.role =
        hello_direction_ == Direction::kOut ? events::Role::kClient : events::Role::kServer;
  }
  hello_ = std::string();
  state_ = State::kIgnored;
  if (view_.role == events::Role::kServer) {
    ++context_->stats.server_side;
  } else {
    if (!hello.server_name.empty()) view_.server_name = hello.server_name;
    ++context_->stats.tls_sockets;
    view_.tls_socket = true;
    context_->sink->OnTlsSocket(view_, hello);
  }
  Advise();
}

void Connection::Ignore() {
  for (const Held& kept : held_) Unmatched(kept.range.length);
  held_.clear();
  held_bytes_ = 0;
  http_.reset();
  hello_ = std::string();
  state_ = State::kIgnored;
  Advise();
}

void Connection::Advise() {
  if (context_->verdicts == nullptr) return;
  if (advised_ns_ && context_->now < *advised_ns_ + kAdviceInterval) return;
  advised_ns_ = context_->now;
  ++context_->stats.verdicts;
  context_->verdicts->OnVerdict(Verdict{view_.id, Wanted::kLengths});
}

void Connection::Unmatched(uint64_t length) {
  view_.unmatched_bytes += length;
  context_->stats.unmatched_bytes += length;
}

// ---- A reply met in its middle.

/// Bytes that belong to no exchange; of a connection met in its middle they may be a reply.
void Connection::Discard(const Held& kept) {
  const bool may_be_reply =
      Resynchronising() && kept.direction == Direction::kIn && view_.role != events::Role::kServer;
  const wire::Stamp stamp = kept.range.stamp;
  // What only the connection's end delimits ends with the next reply.
  if (LookAt(kept.bytes, false) == Look::kHttpResponse) EndLoneReply(stamp);
  if (!may_be_reply || (!lone_ && !OpenLoneReply(kept.bytes, stamp))) {
    if (may_be_reply && !lone_met_) view_.unread_reply_bytes += kept.range.length;
    Unmatched(kept.range.length);
    return;
  }
  view_.tid = kept.range.tid;
  view_.unread_reply_bytes = 0;
  lone_met_ = in_lone_ = true;
  if (kept.bytes.empty()) {
    lone_->Hole(wire::Side::kResponse, kept.range.length, stamp);
  } else {
    lone_->Feed(wire::Side::kResponse, kept.bytes, stamp);
  }
  in_lone_ = false;
  if (lone_over_) EndLoneReply(stamp);
}

/// Where a range begins as a reply or as a piece of an event stream does; the decoder is told what
/// must have come before.
bool Connection::OpenLoneReply(std::string_view bytes, wire::Stamp stamp) {
  constexpr std::string_view kFields[] = {"data:", "event:"};
  std::string head;
  if (LookAt(bytes, false) != Look::kHttpResponse) {
    const size_t size = std::min(bytes.find_first_not_of("0123456789abcdefABCDEF"), bytes.size());
    const bool chunked = size > 0 && bytes.substr(size, 2) == "\r\n";
    const std::string_view text = chunked ? bytes.substr(size + 2) : bytes;
    const bool events = std::any_of(std::begin(kFields), std::end(kFields), [text](auto field) {
      return text.substr(0, field.size()) == field;
    });
    if (!events) return false;
    head = std::string("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n") +
           (chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
  }
  lone_ = std::make_unique<wire::Http1Connection>(context_->limits.http, false, this);
  lone_over_ = false;
  in_lone_ = true;
  lone_->Feed(wire::Side::kRequest, "POST / HTTP/1.1\r\n\r\n", stamp);
  lone_->Feed(wire::Side::kResponse, head, stamp);
  in_lone_ = false;
  return true;
}

void Connection::EndLoneReply(wire::Stamp stamp) {
  if (!lone_) return;
  in_lone_ = true;
  lone_->End(wire::Side::kResponse, stamp);
  in_lone_ = false;
  lone_.reset();
}

// ---- HTTP/1.x.

void Connection::Feed(Direction direction, const Range& range) {
  const bool socket = view_.id.transport == events::Transport::kSocket;
  if (tunnel_ && socket && LookAt(range.bytes, true) == Look::kTlsRecord) {
    hello_direction_ = direction;
    EnterTls();
    FeedTls(direction, range.bytes);
    return;
  }
  view_.tid = range.tid;
  if (range.concurrent) {
    ++context_->stats.order_unknown;
    view_.order_unknown = true;
  }
  http_->Feed(SideOf(direction), range.bytes, range.stamp);
  AfterFeed();
  if (view_.order_unknown && !range.concurrent && !has_open_exchange()) {
    view_.order_unknown = false;
  }
}

void Connection::AfterFeed() {
  if (!leave_http_) return;
  leave_http_ = false;
  Ignore();
}

void Connection::OnRequestHead(uint64_t exchange, const wire::RequestHead& head,
                               wire::Stamp stamp) {
  const wire::RequestHead unseen;
  context_->sink->OnRequestHead(view_, in_lone_ ? kLoneExchange : exchange,
                                in_lone_ ? unseen : head, stamp);
}

void Connection::OnRequestBody(uint64_t exchange, std::string_view bytes, wire::Stamp stamp) {
  context_->sink->OnRequestBody(view_, in_lone_ ? kLoneExchange : exchange, bytes, stamp);
}

void Connection::OnRequestGap(uint64_t exchange, uint64_t length) {
  context_->sink->OnRequestGap(view_, in_lone_ ? kLoneExchange : exchange, length);
}

void Connection::OnRequestEnd(uint64_t exchange, wire::MessageEnd end, wire::Stamp stamp) {
  context_->sink->OnRequestEnd(view_, in_lone_ ? kLoneExchange : exchange, end, stamp);
}

void Connection::OnResponseHead(uint64_t exchange, const wire::ResponseHead& head,
                                wire::Stamp stamp) {
  context_->sink->OnResponseHead(view_, in_lone_ ? kLoneExchange : exchange, head, stamp);
}

void Connection::OnResponseBody(uint64_t exchange, std::string_view bytes, wire::Stamp stamp) {
  context_->sink->OnResponseBody(view_, in_lone_ ? kLoneExchange : exchange, bytes, stamp);
}

void Connection::OnResponseGap(uint64_t exchange, uint64_t length) {
  context_->sink->OnResponseGap(view_, in_lone_ ? kLoneExchange : exchange, length);
}

void Connection::OnResponseEnd(uint64_t exchange, wire::MessageEnd end, wire::Stamp stamp) {
  lone_over_ = lone_over_ || in_lone_;
  context_->sink->OnResponseEnd(view_, in_lone_ ? kLoneExchange : exchange, end, stamp);
}

void Connection::OnProtocol(wire::Protocol protocol, wire::Stamp) {
  if (in_lone_) return;
  if (protocol == wire::Protocol::kTunnel) {
    tunnel_ = true;
    return;
  }
  if (protocol == wire::Protocol::kHttp1 || protocol_told_) return;
  protocol_told_ = true;
  leave_http_ = http_ != nullptr;
  FlowStats& stats = context_->stats;
  ++(protocol == wire::Protocol::kHttp2Preface ? stats.http2
     : protocol == wire::Protocol::kWebSocket  ? stats.websocket
                                               : stats.not_http);
  context_->sink->OnProtocol(view_, protocol);
}

void Connection::OnUnmatched(wire::Side, uint64_t length, wire::Stamp) { Unmatched(length); }

}  // namespace sonde::flow
