#include "agent/capture/file/text_masker.h"

#include <algorithm>
#include <cctype>

namespace sonde::capture {
namespace {

/// Keys whose string values are facts, not text.
constexpr std::string_view kFactKeys[] = {"anthropic_version",
                                          "budget_tokens",
                                          "call_id",
                                          "container",
                                          "effort",
                                          "encoding_format",
                                          "event",
                                          "finishReason",
                                          "finish_reason",
                                          "format",
                                          "id",
                                          "inference_geo",
                                          "item_id",
                                          "media_type",
                                          "modalities",
                                          "model",
                                          "modelVersion",
                                          "native_finish_reason",
                                          "object",
                                          "previous_response_id",
                                          "provider",
                                          "reasoning_effort",
                                          "request_id",
                                          "responseId",
                                          "response_id",
                                          "role",
                                          "service_tier",
                                          "speed",
                                          "status",
                                          "stop_reason",
                                          "system_fingerprint",
                                          "tool_call_id",
                                          "tool_choice",
                                          "tool_use_id",
                                          "truncation",
                                          "ttl",
                                          "type",
                                          "user",
                                          "user_id",
                                          "verbosity",
                                          "voice"};

/// Values below these are a user's own structure.
constexpr std::string_view kFreeFormKeys[] = {
    "arguments",    "const",      "default",    "enum",     "examples", "input",
    "input_schema", "parameters", "properties", "response", "schema",   "args"};

/// Objects below these carry the name of a tool or function.
constexpr std::string_view kNamedKeys[] = {
    "content",     "content_block", "function",   "function_call", "functions", "json_schema",
    "server_tool", "tool",          "tool_calls", "tool_choice",   "tools"};

template <size_t N>
bool Holds(const std::string_view (&list)[N], std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// What stands for text that is not understood: line ends stay.
char Opaque(char c) { return c == '\r' || c == '\n' ? c : kMaskByte; }

}  // namespace

char JsonTextMasker::Mask(char c) {
  switch (state_) {
    case State::kStructure:
      return MaskStructure(c);
    case State::kKey:
    case State::kText:
      return MaskString(c);
    case State::kLiteral:
      return MaskLiteral(c);
    case State::kNumber:
      return MaskNumber(c);
    case State::kBroken:
      return Opaque(c);
  }
  return kMaskByte;
}

void JsonTextMasker::Open(bool object) {
  const Frame& outer = top();
  Frame inner{.object = object};
  const std::string_view key = key_.cut() ? std::string_view() : key_.view();
  if (outer.object) {
    // At the top "input" is a conversation and "response" a reply.
    inner.free_form = outer.free_form || (depth_ > 1 && Holds(kFreeFormKeys, key));
    inner.named = Holds(kNamedKeys, key);
    inner.error = key == "error";
    inner.keep_strings = !object && KeepsValue();
  } else {
    inner = outer;  // Entries of a list are what the list is.
    inner.object = object;
  }
  frames_[static_cast<size_t>(++depth_)] = inner;
  expect_key_ = object;
  first_in_list_ = !object;
  key_.Clear();
}

bool JsonTextMasker::Close(bool object) {
  if (depth_ == 0 || top().object != object) return false;
  --depth_;
  expect_key_ = false;
  first_in_list_ = false;
  return true;
}

bool JsonTextMasker::KeepsValue() const {
  const Frame& frame = top();
  if (frame.free_form) return false;
  if (!frame.object) return frame.keep_strings;
  const std::string_view key = key_.view();
  if (key_.cut()) return false;
  if (key == "name") return frame.named;
  // Elsewhere it is a program that a model wrote.
  if (key == "code") return frame.error;
  return Holds(kFactKeys, key);
}

char JsonTextMasker::MaskStructure(char c) {
  if (IsBlank(c)) return c;
  const bool done_marker = stream_end_ && c == 'D' && depth_ == 1 && first_in_list_;
  if (c != ']') first_in_list_ = false;
  bool fits = true;
  switch (c) {
    case '{':
    case '[':
      fits = depth_ < kDeepest && !expect_key_;
      if (fits) Open(c == '{');
      break;
    case '}':
    case ']':
      fits = Close(c == '}');
      break;
    case ',':
      expect_key_ = top().object;
      if (top().object) key_.Clear();
      break;
    case ':':
      expect_key_ = false;
      break;
    case '"':
      if (expect_key_) {
        key_.Clear();
        state_ = State::kKey;
      } else {
        keep_ = KeepsValue();
        state_ = State::kText;
      }
      break;
    case 't':
      literal_ = "rue";
      state_ = State::kLiteral;
      break;
    case 'f':
      literal_ = "alse";
      state_ = State::kLiteral;
      break;
    case 'n':
      literal_ = "ull";
      state_ = State::kLiteral;
      break;
    default:
      if (done_marker) {
        literal_ = "ONE";
        state_ = State::kLiteral;
      } else if (IsDigit(c) || c == '-') {
        state_ = State::kNumber;
        return MaskNumber(c);
      } else {
        fits = false;
      }
  }
  if (fits) return c;
  state_ = State::kBroken;
  return Opaque(c);
}

char JsonTextMasker::MaskLiteral(char c) {
  if (literal_.empty()) {
    state_ = State::kStructure;
    return MaskStructure(c);
  }
  if (c != literal_.front()) {
    state_ = State::kBroken;
    return Opaque(c);
  }
  literal_.remove_prefix(1);
  return c;
}

char JsonTextMasker::MaskNumber(char c) {
  if (IsDigit(c)) return top().free_form ? '1' : c;
  if (c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E') return c;
  state_ = State::kStructure;
  return MaskStructure(c);
}

char JsonTextMasker::MaskString(char c) {
  const bool kept = state_ == State::kKey || keep_;
  if (escape_ == Escape::kBackslash) {
    escape_ = c == 'u' ? Escape::kHex : Escape::kNone;
    hex_left_ = 4;
    if (state_ == State::kKey) key_.Add(c);
    // An escape stays one: which it was says little, another might be none.
    const bool known = std::string_view("\"\\/bfnrtu").find(c) != std::string_view::npos;
    if (known || kept) return c;
    return 'n';
  }
  if (escape_ == Escape::kHex) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) {
      if (state_ == State::kKey) key_.Add(c);
      const char masked = MaskHex(c);
      return kept ? c : masked;
    }
    escape_ = Escape::kNone;  // Broken; goes on as text.
  }
  if (c == '\\') {
    escape_ = Escape::kBackslash;
    utf8_left_ = 0;
    return c;
  }
  if (c == '"') {
    state_ = State::kStructure;
    utf8_left_ = 0;
    return c;
  }
  if (state_ == State::kKey) {
    key_.Add(c);
    return c;
  }
  return keep_ ? c : MaskUtf8(c);
}

/// Four digits to those of a character with as many UTF-8 bytes, surrogates to surrogates.
char JsonTextMasker::MaskHex(char c) {
  const int value = IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
  const uint8_t place = hex_left_--;
  if (hex_left_ == 0) escape_ = Escape::kNone;
  if (place == 4) {
    hex_first_ = value == 0 ? '0' : (value == 0xd ? 'd' : '4');
    return hex_first_;
  }
  if (place == 3) {
    if (hex_first_ == '4') return hex_second_ = 'e';
    if (hex_first_ == 'd') return hex_second_ = value < 8 ? '0' : (value < 0xc ? '8' : 'c');
    return hex_second_ = value == 0 ? '0' : '4';
  }
  // Below U+0100: U+0078 is 'x', one byte; U+00E9 has two.
  if (place == 2 && hex_first_ == '0' && hex_second_ == '0') {
    return hex_second_ = value < 8 ? '7' : 'e';
  }
  if (place == 1 && hex_first_ == '0' && hex_second_ == '7') return '8';
  if (place == 1 && hex_first_ == '0' && hex_second_ == 'e') return '9';
  return '0';
}

char JsonTextMasker::MaskUtf8(char c) {
  // Replacements: U+00D7, U+4E00, U+1F600.
  constexpr std::string_view kTwo = "\xc3\x97";
  constexpr std::string_view kThree = "\xe4\xb8\x80";
  constexpr std::string_view kFour = "\xf0\x9f\x98\x80";
  const auto byte = static_cast<uint8_t>(c);
  if (byte < 0x80) {
    utf8_left_ = 0;
    return IsBlank(c) ? c : kMaskByte;
  }
  if (byte < 0xc0) {
    if (utf8_left_ == 0) return kMaskByte;  // Stray.
    const auto at = static_cast<size_t>(utf8_size_ - utf8_left_--);
    return utf8_size_ == 2 ? kTwo[at] : (utf8_size_ == 3 ? kThree[at] : kFour[at]);
  }
  utf8_size_ = byte < 0xe0 ? 2 : (byte < 0xf0 ? 3 : 4);
  utf8_left_ = static_cast<uint8_t>(utf8_size_ - 1);
  return utf8_size_ == 2 ? kTwo[0] : (utf8_size_ == 3 ? kThree[0] : kFour[0]);
}

char SseTextMasker::Mask(char c) {
  if (c == '\r') return c;
  if (c == '\n') {
    if (line_is_empty_) json_.Reset();  // The event ends.
    state_ = State::kField;
    line_is_empty_ = true;
    field_.Clear();
    word_.Clear();
    return c;
  }
  line_is_empty_ = false;
  switch (state_) {
    case State::kField: {
      if (c == ':') {
        const std::string_view field = field_.view();
        const bool word = field == "event" || field == "retry";
        state_ = field == "data" ? State::kBlank : (word ? State::kWord : State::kOther);
        return c;
      }
      field_.Add(c);
      for (const std::string_view known : {"data", "event", "retry", "id"}) {
        if (!field_.cut() && known.substr(0, field_.view().size()) == field_.view()) return c;
      }
      state_ = State::kOther;
      return kMaskByte;
    }
    case State::kBlank:
      state_ = State::kData;
      return c == ' ' ? c : json_.Mask(c);
    case State::kData:
      return json_.Mask(c);
    case State::kWord: {
      word_.Add(c);
      const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' ||
                         c == '-' || c == ' ';
      return plain && !word_.cut() ? c : kMaskByte;
    }
    case State::kOther:
      return kMaskByte;
  }
  return kMaskByte;
}

}  // namespace sonde::capture
