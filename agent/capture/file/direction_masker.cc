#include "agent/capture/file/direction_masker.h"

#include <algorithm>
#include <cctype>

namespace sonde::capture {
namespace {

constexpr std::string_view kPrefaceTail = "\r\nSM\r\n\r\n";  // Behind "PRI * HTTP/2.0\r\n".
constexpr size_t kMostSizeDigits = 15;
constexpr uint32_t kMostExtensionBytes = 1024;
constexpr size_t kTlsHeaderBytes = 5;
constexpr uint8_t kTlsHandshake = 0x16;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// A handshake record of SSL 3.0 to TLS 1.3, as far as the bytes go.
bool LooksLikeTls(std::string_view bytes) {
  return static_cast<uint8_t>(bytes[0]) == kTlsHandshake &&
         (bytes.size() < 2 || bytes[1] == 0x03) &&
         (bytes.size() < 3 || static_cast<uint8_t>(bytes[2]) <= 0x04);
}

}  // namespace

bool BeginsWithStartLine(std::string_view bytes) {
  // Most bodies are told from a head by their first byte.
  if (bytes.empty() || bytes[0] < 'A' || bytes[0] > 'Z') return false;
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.size() == bytes.size()) return false;
  HeadMasker probe;
  for (const char c : line) {
    char copy = c;
    if (probe.Feed(&copy, {}) != HeadMasker::Step::kMore) return false;
  }
  char newline = '\n';
  const HeadMasker::Step step = probe.Feed(&newline, {});
  return step == HeadMasker::Step::kMore || step == HeadMasker::Step::kPreface;
}

void DirectionMasker::Push(size_t length, bool kept, std::vector<Segment>* segments) {
  if (length == 0) return;
  if (!kept) counters_->dropped_bytes += length;
  if (!segments->empty() && segments->back().kept == kept) {
    segments->back().length += length;
  } else {
    segments->push_back({.length = length, .kept = kept});
  }
}

void DirectionMasker::Lose() {
  if (state_ == State::kLost || state_ == State::kOpaque) return;
  // Nothing can be said of replies to requests that were not followed.
  methods_->bodiless.clear();
  methods_->tunnel.clear();
  ++counters_->lost_directions;
  state_ = State::kLost;
}

void DirectionMasker::Hole(uint64_t length) {
  if (length == 0) return;
  const bool framed =
      state_ == State::kLength ? length <= left_ : state_ == State::kChunkData && length < left_;
  if (framed || state_ == State::kUntilEnd) {
    // What follows inside a JSON text cannot be placed: its strings could be keys or text.
    if (options_.text) body_ = Body::kDropped;
    if (!framed) return;
    left_ -= length;
    if (left_ == 0) EndMessage();
    return;
  }
  if (state_ == State::kHello) {
    state_ = State::kOpaque;
    return;
  }
  Lose();
}

bool DirectionMasker::KeepsAll(std::string_view bytes) const {
  if (options_.text) return false;
  const bool inside =
      state_ == State::kUntilEnd ||
      ((state_ == State::kLength || state_ == State::kChunkData) && bytes.size() < left_);
  return inside && !BeginsWithStartLine(bytes);
}

void DirectionMasker::Feed(std::string* bytes, std::vector<Segment>* segments) {
  if (bytes->empty()) return;
  if (state_ == State::kLost && BeginsWithStartLine(*bytes)) state_ = State::kStart;
  const bool in_body =
      state_ == State::kLength || state_ == State::kUntilEnd || state_ == State::kChunkData;
  if (in_body && BeginsWithStartLine(*bytes)) MaskEmbeddedHead(bytes, 0);
  size_t at = 0;
  while (at < bytes->size()) {
    const size_t begin = at;
    switch (state_) {
      case State::kStart:
        Classify(std::string_view(*bytes).substr(at));
        break;
      case State::kHead:
      case State::kTrailer: {
        const bool fits = FeedHead(bytes, &at);
        Push(at - begin, true, segments);
        if (!fits) Lose();
        break;
      }
      case State::kLost:
      case State::kOpaque:
        Push(bytes->size() - at, false, segments);
        at = bytes->size();
        break;
      default:
        if (!FeedBody(bytes, &at, segments)) Lose();
        break;
    }
  }
}

void DirectionMasker::Classify(std::string_view rest) {
  if (options_.socket && LooksLikeTls(rest)) {
    state_ = State::kHello;
    hello_bytes_ = 0;
    left_ = 0;
    return;
  }
  head_ = HeadMasker(options_.text);
  state_ = State::kHead;
}

/// False when the byte at `at` is not to be kept.
bool DirectionMasker::FeedHead(std::string* bytes, size_t* at) {
  while (*at < bytes->size()) {
    char* byte = bytes->data() + *at;
    const std::string_view ahead = std::string_view(*bytes).substr(*at + 1);
    switch (head_.Feed(byte, ahead)) {
      case HeadMasker::Step::kMore:
        ++*at;
        break;
      case HeadMasker::Step::kDone:
        ++*at;
        EndHead();
        return true;
      case HeadMasker::Step::kPreface:
        ++*at;
        state_ = State::kPreface;
        left_ = kPrefaceTail.size();
        return true;
      case HeadMasker::Step::kNotHttp:
        return false;
    }
  }
  return true;
}

void DirectionMasker::EndHead() {
  if (state_ == State::kTrailer) {
    EndMessage();
    return;
  }
  const HeadFacts& facts = head_.facts();
  bool bodiless = false;
  if (facts.response) {
    const bool interim = facts.status >= 100 && facts.status < 200 && facts.status != 101;
    bodiless = interim || facts.status == 204 || facts.status == 304;
    if (!interim && !methods_->bodiless.empty()) {
      const bool tunnelled = methods_->tunnel.front() && facts.status / 100 == 2;
      bodiless = bodiless || methods_->bodiless.front() || tunnelled;
      methods_->bodiless.erase(methods_->bodiless.begin());
      methods_->tunnel.erase(methods_->tunnel.begin());
    }
    bodiless = bodiless || facts.status == 101;  // What follows is no HTTP: see Classify.
  } else if (methods_->bodiless.size() < PendingMethods::kMost) {
    methods_->bodiless.push_back(facts.head_method);
    methods_->tunnel.push_back(facts.connect_method);
  }
  if (bodiless) {
    EndMessage();
    return;
  }
  if (facts.bad_framing || (facts.chunked && facts.length) ||
      (facts.other_coding && !facts.response)) {
    Lose();
    return;
  }
  BeginBody();
}

void DirectionMasker::BeginBody() {
  const HeadFacts& facts = head_.facts();
  body_ = Body::kPlain;
  if (options_.text) {
    if (facts.encoded) {
      body_ = Body::kDropped;
    } else if (facts.event_stream) {
      body_ = Body::kEventStream;
      sse_ = std::make_unique<SseTextMasker>();
    } else if (facts.json) {
      body_ = Body::kJson;
      json_ = std::make_unique<JsonTextMasker>();
    } else {
      body_ = facts.typed ? Body::kDropped : Body::kUnknown;
    }
  }
  if (facts.chunked && !facts.other_coding) {
    state_ = State::kChunkSize;
    left_ = 0;
    size_digits_ = 0;
  } else if (facts.length && !facts.other_coding) {
    left_ = *facts.length;
    state_ = State::kLength;
    if (left_ == 0) EndMessage();
  } else if (facts.response) {
    state_ = State::kUntilEnd;
  } else {
    EndMessage();
  }
}

void DirectionMasker::EndMessage() {
  state_ = State::kStart;
  json_.reset();
  sse_.reset();
}

/// False when the byte at `at` does not fit the framing.
bool DirectionMasker::FeedBody(std::string* bytes, size_t* at, std::vector<Segment>* segments) {
  const size_t available = bytes->size() - *at;
  switch (state_) {
    case State::kUntilEnd:
    case State::kLength:
    case State::kChunkData: {
      const size_t take = state_ == State::kUntilEnd
                              ? available
                              : static_cast<size_t>(std::min<uint64_t>(available, left_));
      MaskBody(bytes, *at, *at + take, segments);
      *at += take;
      if (state_ == State::kUntilEnd) return true;
      left_ -= take;
      if (left_ > 0) return true;
      if (state_ == State::kLength) {
        EndMessage();
      } else {
        state_ = State::kChunkEnd;
      }
      return true;
    }
    case State::kPreface: {
      const size_t place = kPrefaceTail.size() - left_;
      if ((*bytes)[*at] != kPrefaceTail[place]) return false;
      Push(1, true, segments);
      ++*at;
      if (--left_ == 0) state_ = State::kOpaque;
      return true;
    }
    case State::kHello: {
      // The header says how long the record is.
      if (hello_bytes_ < kTlsHeaderBytes) {
        const auto byte = static_cast<uint8_t>((*bytes)[*at]);
        if (hello_bytes_ >= 3) left_ = left_ << 8 | byte;
        ++hello_bytes_;
        Push(1, true, segments);
        ++*at;
        if (hello_bytes_ == kTlsHeaderBytes && left_ == 0) state_ = State::kOpaque;
        return true;
      }
      const auto take = static_cast<size_t>(std::min<uint64_t>(available, left_));
      Push(take, true, segments);
      *at += take;
      left_ -= take;
      if (left_ == 0) state_ = State::kOpaque;
      return true;
    }
    default: {
      char& c = (*bytes)[*at];
      // What an extension says is nobody's business here; its form stays.
      if (state_ == State::kChunkExtension && c != '\r' && c != '\n') c = 'x';
      if (!FeedChunkFraming(c)) return false;
      Push(1, true, segments);
      ++*at;
      return true;
    }
  }
}

/// Sizes and line ends between chunks.
bool DirectionMasker::FeedChunkFraming(char c) {
  switch (state_) {
    case State::kChunkSize: {
      const int digit = HexValue(c);
      if (digit >= 0) {
        left_ = left_ << 4 | static_cast<uint64_t>(digit);
        return ++size_digits_ <= kMostSizeDigits;
      }
      if (size_digits_ == 0) return false;
      state_ = State::kChunkSizeEnd;
      [[fallthrough]];
    }
    case State::kChunkSizeEnd: {
      if (c == ' ' || c == '\t' || c == '\r') return true;
      if (c == ';') {
        state_ = State::kChunkExtension;
        extension_bytes_ = 0;
        return true;
      }
      [[fallthrough]];
    }
    case State::kChunkExtension: {
      if (state_ == State::kChunkExtension && c != '\n') {
        return ++extension_bytes_ <= kMostExtensionBytes;
      }
      if (c != '\n') return false;
      size_digits_ = 0;
      if (left_ > 0) {
        state_ = State::kChunkData;
        return true;
      }
      head_.BeginTrailer();
      state_ = State::kTrailer;
      return true;
    }
    case State::kChunkEnd:
      if (c == '\r') return true;
      if (c != '\n') return false;
      state_ = State::kChunkSize;
      left_ = 0;
      return true;
    default:
      return false;
  }
}

void DirectionMasker::MaskBody(std::string* bytes, size_t begin, size_t end,
                               std::vector<Segment>* segments) {
  if (body_ == Body::kUnknown) {
    // No type was stated: JSON is known by its first byte, anything else may be anything.
    size_t first = begin;
    while (first < end && std::isspace(static_cast<unsigned char>((*bytes)[first])) != 0) ++first;
    if (first < end) {
      const char c = (*bytes)[first];
      body_ = c == '{' || c == '[' ? Body::kJson : Body::kDropped;
      if (body_ == Body::kJson) json_ = std::make_unique<JsonTextMasker>();
    }
  }
  for (size_t i = begin; i < end && body_ == Body::kJson; ++i) {
    (*bytes)[i] = json_->Mask((*bytes)[i]);
  }
  for (size_t i = begin; i < end && body_ == Body::kEventStream; ++i) {
    (*bytes)[i] = sse_->Mask((*bytes)[i]);
  }
  Push(end - begin, body_ != Body::kDropped, segments);
}

/// A head where framing says there is none: framing may have been misled. Its credentials are
/// masked; where the body ends is still decided by framing.
void DirectionMasker::MaskEmbeddedHead(std::string* bytes, size_t at) const {
  HeadMasker head(options_.text);
  for (; at < bytes->size(); ++at) {
    const std::string_view ahead = std::string_view(*bytes).substr(at + 1);
    if (head.Feed(bytes->data() + at, ahead) != HeadMasker::Step::kMore) return;
  }
}

}  // namespace sonde::capture
