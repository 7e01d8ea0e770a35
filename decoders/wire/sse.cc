#include "decoders/wire/sse.h"

#include <algorithm>
#include <cstring>

namespace sonde::wire {
namespace {

constexpr std::string_view kBomBytes = "\xef\xbb\xbf";
constexpr std::string_view kDataPrefix = "data:";
constexpr size_t kLongestField = 5;  // "event"

bool IsBreak(char c) { return c == '\n' || c == '\r'; }

const char* FindBreak(const char* p, const char* end) {
  const auto size = static_cast<size_t>(end - p);
  const auto* lf = static_cast<const char*>(memchr(p, '\n', size));
  const char* const limit = lf != nullptr ? lf : end;
  const auto* cr = static_cast<const char*>(memchr(p, '\r', static_cast<size_t>(limit - p)));
  return cr != nullptr ? cr : limit;
}

}  // namespace

void SseParser::Feed(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end) {
    if (skip_lf_) {
      skip_lf_ = false;
      if (*p == '\n') {
        ++p;
        continue;
      }
    }
    p = Step(p, end);
  }
}

const char* SseParser::Step(const char* p, const char* end) {
  switch (state_) {
    case State::kBom:
      return ReadBom(p, end);
    case State::kField:
      if (field_bytes_ == 0) {
        const char* const next = FastLines(p, end);
        if (next != p) return next;
      }
      return ReadField(p, end);
    case State::kSpace:
      state_ = State::kValue;
      return *p == ' ' ? p + 1 : p;
    case State::kValue:
    case State::kSkip:
      return ReadValue(p, end);
    case State::kLost:
      return SkipLost(p, end);
  }
  return end;
}

/// Whole "data:" lines that end inside the buffer, without the state machine.
const char* SseParser::FastLines(const char* p, const char* end) {
  if (static_cast<size_t>(end - p) <= kDataPrefix.size() ||
      memcmp(p, kDataPrefix.data(), kDataPrefix.size()) != 0) {
    return p;
  }
  const char* value = p + kDataPrefix.size();
  const char* const stop = FindBreak(value, end);
  if (stop == end) return p;
  if (*value == ' ') ++value;
  field_ = Field::kData;
  BeginValue();
  Value({value, static_cast<size_t>(stop - value)});
  EndLine(*stop);
  return stop + 1;
}

const char* SseParser::ReadBom(const char* p, const char* end) {
  while (p < end && bom_bytes_ < kBomBytes.size() && *p == kBomBytes[bom_bytes_]) {
    ++bom_bytes_;
    ++p;
  }
  if (bom_bytes_ == kBomBytes.size() || bom_bytes_ == 0) {
    state_ = State::kField;
  } else if (p < end) {
    state_ = State::kSkip;  // A part of a mark is the beginning of an unknown field.
  }
  return p;
}

const char* SseParser::ReadField(const char* p, const char* end) {
  for (; p < end; ++p) {
    if (IsBreak(*p)) {
      if (field_bytes_ == 0) {
        Dispatch(false);
      } else {
        BeginValue();  // A line without a colon is a field with an empty value.
      }
      EndLine(*p);
      return p + 1;
    }
    if (*p == ':') {
      BeginValue();
      return p + 1;
    }
    if (field_bytes_ > kLongestField) {
      state_ = State::kSkip;
      return p;
    }
    field_name_[field_bytes_++] = *p;
  }
  return p;
}

/// The field's name is known: opens its value.
void SseParser::BeginValue() {
  if (field_bytes_ > 0 || field_ != Field::kData) {
    const std::string_view name(field_name_, field_bytes_);
    field_ = name == "data" ? Field::kData : name == "event" ? Field::kEvent : Field::kOther;
  }
  if (field_ == Field::kData) {
    if (has_data_) handler_->OnEventData("\n");
    has_data_ = true;
  } else if (field_ == Field::kEvent) {
    name_.clear();
  }
  state_ = field_ == Field::kOther ? State::kSkip : State::kSpace;
}

void SseParser::Value(std::string_view piece) {
  if (piece.empty()) return;
  if (field_ == Field::kData) {
    handler_->OnEventData(piece);
  } else if (field_ == Field::kEvent && name_.size() < kMaxNameBytes) {
    name_.append(piece.substr(0, kMaxNameBytes - name_.size()));
  }
}

const char* SseParser::ReadValue(const char* p, const char* end) {
  const char* const stop = FindBreak(p, end);
  if (state_ == State::kValue) Value({p, static_cast<size_t>(stop - p)});
  if (stop == end) return end;
  EndLine(*stop);
  return stop + 1;
}

void SseParser::EndLine(char terminator) {
  skip_lf_ = terminator == '\r';
  field_bytes_ = 0;
  field_ = Field::kOther;
  state_ = State::kField;
}

void SseParser::Dispatch(bool flushed) {
  if (has_data_) handler_->OnEvent(name_, flushed);
  has_data_ = false;
  name_.clear();
}

const char* SseParser::SkipLost(const char* p, const char* end) {
  for (; p < end; ++p) {
    if (!IsBreak(*p)) {
      lost_blank_ = false;
      const char* const stop = FindBreak(p, end);
      if (stop == end) return end;
      p = stop;
    }
    const bool blank = lost_blank_;
    lost_blank_ = true;
    if (*p == '\r' && p + 1 < end && p[1] == '\n') ++p;
    const bool at_end = *p == '\r' && p + 1 == end;
    if (blank) {
      EndLine(at_end ? '\r' : '\n');
      return p + 1;
    }
    if (at_end) {
      skip_lf_ = true;
      return end;
    }
  }
  return p;
}

void SseParser::Gap() {
  if (has_data_) handler_->OnEventDropped();
  has_data_ = false;
  skip_lf_ = false;
  lost_blank_ = false;
  field_bytes_ = 0;
  name_.clear();
  state_ = State::kLost;
}

void SseParser::Finish() {
  if (state_ == State::kLost) return;
  // A last line without its break is a line, too.
  if (state_ == State::kField && field_bytes_ > 0) BeginValue();
  EndLine('\n');
  Dispatch(true);
}

}  // namespace sonde::wire
