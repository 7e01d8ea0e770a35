#include "decoders/wire/chunked_body.h"

#include <algorithm>

namespace sonde::wire {
namespace {

constexpr uint64_t kMaxChunk = uint64_t{1} << 60;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ChunkedBody::Status ChunkedBody::Next(std::string_view* bytes, std::string_view* data) {
  while (!bytes->empty()) {
    if (state_ == State::kData) {
      const auto taken = static_cast<size_t>(std::min<uint64_t>(remaining_, bytes->size()));
      *data = bytes->substr(0, taken);
      bytes->remove_prefix(taken);
      remaining_ -= taken;
      if (remaining_ == 0) state_ = State::kAfter;
      return Status::kData;
    }
    const char c = bytes->front();
    bytes->remove_prefix(1);
    Status status = Status::kNeedMore;
    switch (state_) {
      case State::kSize:
        status = ReadSize(c);
        break;
      case State::kRest:
        if (++line_bytes_ > kMaxLineBytes) return Status::kBroken;
        if (c == '\n') status = EndSizeLine();
        break;
      case State::kAfter:
        if (c != '\r' && c != '\n') return Status::kBroken;
        if (c == '\n') state_ = State::kSize;
        break;
      case State::kTrailer:
        status = ReadTrailer(c);
        break;
      case State::kData:
      case State::kEnd:
        break;
    }
    if (status != Status::kNeedMore) return status;
  }
  return Status::kNeedMore;
}

ChunkedBody::Status ChunkedBody::ReadSize(char c) {
  if (const int digit = HexValue(c); digit >= 0) {
    if (remaining_ >= kMaxChunk >> 4 || ++line_bytes_ > kMaxLineBytes) return Status::kBroken;
    has_digit_ = true;
    remaining_ = remaining_ << 4 | static_cast<uint64_t>(digit);
    return Status::kNeedMore;
  }
  if (!has_digit_ || (c != ';' && c != ' ' && c != '\t' && c != '\r' && c != '\n')) {
    return Status::kBroken;
  }
  state_ = State::kRest;
  return c == '\n' ? EndSizeLine() : Status::kNeedMore;
}

ChunkedBody::Status ChunkedBody::EndSizeLine() {
  state_ = remaining_ > 0 ? State::kData : State::kTrailer;
  has_digit_ = false;
  line_bytes_ = 0;
  line_empty_ = true;
  return Status::kNeedMore;
}

ChunkedBody::Status ChunkedBody::ReadTrailer(char c) {
  if (++line_bytes_ > kMaxLineBytes) return Status::kBroken;
  if (c == '\n') {
    if (line_empty_) {
      state_ = State::kEnd;
      return Status::kEnd;
    }
    line_empty_ = true;
  } else if (c != '\r') {
    line_empty_ = false;
  }
  return Status::kNeedMore;
}

bool ChunkedBody::Hole(uint64_t length) {
  if (state_ != State::kData || length > remaining_) return false;
  remaining_ -= length;
  if (remaining_ == 0) state_ = State::kAfter;
  return true;
}

}  // namespace sonde::wire
