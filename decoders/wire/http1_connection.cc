#include "decoders/wire/http1_connection.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "decoders/wire/content_decoder.h"
#include "decoders/wire/http1_parser.h"
#include "decoders/wire/http1_start.h"

namespace sonde::wire {
namespace {

/// A request whose response is not complete.
struct Exchange {
  uint64_t id = 0;
  bool head = false;  // HEAD: its response has no body.
  bool connect = false;
  bool upgrade = false;  // Asked for another protocol.
  Stamp begin;           // Of the request's first byte.
};

/// Bytes (or, when empty, a hole) that wait for the other side.
struct Held {
  std::string bytes;
  uint64_t hole = 0;
  Stamp stamp;
};

std::string_view Lookup(const std::vector<Header>& headers, std::string_view name) {
  return FindHeader(headers, name);
}

ContentDecoder::Coding CodingOf(const Http1Parser::Head& head) {
  if (head.other_transfer_coding) return ContentDecoder::Coding::kUnsupported;
  return ContentDecoder::CodingOf(Lookup(head.headers, "content-encoding"));
}

std::string UnsupportedCoding(const Http1Parser::Head& head) {
  constexpr size_t kLongestName = 64;
  if (CodingOf(head) != ContentDecoder::Coding::kUnsupported) return {};
  return std::string(
      Lookup(head.headers, head.other_transfer_coding ? "transfer-encoding" : "content-encoding")
          .substr(0, kLongestName));
}

}  // namespace

/// Mode of a side | meaning
/// ---------------+---------------------------------------------------------------------------
/// kFirst         | nothing seen yet, or a tunnel just opened: what is it?
/// kMessages      | in or between messages
/// kWait          | requests: an upgrade was asked for; held until the response's head is known.
///                | responses: between messages with no request open; held until one comes
/// kResync        | skipping to something that looks like a message's start at a piece's start
/// kMuted         | another protocol
class Http1Connection::Impl {
 public:
  Impl(const Limits& limits, bool mid_stream, HttpSink* sink)
      : limits_(limits),
        sink_(sink),
        request_(this, Side::kRequest, limits),
        response_(this, Side::kResponse, limits) {
    if (mid_stream) request_.mode = response_.mode = Mode::kResync;
    http_seen_ = mid_stream;
  }

  void Feed(Side side, std::string_view bytes, Stamp stamp) {
    if (bytes.empty()) return;
    FeedSide(half(side), bytes, stamp);
    Settle();
  }

  void Hole(Side side, uint64_t length, Stamp stamp) {
    if (length == 0) return;
    HoleSide(half(side), length, stamp);
    Settle();
  }

  void End(Side side, Stamp stamp) {
    Half& ended = half(side);
    FlushFirst(ended);
    if (side == Side::kRequest) {
      if (ended.message) EndMessage(ended, MessageEnd::kTruncated, stamp);
      ended.parser.Reset();
    } else {
      EndResponses(stamp);
    }
    Settle();
  }

  size_t MemoryBytes() const {
    return sizeof(*this) + request_.MemoryBytes() + response_.MemoryBytes() +
           exchanges_.size() * sizeof(Exchange);
  }
  size_t OpenExchanges() const {
    return exchanges_.size() + (request_.message && !IsOpen(*request_.message) ? 1 : 0);
  }

 private:
  enum class Mode : uint8_t { kFirst, kMessages, kWait, kResync, kMuted };

  struct Half : Http1Parser::Sink, ByteSink {
    Half(Impl* owner, Side which, const Limits& limits)
        : impl(owner),
          side(which),
          parser(
              which == Side::kRequest ? Http1Parser::Kind::kRequest : Http1Parser::Kind::kResponse,
              limits.head_bytes, limits.header_count, this) {}

    void OnHead(const Http1Parser::Head& head) override {
      side == Side::kRequest ? impl->OnRequestHead(head) : impl->OnResponseHead(head);
    }
    void OnBody(std::string_view bytes) override { impl->Body(*this, bytes); }
    void OnBytes(std::string_view bytes) override {
      side == Side::kRequest ? impl->sink_->OnRequestBody(*message, bytes, stamp)
                             : impl->sink_->OnResponseBody(*message, bytes, stamp);
    }
    size_t MemoryBytes() const {
      size_t bytes = parser.MemoryBytes() + held_bytes + held.size() * sizeof(Held);
      return bytes + (decoder ? decoder->MemoryBytes() : 0);
    }

    Impl* const impl;
    const Side side;
    Http1Parser parser;
    Mode mode = Mode::kFirst;
    bool body_lost = false;           // Coded bytes are missing: the rest cannot be decoded.
    bool body_garbled = false;        // The coding is broken.
    std::optional<uint64_t> message;  // The exchange whose message is open on this side.
    std::unique_ptr<ContentDecoder> decoder;
    Stamp stamp;        // Of the piece being read.
    Stamp first;        // Of the current message's first piece.
    std::string start;  // kFirst: bytes too few to tell by.
    std::deque<Held> held;
    size_t held_bytes = 0;
  };

  Half& half(Side side) { return side == Side::kRequest ? request_ : response_; }
  bool IsOpen(uint64_t id) const {
    return std::any_of(exchanges_.begin(), exchanges_.end(),
                       [id](const Exchange& exchange) { return exchange.id == id; });
  }

  void FeedSide(Half& side, std::string_view bytes, Stamp stamp);
  void FeedFirst(Half& side, std::string_view bytes, Stamp stamp);
  void FeedMessages(Half& side, std::string_view bytes, Stamp stamp);
  bool AwaitRequest(Half& side, std::string_view bytes, Stamp stamp);
  void HoleSide(Half& side, uint64_t length, Stamp stamp);
  void Hold(Half& side, std::string_view bytes, uint64_t hole, Stamp stamp);
  void FlushFirst(Half& side);
  void Settle();
  void ReleaseRequests();
  void ReleaseResponses();
  void DropHeld(Half& side);

  void OnRequestHead(const Http1Parser::Head& head);
  void OnResponseHead(const Http1Parser::Head& head);
  void OpenBody(Half& side, const Http1Parser::Head& head);
  void Body(Half& side, std::string_view bytes);
  void Gap(Half& side, uint64_t length);
  void MessageComplete(Half& side);
  void EndMessage(Half& side, MessageEnd end, Stamp stamp);
  void Garbled(Half& side, std::string_view rest);
  void LoseMessage(Half& side, MessageEnd end, Stamp stamp);
  void EndResponses(Stamp stamp);
  void Switch(bool tunnel, Stamp stamp);
  void Mute(Protocol protocol, Stamp stamp);

  const Limits limits_;
  HttpSink* const sink_;
  Half request_;
  Half response_;
  std::deque<Exchange> exchanges_;
  uint64_t next_id_ = 0;
  uint64_t lost_responses_ = 0;  // Dropped while they waited for their requests.
  bool http_seen_ = false;       // Something on this connection (or tunnel) was HTTP.
  bool interim_ = false;         // The response being read is a 1xx.
  bool switching_ = false;       // The response being read ends HTTP on this connection.
  bool tunnel_ = false;          // ... because a CONNECT succeeded.
  Protocol upgrade_to_ = Protocol::kUnknown;
};

// ---- Bytes in.

void Http1Connection::Impl::FeedSide(Half& side, std::string_view bytes, Stamp stamp) {
  switch (side.mode) {
    case Mode::kFirst:
      FeedFirst(side, bytes, stamp);
      break;
    case Mode::kMessages:
      FeedMessages(side, bytes, stamp);
      break;
    case Mode::kWait:
      Hold(side, bytes, 0, stamp);
      break;
    case Mode::kResync:
      if (!LooksLikeStart(side.side, bytes)) {
        sink_->OnUnmatched(side.side, bytes.size(), stamp);
        break;
      }
      side.mode = Mode::kMessages;
      FeedMessages(side, bytes, stamp);
      break;
    case Mode::kMuted:
      break;
  }
}

void Http1Connection::Impl::FeedFirst(Half& side, std::string_view bytes, Stamp stamp) {
  std::string joined;
  if (!side.start.empty()) {
    joined = std::move(side.start);
    side.start.clear();
    joined.append(bytes);
    bytes = joined;
    stamp.begin_ns = side.first.begin_ns;
  }
  switch (LookAtStart(bytes)) {
    case Start::kNeedMore:
      side.start = bytes;
      side.first = stamp;
      return;
    case Start::kTls:
    case Start::kOther:
      if (!http_seen_) {
        Mute(LookAtStart(bytes) == Start::kTls ? Protocol::kTls : Protocol::kUnknown, stamp);
        return;
      }
      [[fallthrough]];  // An answer to HTTP that is none.
    case Start::kText:
      side.mode = Mode::kMessages;
      FeedMessages(side, bytes, stamp);
      return;
  }
}

/// The side ends, or loses bytes, before it was clear what it carries.
void Http1Connection::Impl::FlushFirst(Half& side) {
  if (side.start.empty()) return;
  sink_->OnUnmatched(side.side, side.start.size(), side.first);
  side.start.clear();
}

void Http1Connection::Impl::FeedMessages(Half& side, std::string_view bytes, Stamp stamp) {
  side.stamp = stamp;
  while (!bytes.empty()) {
    if (side.mode != Mode::kMessages) {
      FeedSide(side, bytes, stamp);
      return;
    }
    if (side.side == Side::kResponse && !side.parser.InMessage()) {
      if (!AwaitRequest(side, bytes, stamp)) return;
      side.parser.Answers(exchanges_.front().head, exchanges_.front().connect);
    }
    if (!side.parser.InMessage()) side.first = stamp;
    const Http1Parser::Result result = side.parser.Feed(bytes);
    bytes.remove_prefix(std::min(result.consumed, bytes.size()));
    switch (result.status) {
      case Http1Parser::Status::kNeedMore:
        return;
      case Http1Parser::Status::kMessageEnd:
        MessageComplete(side);
        break;
      case Http1Parser::Status::kGarbled:
        Garbled(side, bytes);
        return;
      case Http1Parser::Status::kHttp2:
        Mute(Protocol::kHttp2Preface, stamp);
        return;
    }
  }
}

/// Between responses. Returns false when no request is open: then the bytes wait, or are nobody's.
bool Http1Connection::Impl::AwaitRequest(Half& side, std::string_view bytes, Stamp stamp) {
  if (!exchanges_.empty()) return true;
  if (!MayBeResponse(bytes)) {
    sink_->OnUnmatched(Side::kResponse, bytes.size(), stamp);
    side.mode = Mode::kResync;
    return false;
  }
  side.mode = Mode::kWait;
  Hold(side, bytes, 0, stamp);
  return false;
}

void Http1Connection::Impl::Hold(Half& side, std::string_view bytes, uint64_t hole, Stamp stamp) {
  if (side.held_bytes + bytes.size() <= limits_.early_reply_bytes &&
      side.held.size() < limits_.early_reply_bytes / sizeof(Held)) {
    side.held_bytes += bytes.size();
    side.held.push_back({std::string(bytes), hole, stamp});
    return;
  }
  // Too much came without its other half.
  DropHeld(side);
  sink_->OnUnmatched(side.side, bytes.size() + hole, stamp);
  if (side.side == Side::kResponse) {
    ++lost_responses_;
    side.mode = Mode::kResync;
  }
}

void Http1Connection::Impl::DropHeld(Half& side) {
  for (const Held& held : side.held) {
    sink_->OnUnmatched(side.side, held.bytes.size() + held.hole, held.stamp);
  }
  side.held.clear();
  side.held_bytes = 0;
}

/// Lets go what waited for something that has come by now.
void Http1Connection::Impl::Settle() {
  // Each turn takes something off a bounded queue or ends the loop.
  bool again = true;
  while (again) {
    again = false;
    if (response_.mode == Mode::kWait && !exchanges_.empty()) {
      ReleaseResponses();
      again = true;
    }
    const bool upgrade_open =
        std::any_of(exchanges_.begin(), exchanges_.end(),
                    [](const Exchange& exchange) { return exchange.connect || exchange.upgrade; });
    if (request_.mode == Mode::kWait && !upgrade_open) {
      ReleaseRequests();
      again = true;
    }
  }
}

void Http1Connection::Impl::ReleaseResponses() {
  const uint64_t request_begin = exchanges_.front().begin.begin_ns;
  std::deque<Held> held = std::exchange(response_.held, {});
  response_.held_bytes = 0;
  response_.mode = Mode::kMessages;
  // What was read before the request was written cannot answer it.
  while (!held.empty() && held.front().stamp.end_ns < request_begin) {
    sink_->OnUnmatched(Side::kResponse, held.front().bytes.size() + held.front().hole,
                       held.front().stamp);
    held.pop_front();
    response_.mode = Mode::kResync;
  }
  for (const Held& piece : held) {
    piece.hole > 0 ? HoleSide(response_, piece.hole, piece.stamp)
                   : FeedSide(response_, piece.bytes, piece.stamp);
  }
}

void Http1Connection::Impl::ReleaseRequests() {
  std::deque<Held> held = std::exchange(request_.held, {});
  request_.held_bytes = 0;
  request_.mode = tunnel_ ? Mode::kFirst : Mode::kMessages;
  for (const Held& piece : held) {
    piece.hole > 0 ? HoleSide(request_, piece.hole, piece.stamp)
                   : FeedSide(request_, piece.bytes, piece.stamp);
  }
}

// ---- Lost bytes.

void Http1Connection::Impl::HoleSide(Half& side, uint64_t length, Stamp stamp) {
  side.stamp = stamp;
  switch (side.mode) {
    case Mode::kMuted:
      return;
    case Mode::kWait:
      Hold(side, {}, length, stamp);
      return;
    case Mode::kFirst:
      FlushFirst(side);
      [[fallthrough]];
    case Mode::kResync:
      sink_->OnUnmatched(side.side, length, stamp);
      side.mode = Mode::kResync;
      http_seen_ = true;  // It may have been: what comes next is not the connection's beginning.
      return;
    case Mode::kMessages:
      break;
  }
  const uint64_t inside = side.message ? side.parser.Hole(length) : 0;
  if (inside > 0) Gap(side, inside);
  if (inside == length) {
    if (side.parser.AtBodyEnd()) {
      side.parser.Reset();
      MessageComplete(side);
    }
    return;
  }
  LoseMessage(side, MessageEnd::kHole, stamp);
}

// ---- Messages.

void Http1Connection::Impl::OnRequestHead(const Http1Parser::Head& head) {
  http_seen_ = true;
  RequestHead out;
  out.method = head.method;
  out.target = head.target;
  out.version = head.version;
  out.authority = Lookup(head.headers, "host");
  if (out.authority.empty()) out.authority = AuthorityOf(head.method, head.target);
  out.headers = head.headers;
  out.unsupported_coding = UnsupportedCoding(head);

  Exchange exchange;
  exchange.id = next_id_++;
  exchange.head = head.method == "HEAD";
  exchange.connect = head.method == "CONNECT";
  exchange.upgrade = HasToken(Lookup(head.headers, "connection"), "upgrade") &&
                     !Lookup(head.headers, "upgrade").empty();
  exchange.begin = request_.first;
  if (exchanges_.size() >= std::max<size_t>(limits_.pipelined_requests, 1)) {
    // Replies are not being seen: the oldest request gives up its place.
    const uint64_t oldest = exchanges_.front().id;
    if (response_.message == oldest) {
      LoseMessage(response_, MessageEnd::kHole, request_.stamp);
    } else {
      exchanges_.pop_front();
      sink_->OnResponseEnd(oldest, MessageEnd::kHole, request_.stamp);
    }
  }
  exchanges_.push_back(exchange);
  request_.message = exchange.id;
  sink_->OnRequestHead(exchange.id, out, {request_.first.begin_ns, request_.stamp.end_ns});
  OpenBody(request_, head);
  if (lost_responses_ > 0) {
    --lost_responses_;
    exchanges_.pop_back();
    sink_->OnResponseEnd(exchange.id, MessageEnd::kHole, request_.stamp);
  }
}

void Http1Connection::Impl::OnResponseHead(const Http1Parser::Head& head) {
  http_seen_ = true;
  interim_ = head.status / 100 == 1 && head.status != 101;
  // A request that gave up its place took its response with it.
  if (exchanges_.empty()) interim_ = true;
  if (interim_) return;
  const Exchange& exchange = exchanges_.front();
  response_.message = exchange.id;
  tunnel_ = exchange.connect && head.status / 100 == 2;
  switching_ = head.status == 101 || tunnel_;
  if (head.status == 101) {
    upgrade_to_ = ProtocolOfUpgrade(Lookup(head.headers, "upgrade"));
  } else if (!tunnel_) {
    // Nothing was switched: what the client sent after its question is HTTP.
    exchanges_.front().upgrade = exchanges_.front().connect = false;
  }
  ResponseHead out;
  out.status = head.status;
  out.version = head.version;
  out.headers = head.headers;
  out.unsupported_coding = UnsupportedCoding(head);
  sink_->OnResponseHead(exchange.id, out, {response_.first.begin_ns, response_.stamp.end_ns});
  OpenBody(response_, head);
}

void Http1Connection::Impl::OpenBody(Half& side, const Http1Parser::Head& head) {
  side.body_lost = false;
  side.body_garbled = false;
  const ContentDecoder::Coding coding = CodingOf(head);
  side.decoder.reset();
  if (coding != ContentDecoder::Coding::kIdentity) {
    side.decoder = std::make_unique<ContentDecoder>(
        coding, DecodeLimits{limits_.decoded_bytes, std::max<uint64_t>(limits_.decoded_ratio, 1),
                             limits_.decoders});
  }
}

void Http1Connection::Impl::Body(Half& side, std::string_view bytes) {
  if (!side.message) return;
  if (!side.decoder) {
    side.OnBytes(bytes);
    return;
  }
  if (side.body_lost || side.body_garbled ||
      side.decoder->coding() == ContentDecoder::Coding::kUnsupported) {
    Gap(side, bytes.size());
    return;
  }
  const ContentDecoder::Status status = side.decoder->Decode(bytes, &side);
  if (status == ContentDecoder::Status::kOk) return;
  side.body_garbled = status == ContentDecoder::Status::kBroken;
  Gap(side, bytes.size());
}

void Http1Connection::Impl::Gap(Half& side, uint64_t length) {
  if (side.decoder) side.body_lost = true;
  side.side == Side::kRequest ? sink_->OnRequestGap(*side.message, length)
                              : sink_->OnResponseGap(*side.message, length);
}

void Http1Connection::Impl::MessageComplete(Half& side) {
  if (side.side == Side::kRequest) {
    const bool waits = !exchanges_.empty() && exchanges_.back().id == side.message &&
                       (exchanges_.back().connect || exchanges_.back().upgrade);
    EndMessage(side, MessageEnd::kComplete, side.stamp);
    if (waits) side.mode = Mode::kWait;
    return;
  }
  if (interim_) {
    interim_ = false;
    return;
  }
  const bool switching = std::exchange(switching_, false);
  EndMessage(side, switching ? MessageEnd::kUpgraded : MessageEnd::kComplete, side.stamp);
  if (switching) Switch(tunnel_, side.stamp);
}

/// Reports the end of the side's open message.
void Http1Connection::Impl::EndMessage(Half& side, MessageEnd end, Stamp stamp) {
  const uint64_t id = *std::exchange(side.message, std::nullopt);
  const bool cut = side.decoder && !side.body_lost && side.decoder->IsCut();
  if ((side.body_garbled || cut) && end == MessageEnd::kComplete) end = MessageEnd::kGarbled;
  side.decoder.reset();
  if (side.side == Side::kRequest) {
    sink_->OnRequestEnd(id, end, stamp);
    return;
  }
  if (!exchanges_.empty() && exchanges_.front().id == id) exchanges_.pop_front();
  sink_->OnResponseEnd(id, end, stamp);
}

/// Ends what is open on the side, or what would have been next, and looks for another start.
void Http1Connection::Impl::LoseMessage(Half& side, MessageEnd end, Stamp stamp) {
  side.parser.Reset();
  interim_ = side.side == Side::kResponse ? false : interim_;
  if (side.message) {
    EndMessage(side, end, stamp);
  } else if (side.side == Side::kResponse && !exchanges_.empty()) {
    const uint64_t id = exchanges_.front().id;
    exchanges_.pop_front();
    sink_->OnResponseEnd(id, end, stamp);
  }
  side.mode = Mode::kResync;
}

void Http1Connection::Impl::Garbled(Half& side, std::string_view rest) {
  if (!http_seen_) {
    Mute(Protocol::kUnknown, side.stamp);
    return;
  }
  const Stamp stamp = side.stamp;
  LoseMessage(side, MessageEnd::kGarbled, stamp);
  sink_->OnUnmatched(side.side, rest.size(), stamp);
}

/// The server's direction ended.
void Http1Connection::Impl::EndResponses(Stamp stamp) {
  if (response_.mode == Mode::kWait) {
    DropHeld(response_);
    response_.mode = Mode::kMessages;
  }
  if (response_.message) {
    const bool complete = response_.parser.UntilClose();
    EndMessage(response_, complete ? MessageEnd::kComplete : MessageEnd::kTruncated, stamp);
  }
  while (!exchanges_.empty()) {
    const uint64_t id = exchanges_.front().id;
    exchanges_.pop_front();
    sink_->OnResponseEnd(id, MessageEnd::kTruncated, stamp);
  }
  response_.parser.Reset();
  if (request_.mode == Mode::kWait) {  // Nobody will say what they are.
    DropHeld(request_);
    request_.mode = Mode::kResync;
  }
}

// ---- Other protocols.

void Http1Connection::Impl::Switch(bool tunnel, Stamp stamp) {
  if (!tunnel) {
    Mute(upgrade_to_, stamp);
    return;
  }
  http_seen_ = false;
  request_.parser.Reset();
  response_.parser.Reset();
  response_.mode = Mode::kFirst;
  // Requests held behind the CONNECT are let go by Settle().
  if (request_.mode != Mode::kWait) request_.mode = Mode::kFirst;
  sink_->OnProtocol(Protocol::kTunnel, stamp);
}

void Http1Connection::Impl::Mute(Protocol protocol, Stamp stamp) {
  for (Half* side : {&request_, &response_}) {
    side->mode = Mode::kMuted;
    side->parser.Reset();
    side->start.clear();
    side->held.clear();  // The other protocol's.
    side->held_bytes = 0;
    if (side->message) EndMessage(*side, MessageEnd::kUpgraded, stamp);
  }
  while (!exchanges_.empty()) {
    const uint64_t id = exchanges_.front().id;
    exchanges_.pop_front();
    sink_->OnResponseEnd(id, MessageEnd::kUpgraded, stamp);
  }
  sink_->OnProtocol(protocol, stamp);
}

// ---- The public face.

Http1Connection::Http1Connection(const Limits& limits, bool mid_stream, HttpSink* sink)
    : impl_(std::make_unique<Impl>(limits, mid_stream, sink)) {}
Http1Connection::~Http1Connection() = default;
void Http1Connection::Feed(Side side, std::string_view bytes, Stamp stamp) {
  impl_->Feed(side, bytes, stamp);
}
void Http1Connection::Hole(Side side, uint64_t length, Stamp stamp) {
  impl_->Hole(side, length, stamp);
}
void Http1Connection::End(Side side, Stamp stamp) { impl_->End(side, stamp); }
size_t Http1Connection::MemoryBytes() const { return sizeof(*this) + impl_->MemoryBytes(); }
size_t Http1Connection::OpenExchanges() const { return impl_->OpenExchanges(); }

}  // namespace sonde::wire
