#include "decoders/json/extractor.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>

#include "decoders/json/scan.h"

namespace sonde::json {
namespace {

constexpr std::string_view kBomBytes = "\xef\xbb\xbf";
constexpr size_t kMaxNumberBytes = 64;
constexpr size_t kSmallPiece = 64;  // Text pieces below this are joined.
constexpr uint32_t kReplacement = 0xfffd;
constexpr double kMaxExactDouble = 9007199254740992.0;  // 2^53

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsTokenByte(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' ||
         c == '.';
}

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char SimpleEscape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    default:
      return c;
  }
}

const char* SkipDigits(const char* p, const char* end) {
  while (p < end && IsDigit(*p)) ++p;
  return p;
}

/// RFC 8259 section 6.
bool IsNumber(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p < end && *p == '-') ++p;
  const char* const integer = p;
  p = SkipDigits(p, end);
  if (p == integer || (*integer == '0' && p - integer > 1)) return false;
  if (p < end && *p == '.') {
    const char* const fraction = ++p;
    p = SkipDigits(p, end);
    if (p == fraction) return false;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    const char* const exponent = p;
    p = SkipDigits(p, end);
    if (p == exponent) return false;
  }
  return p == end;
}

/// What Python's json writes for numbers that JSON has not.
bool IsNotANumber(std::string_view text) {
  return text == "NaN" || text == "Infinity" || text == "-Infinity";
}

}  // namespace

std::optional<double> ToDouble(const Scalar& scalar) {
  if (scalar.kind != Kind::kNumber || scalar.truncated) return std::nullopt;
  double value = 0;
  const char* const end = scalar.text.data() + scalar.text.size();
  const auto result = std::from_chars(scalar.text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<int64_t> ToInteger(const Scalar& scalar) {
  if (scalar.kind != Kind::kNumber || scalar.truncated) return std::nullopt;
  int64_t value = 0;
  const char* const end = scalar.text.data() + scalar.text.size();
  const auto result = std::from_chars(scalar.text.data(), end, value);
  if (result.ec == std::errc() && result.ptr == end) return value;
  const std::optional<double> real = ToDouble(scalar);
  if (!real || std::trunc(*real) != *real || std::abs(*real) > kMaxExactDouble) {
    return std::nullopt;
  }
  return static_cast<int64_t>(*real);
}

void Extractor::Reset() {
  state_ = State::kBegin;
  use_ = Use::kPass;
  has_trailer_ = in_key_ = truncated_ = skip_in_string_ = skip_escaped_ = skip_array_ = false;
  escape_ = bom_bytes_ = 0;
  unit_ = surrogate_ = 0;
  node_ = Schema::kRoot;
  depth_ = 0;
  skip_depth_ = 0;
  pending_bytes_ = 0;
  capture_.clear();
  recorded_from_ = nullptr;
}

void Extractor::Feed(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  if (beginning_ && p < end && state_ == State::kBegin && bom_bytes_ == 0)
    p = TakeBeginning(p, end);
  while (p < end) {
    // The way of most members: what follows is a comma and another key.
    if (state_ == State::kAfter && end - p > 1 && p[0] == ',' && p[1] == '"' &&
        !frames_[depth_ - 1].array) {
      p = ReadKey(p + 2, end);
    } else {
      p = Step(p, end);
    }
  }
  recorded_from_ = nullptr;
}

// ---- Beginnings.

/// Passes over a beginning that is known; else has this one recorded.
const char* Extractor::TakeBeginning(const char* p, const char* end) {
  const Beginning& known = *beginning_;
  if (!beginning_->Starts({p, static_cast<size_t>(end - p)})) {
    beginning_->Clear();
    recorded_from_ = beginning_->Pays() ? p : nullptr;
    return p;
  }
  for (const Beginning::Step& step : known) {
    const Kind kind{step.kind};
    switch (step.told) {
      case Beginning::Told::kStart:
        handler_->OnStart(step.tag, kind);
        break;
      case Beginning::Told::kEnd:
        handler_->OnEnd(step.tag, kind);
        break;
      case Beginning::Told::kScalar:
        handler_->OnScalar(step.tag, {kind, step.boolean, step.truncated, known.text(step)});
        break;
    }
  }
  std::copy_n(beginning_frames_.begin(), beginning_depth_, frames_.begin());
  depth_ = beginning_depth_;
  node_ = beginning_node_;
  state_ = State::kValue;
  return p + known.size();
}

/// A wanted text comes at `end`: what is before it is the beginning.
void Extractor::KeepBeginning(const char* end) {
  beginning_->Keep({recorded_from_, static_cast<size_t>(end - recorded_from_)});
  beginning_frames_ = frames_;
  beginning_depth_ = depth_;
  beginning_node_ = node_;
  recorded_from_ = nullptr;
}

void Extractor::Record(const Beginning::Step& step, std::string_view text) {
  if (!beginning_->Add(step, text)) recorded_from_ = nullptr;
}

void Extractor::TellStart(Tag tag, Kind kind) {
  if (recorded_from_ != nullptr) {
    Record({.told = Beginning::Told::kStart, .kind = static_cast<uint8_t>(kind), .tag = tag}, {});
  }
  handler_->OnStart(tag, kind);
}

void Extractor::TellEnd(Tag tag, Kind kind) {
  if (recorded_from_ != nullptr) {
    Record({.told = Beginning::Told::kEnd, .kind = static_cast<uint8_t>(kind), .tag = tag}, {});
  }
  handler_->OnEnd(tag, kind);
}

void Extractor::TellScalar(Tag tag, const Scalar& scalar) {
  if (recorded_from_ != nullptr) {
    Record({.told = Beginning::Told::kScalar,
            .kind = static_cast<uint8_t>(scalar.kind),
            .boolean = scalar.boolean,
            .truncated = scalar.truncated,
            .tag = tag},
           scalar.text);
  }
  handler_->OnScalar(tag, scalar);
}

bool Extractor::Finish() {
  if (state_ == State::kScalar && depth_ == 0) EndScalar(capture_);
  if (state_ == State::kString) FlushText();  // Of a text that was cut off.
  return done() && !has_trailer_;
}

const char* Extractor::Step(const char* p, const char* end) {
  switch (state_) {
    case State::kString:
    case State::kKeyText:
      return ReadString(p, end);
    case State::kSkip:
      return Skip(p, end);
    case State::kScalar:
      return ReadScalar(p, end);
    case State::kBegin:
      return ReadBegin(p, end);
    case State::kFailed:
      return end;
    default:
      break;
  }
  while (p < end && IsBlank(*p)) ++p;
  if (p == end) return end;
  switch (state_) {
    case State::kValue:
      return ReadValue(p, end);
    case State::kFirstValue:
      if (*p == ']') {
        Close();
        return p + 1;
      }
      return ReadValue(p, end);
    case State::kFirstKey:
      if (*p == '}') {
        Close();
        return p + 1;
      }
      [[fallthrough]];
    case State::kKey:
      return *p == '"' ? ReadKey(p + 1, end) : Fail(end);
    case State::kColon:
      if (*p != ':') return Fail(end);
      state_ = State::kValue;
      return p + 1;
    case State::kAfter: {
      const char* const next = ReadAfter(p);
      return next == nullptr ? Fail(end) : next;
    }
    default:
      has_trailer_ = true;
      return end;
  }
}

const char* Extractor::ReadBegin(const char* p, const char* end) {
  while (p < end && IsBlank(*p) && bom_bytes_ == 0) ++p;
  while (p < end && bom_bytes_ < kBomBytes.size() && *p == kBomBytes[bom_bytes_]) {
    ++bom_bytes_;
    ++p;
  }
  if (p == end) return end;
  if (bom_bytes_ != 0 && bom_bytes_ != kBomBytes.size()) return Fail(end);
  state_ = State::kValue;
  return p;
}

const char* Extractor::ReadValue(const char* p, const char* end) {
  switch (*p) {
    case '"': {
      BeginString();
      if (recorded_from_ != nullptr && use_ == Use::kText) KeepBeginning(p);
      return ReadString(p + 1, end);
    }
    case '{':
    case '[':
      return Open(*p, p);
    default:
      if (!IsTokenByte(*p)) return Fail(end);
      capture_.clear();
      truncated_ = false;
      state_ = State::kScalar;
      return ReadScalar(p, end);
  }
}

const char* Extractor::Open(char bracket, const char* p) {
  const bool array = bracket == '[';
  const Schema::Node& node = schema_->node(node_);
  if (node.tag != 0) TellStart(node.tag, array ? Kind::kArray : Kind::kObject);
  const bool enter = array ? node.element != Schema::kNone : node.has_keys;
  if (!enter) {
    state_ = State::kSkip;
    skip_depth_ = 1;
    skip_array_ = array;
    skip_in_string_ = skip_escaped_ = false;
    return p + 1;
  }
  assert(depth_ < frames_.size());
  frames_[depth_++] = {node_, array};
  node_ = node.element;
  state_ = array ? State::kFirstValue : State::kFirstKey;
  return p + 1;
}

void Extractor::Close() {
  const Frame frame = frames_[--depth_];
  const Tag tag = schema_->node(frame.node).tag;
  ValueDone();
  if (tag != 0) TellEnd(tag, frame.array ? Kind::kArray : Kind::kObject);
}

void Extractor::ValueDone() { state_ = depth_ == 0 ? State::kDone : State::kAfter; }

const char* Extractor::ReadAfter(const char* p) {
  const Frame& frame = frames_[depth_ - 1];
  if (*p == ',') {
    node_ = schema_->node(frame.node).element;
    state_ = frame.array ? State::kValue : State::kKey;
    return p + 1;
  }
  if (*p != (frame.array ? ']' : '}')) return nullptr;
  Close();
  return p + 1;
}

// ---- Keys and strings.

const char* Extractor::ReadKey(const char* p, const char* end) {
  const char* const stop = FindQuoteOrBackslash(p, end);
  if (stop < end && *stop == '"') {
    EndKey({p, static_cast<size_t>(stop - p)});
    p = stop + 1;
    if (end - p < 3 || *p != ':') return p;
    p += p[1] == ' ' ? 2 : 1;
    state_ = State::kValue;
    return IsBlank(*p) ? p : ReadValue(p, end);
  }
  // Cut or escaped: collect it.
  state_ = State::kKeyText;
  in_key_ = true;
  use_ = Use::kCapture;
  limit_ = Schema::kMaxKeyBytes;
  truncated_ = false;
  capture_.clear();
  return p;
}

void Extractor::EndKey(std::string_view key) {
  node_ = schema_->Find(frames_[depth_ - 1].node, key);
  state_ = State::kColon;
}

void Extractor::BeginString() {
  const Schema::Node& node = schema_->node(node_);
  state_ = State::kString;
  in_key_ = false;
  truncated_ = false;
  use_ = Use::kPass;
  if (node.tag == 0) return;
  if (node.strings == Strings::kText) use_ = Use::kText;
  if (node.strings == Strings::kCapture) use_ = Use::kCapture;
  limit_ = node.limit;
  capture_.clear();
}

const char* Extractor::ReadString(const char* p, const char* end) {
  const char* const begin = p;
  const bool fresh = escape_ == 0 && surrogate_ == 0 && capture_.empty() && pending_bytes_ == 0;
  while (p < end) {
    if (escape_ != 0) {
      p = ReadEscape(p, end);
      continue;
    }
    const char* const stop = FindQuoteOrBackslash(p, end);
    if (stop < end && *stop == '"') {
      // The usual case, a captured string without escapes in one buffer, is not copied.
      if (fresh && p == begin && use_ == Use::kCapture && !in_key_ && !truncated_ &&
          static_cast<size_t>(stop - p) <= limit_) {
        ValueDone();
        TellScalar(schema_->node(node_).tag,
                   {Kind::kString, false, false, {p, static_cast<size_t>(stop - p)}});
        return stop + 1;
      }
      if (stop > p && use_ != Use::kPass) Piece({p, static_cast<size_t>(stop - p)});
      EndString();
      return stop + 1;
    }
    if (stop > p && use_ != Use::kPass) Piece({p, static_cast<size_t>(stop - p)});
    if (stop == end) return end;
    if (end - stop > 1 && (stop[1] != 'u' || use_ == Use::kPass)) {
      if (use_ != Use::kPass) PutSimpleEscape(stop[1]);
      p = stop + 2;
    } else {
      escape_ = 1;
      p = stop + 1;
    }
  }
  return p;
}

const char* Extractor::ReadEscape(const char* p, const char* end) {
  if (escape_ == 1) {
    if (*p == 'u' && use_ != Use::kPass) {
      escape_ = 2;
      unit_ = 0;
    } else {
      escape_ = 0;
      if (use_ != Use::kPass) PutSimpleEscape(*p);
    }
    return p + 1;
  }
  for (; p < end && escape_ != 0; ++p) {
    const int digit = HexValue(*p);
    if (digit < 0) {  // Not JSON; read on as if the escape had ended.
      escape_ = 0;
      UnescapedUnit(kReplacement);
      return p;
    }
    unit_ = static_cast<uint16_t>(unit_ << 4 | digit);
    if (++escape_ == 6) {
      escape_ = 0;
      UnescapedUnit(unit_);
    }
  }
  return p;
}

void Extractor::UnescapedUnit(uint32_t unit) {
  const bool low = unit >= 0xdc00 && unit <= 0xdfff;
  if (low && surrogate_ != 0) {
    const uint32_t high = surrogate_;
    surrogate_ = 0;
    EmitCodePoint(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
    return;
  }
  EndSurrogate();
  if (unit >= 0xd800 && unit <= 0xdbff) {
    surrogate_ = static_cast<uint16_t>(unit);
    return;
  }
  EmitCodePoint(low ? kReplacement : unit);
}

/// A high surrogate without its low one stands for an unknown character.
void Extractor::LoneSurrogate() {
  surrogate_ = 0;
  EmitCodePoint(kReplacement);
}

void Extractor::EmitCodePoint(uint32_t code) {
  char bytes[4];
  size_t size = 0;
  const auto put = [&](uint32_t byte) { bytes[size++] = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
  Piece({bytes, size});
}

void Extractor::Piece(std::string_view piece) {
  EndSurrogate();
  if (use_ == Use::kCapture) {
    const size_t room = limit_ - std::min<size_t>(limit_, capture_.size());
    truncated_ = truncated_ || piece.size() > room;
    capture_.append(piece.substr(0, room));
    return;
  }
  if (piece.size() >= kSmallPiece) {
    FlushText();
    handler_->OnText(schema_->node(node_).tag, piece);
    return;
  }
  if (pending_bytes_ + piece.size() > pending_.size()) FlushText();
  std::copy(piece.begin(), piece.end(), pending_.begin() + pending_bytes_);
  pending_bytes_ = static_cast<uint16_t>(pending_bytes_ + piece.size());
}

void Extractor::PutSimpleEscape(char escaped) {
  const char c = SimpleEscape(escaped);
  if (use_ == Use::kText && surrogate_ == 0 && pending_bytes_ < pending_.size()) {
    pending_[pending_bytes_++] = c;
  } else {
    Piece({&c, 1});
  }
}

void Extractor::FlushText() {
  if (pending_bytes_ == 0) return;
  const std::string_view text(pending_.data(), pending_bytes_);
  pending_bytes_ = 0;
  handler_->OnText(schema_->node(node_).tag, text);
}

void Extractor::EndString() {
  EndSurrogate();
  if (in_key_) {
    in_key_ = false;
    EndKey(truncated_ ? std::string_view() : std::string_view(capture_));
    if (truncated_) node_ = Schema::kNone;
    return;
  }
  ValueDone();
  if (use_ == Use::kPass) return;
  const Tag tag = schema_->node(node_).tag;
  if (use_ == Use::kText) {
    FlushText();
    handler_->OnTextEnd(tag);
  } else {
    TellScalar(tag, {Kind::kString, false, truncated_, capture_});
  }
}

// ---- Numbers and literals.

const char* Extractor::ReadScalar(const char* p, const char* end) {
  const char* const begin = p;
  while (p < end && IsTokenByte(*p)) ++p;
  const std::string_view text(begin, static_cast<size_t>(p - begin));
  if (p < end && capture_.empty() && text.size() <= kMaxNumberBytes) {
    return EndScalar(text) ? p : end;
  }
  const size_t room = kMaxNumberBytes - capture_.size();
  truncated_ = truncated_ || text.size() > room;
  capture_.append(text.substr(0, room));
  if (p == end) return end;
  return EndScalar(capture_) ? p : end;
}

bool Extractor::EndScalar(std::string_view text) {
  Scalar scalar;
  scalar.text = text;
  scalar.truncated = truncated_;
  if (text == "true" || text == "false") {
    scalar.kind = Kind::kBool;
    scalar.boolean = text == "true";
  } else if (text == "null" || IsNotANumber(text)) {
    scalar.kind = Kind::kNull;
  } else if (truncated_ || IsNumber(text)) {
    scalar.kind = Kind::kNumber;
  } else {
    state_ = State::kFailed;
    return false;
  }
  const Tag tag = schema_->node(node_).tag;
  ValueDone();
  if (tag != 0) TellScalar(tag, scalar);
  return true;
}

// ---- What nobody asks for.

const char* Extractor::Skip(const char* p, const char* end) {
  while (state_ == State::kSkip && static_cast<size_t>(end - p) >= kBlockBytes) p += SkipBlock(p);
  while (state_ == State::kSkip && p < end) p = SkipBytes(p, end);
  return p;
}

/// Passes over one block, or as much of it as belongs to the container.
size_t Extractor::SkipBlock(const char* p) {
  const Block block(p);
  uint64_t escaped = 0;
  uint64_t backslashes = block.Equal('\\');
  if (skip_escaped_) {
    escaped = 1;
    backslashes &= ~uint64_t{1};
  }
  bool carry = false;
  while (backslashes != 0) {
    const int at = std::countr_zero(backslashes);
    backslashes &= backslashes - 1;
    if (at == 63) {
      carry = true;
      break;
    }
    escaped |= uint64_t{2} << at;
    backslashes &= ~(uint64_t{2} << at);  // An escaped backslash escapes nothing.
  }
  const uint64_t quotes = block.Equal('"') & ~escaped;
  const uint64_t inside = PrefixXor(quotes) ^ (skip_in_string_ ? ~uint64_t{0} : 0);
  // "[" and "{", "]" and "}" differ in the bit 0x20 only.
  const uint64_t opens = block.EqualWith('{', 0x20) & ~inside;
  uint64_t closes = block.EqualWith('}', 0x20) & ~inside;
  const auto close_count = static_cast<uint64_t>(std::popcount(closes));
  if (close_count >= skip_depth_) {
    uint64_t brackets = opens | closes;
    uint64_t depth = skip_depth_;
    while (brackets != 0) {
      const uint64_t lowest = brackets & -brackets;
      depth += (opens & lowest) != 0 ? 1 : -1;
      if (depth == 0) {
        skip_depth_ = 0;
        EndSkip();
        return static_cast<size_t>(std::countr_zero(lowest)) + 1;
      }
      brackets &= brackets - 1;
    }
  }
  skip_depth_ += static_cast<uint64_t>(std::popcount(opens)) - close_count;
  skip_in_string_ = (inside >> 63) != 0;
  skip_escaped_ = carry;
  return kBlockBytes;
}

/// The same, byte by byte, where less than a block is left.
const char* Extractor::SkipBytes(const char* p, const char* end) {
  for (; p < end; ++p) {
    const bool escaped = skip_escaped_;
    skip_escaped_ = false;
    if (escaped && (*p == '"' || *p == '\\')) continue;
    if (*p == '\\') {
      skip_escaped_ = true;
    } else if (*p == '"') {
      skip_in_string_ = !skip_in_string_;
    } else if (skip_in_string_) {
      continue;
    } else if (*p == '{' || *p == '[') {
      ++skip_depth_;
    } else if ((*p == '}' || *p == ']') && --skip_depth_ == 0) {
      EndSkip();
      return p + 1;
    }
  }
  return p;
}

void Extractor::EndSkip() {
  skip_in_string_ = skip_escaped_ = false;
  const Tag tag = schema_->node(node_).tag;
  const bool array = skip_array_;
  ValueDone();
  if (tag != 0) TellEnd(tag, array ? Kind::kArray : Kind::kObject);
}

}  // namespace sonde::json
