#include "decoders/wire/http1_parser.h"

#include <algorithm>

namespace sonde::wire {
namespace {

constexpr int kStop = -1;          // llhttp: give up on this message.
constexpr int kNoBodyFollows = 1;  // llhttp: the next byte begins the next message.

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string LowerCopy(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), Lower);
  return out;
}

/// Whether a Transfer-Encoding value names a coding besides chunked.
bool HasOtherCoding(std::string_view value) {
  const std::string lower = LowerCopy(value);
  size_t at = 0;
  while (at < lower.size()) {
    const size_t comma = std::min(lower.find(',', at), lower.size());
    std::string_view name(lower.data() + at, comma - at);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (!name.empty() && name != "chunked" && name != "identity") return true;
    at = comma + 1;
  }
  return false;
}

}  // namespace

Http1Parser::Http1Parser(Kind kind, size_t head_bytes, size_t header_count, Sink* sink)
    : kind_(kind), head_limit_(head_bytes), count_limit_(header_count), sink_(sink) {
  Reset();
}

const llhttp_settings_t& Http1Parser::Settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_message_begin = &OnBegin;
    made.on_method = &OnMethod;
    made.on_url = &OnUrl;
    made.on_header_field = &OnName;
    made.on_header_field_complete = &OnNameComplete;
    made.on_header_value = &OnValue;
    made.on_headers_complete = &OnHeadersComplete;
    made.on_message_complete = &OnMessageComplete;
    return made;
  }();
  return settings;
}

void Http1Parser::Reset() {
  ReadyForHead();
  FinishMessage();
}

void Http1Parser::ReadyForHead() {
  llhttp_init(&llhttp_, kind_ == Kind::kRequest ? HTTP_REQUEST : HTTP_RESPONSE, &Settings());
  llhttp_.data = this;
  // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length. Both ends of a connection
  // that goes on after such a message read it so.
  llhttp_set_lenient_chunked_length(&llhttp_, 1);
  llhttp_set_lenient_transfer_encoding(&llhttp_, 1);
  // Whether a connection ends is for its ends to say: a message after "close" is read, too.
  llhttp_set_lenient_keep_alive(&llhttp_, 1);
}

void Http1Parser::FinishMessage() {
  state_ = State::kHead;
  part_ = Part::kNone;
  begun_ = false;
  chunked_ = ChunkedBody();
  head_bytes_ = 0;
  head_seen_ = 0;
  remaining_ = 0;
  head_ = Head();
}

Http1Parser::Result Http1Parser::Feed(std::string_view bytes) {
  switch (state_) {
    case State::kLength:
      return FeedLength(bytes);
    case State::kUntilClose:
      if (!bytes.empty()) sink_->OnBody(bytes);
      return {Status::kNeedMore, bytes.size()};
    case State::kChunked:
      return FeedChunked(bytes);
    case State::kHead:
      break;
  }
  const Result head = FeedHead(bytes);
  // llhttp is done with the message at the end of its head; with a body, we are not.
  if (head.status != Status::kMessageEnd || state_ == State::kHead) return head;
  const Result body = Feed(bytes.substr(head.consumed));
  return {body.status, head.consumed + body.consumed};
}

Http1Parser::Result Http1Parser::FeedChunked(std::string_view bytes) {
  std::string_view rest = bytes;
  std::string_view data;
  while (true) {
    const ChunkedBody::Status status = chunked_.Next(&rest, &data);
    const size_t consumed = bytes.size() - rest.size();
    switch (status) {
      case ChunkedBody::Status::kData:
        sink_->OnBody(data);
        break;
      case ChunkedBody::Status::kNeedMore:
        return {Status::kNeedMore, consumed};
      case ChunkedBody::Status::kBroken:
        return {Status::kGarbled, consumed};
      case ChunkedBody::Status::kEnd:
        FinishMessage();
        return {Status::kMessageEnd, consumed};
    }
  }
}

Http1Parser::Result Http1Parser::FeedLength(std::string_view bytes) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(remaining_, bytes.size()));
  remaining_ -= taken;
  if (taken > 0) sink_->OnBody(bytes.substr(0, taken));
  if (remaining_ > 0) return {Status::kNeedMore, taken};
  FinishMessage();
  return {Status::kMessageEnd, taken};
}

Http1Parser::Result Http1Parser::FeedHead(std::string_view bytes) {
  if (bytes.empty()) return {Status::kNeedMore, 0};
  const llhttp_errno_t error = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
  if (error == HPE_OK) {
    head_seen_ += bytes.size();
    if (head_seen_ > head_limit_) return {Status::kGarbled, bytes.size()};
    return {Status::kNeedMore, bytes.size()};
  }
  const char* const stop = llhttp_get_error_pos(&llhttp_);
  const size_t consumed = stop == nullptr ? 0 : static_cast<size_t>(stop - bytes.data());
  if (error == HPE_PAUSED) {
    ReadyForHead();  // Afresh: a length that it has not counted down would be added to the next.
    if (state_ == State::kHead) FinishMessage();
    return {Status::kMessageEnd, consumed};
  }
  return {error == HPE_PAUSED_H2_UPGRADE ? Status::kHttp2 : Status::kGarbled, consumed};
}

uint64_t Http1Parser::Hole(uint64_t length) {
  switch (state_) {
    case State::kHead:
      return 0;
    case State::kUntilClose:
      return length;
    case State::kLength: {
      const uint64_t inside = std::min(length, remaining_);
      remaining_ -= inside;
      return inside;
    }
    case State::kChunked:
      return chunked_.Hole(length) ? length : 0;
  }
  return 0;
}

size_t Http1Parser::MemoryBytes() const {
  size_t bytes = head_.method.capacity() + head_.target.capacity() + head_.version.capacity() +
                 head_.headers.capacity() * sizeof(Header);
  for (const Header& header : head_.headers) {
    bytes += header.name.capacity() + header.value.capacity();
  }
  return bytes;
}

bool Http1Parser::Room(size_t bytes) {
  head_bytes_ += bytes;
  return head_bytes_ <= head_limit_;
}

bool Http1Parser::HasNoBody() const {
  if (kind_ == Kind::kRequest) return false;
  const int status = llhttp_.status_code;
  return answers_head_ || status / 100 == 1 || status == 204 || status == 304 ||
         (answers_connect_ && status / 100 == 2);
}

int Http1Parser::HeadersComplete() {
  head_.status = kind_ == Kind::kResponse ? llhttp_.status_code : 0;
  head_.version = {static_cast<char>('0' + llhttp_.http_major % 10), '.',
                   static_cast<char>('0' + llhttp_.http_minor % 10)};
  for (const Header& header : head_.headers) {
    if (header.name == "transfer-encoding" && HasOtherCoding(header.value)) {
      head_.other_transfer_coding = true;
    }
  }
  // What follows an upgrade is decided by whoever knows the response.
  llhttp_.upgrade = 0;
  const bool chunked = (llhttp_.flags & F_CHUNKED) != 0;
  const bool coded = (llhttp_.flags & F_TRANSFER_ENCODING) != 0;
  // RFC 9112 section 6.3: such a request's length cannot be known.
  if (kind_ == Kind::kRequest && coded && !chunked) return kStop;
  sink_->OnHead(head_);
  head_ = Head();
  if (HasNoBody()) return kNoBodyFollows;
  if (chunked) {
    state_ = State::kChunked;
  } else if ((llhttp_.flags & F_CONTENT_LENGTH) != 0 && !coded) {
    remaining_ = llhttp_.content_length;
    if (remaining_ > 0) state_ = State::kLength;
  } else if (kind_ == Kind::kResponse) {
    state_ = State::kUntilClose;
  }
  return kNoBodyFollows;
}

int Http1Parser::OnBegin(llhttp_t* parser) {
  Self(parser)->begun_ = true;
  return 0;
}

int Http1Parser::OnMethod(llhttp_t* parser, const char* at, size_t length) {
  Http1Parser* self = Self(parser);
  if (self->kind_ == Kind::kResponse) return 0;
  if (!self->Room(length)) return kStop;
  self->head_.method.append(at, length);
  return 0;
}

int Http1Parser::OnUrl(llhttp_t* parser, const char* at, size_t length) {
  Http1Parser* self = Self(parser);
  if (!self->Room(length)) return kStop;
  self->head_.target.append(at, length);
  return 0;
}

int Http1Parser::OnName(llhttp_t* parser, const char* at, size_t length) {
  Http1Parser* self = Self(parser);
  if (!self->Room(length)) return kStop;
  auto& headers = self->head_.headers;
  if (self->part_ != Part::kName) {
    if (headers.size() >= self->count_limit_) return kStop;
    headers.emplace_back();
    self->part_ = Part::kName;
  }
  const size_t old = headers.back().name.size();
  headers.back().name.append(at, length);
  std::transform(headers.back().name.begin() + static_cast<ptrdiff_t>(old),
                 headers.back().name.end(),
                 headers.back().name.begin() + static_cast<ptrdiff_t>(old), Lower);
  return 0;
}

int Http1Parser::OnNameComplete(llhttp_t* parser) {
  Self(parser)->part_ = Part::kValue;
  return 0;
}

int Http1Parser::OnValue(llhttp_t* parser, const char* at, size_t length) {
  Http1Parser* self = Self(parser);
  if (!self->Room(length) || self->head_.headers.empty()) return kStop;
  self->head_.headers.back().value.append(at, length);
  return 0;
}

int Http1Parser::OnHeadersComplete(llhttp_t* parser) { return Self(parser)->HeadersComplete(); }

int Http1Parser::OnMessageComplete(llhttp_t*) { return HPE_PAUSED; }

}  // namespace sonde::wire
