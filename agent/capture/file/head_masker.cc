#include "agent/capture/file/head_masker.h"

#include <algorithm>
#include <cctype>

namespace sonde::capture {
namespace {

/// Longer heads are not taken for heads.
constexpr uint32_t kMostHeadBytes = 512 * 1024;
constexpr size_t kLongestMethod = 20;
constexpr std::string_view kSubprotocolKey = "openai-insecure-api-key.";
constexpr size_t kLongestSubprotocol = 40;

char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// "%6Bey" is "key".
SmallText<40> Decoded(std::string_view text) {
  SmallText<40> out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                        HexValue(text[i + 2]) >= 0;
    const char c =
        escape ? static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])) : text[i];
    if (escape) i += 2;
    out.Add(Lower(c));
  }
  return out;
}

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

char QueryMasker::Mask(char c, std::string_view ahead) {
  const bool separator = c == '&' || c == ';' || c == '?';
  const bool ends = c == ' ' || c == '#' || c == '"' || c == '>' || c == ',';
  switch (state_) {
    case State::kText:
      if (c == '?' || c == '&') {
        state_ = State::kName;
        name_.Clear();
      }
      return c;
    case State::kName:
      if (separator) {
        name_.Clear();
      } else if (ends) {
        state_ = State::kText;
      } else if (c == '=') {
        const bool secret = all_ || IsSecretParameter(Decoded(name_.view()).view());
        state_ = secret ? State::kSecretValue : State::kPlainValue;
        value_.Reset();
      } else {
        name_.Add(c);
      }
      return c;
    case State::kPlainValue:
    case State::kSecretValue:
      if (separator) {
        state_ = State::kName;
        name_.Clear();
        return c;
      }
      if (ends) {
        state_ = State::kText;
        return c;
      }
      return state_ == State::kSecretValue ? value_.Mask(c, ahead) : c;
  }
  return kMaskByte;
}

bool JsonValueMasker::InSecret(char c) {
  switch (state_) {
    case State::kBegin:
      if (c != ' ' && c != '\t') state_ = c == '{' || c == '[' ? State::kStructure : State::kOther;
      return false;
    case State::kStructure:
      if (c == '"') {
        state_ = State::kString;
        name_.Clear();
        last_ = 0;
      } else if (c == ':') {
        secret_ = secret_ || IsSecretParameter(name_.view());
      } else if (c == '[' && secret_) {
        ++lists_;
      } else if (c == ']' && lists_ > 0) {
        --lists_;
      } else if ((c == ',' && lists_ == 0) || c == '}') {
        secret_ = false;
        lists_ = 0;
      }
      return false;
    case State::kString:
      if (c == '"') {
        state_ = State::kStructure;
        return false;
      }
      if (c == '\\') state_ = State::kEscape;
      if (IsUpper(c) && last_ >= 'a' && last_ <= 'z') name_.Add('_');
      name_.Add(Lower(c));
      last_ = c;
      return secret_;
    case State::kEscape:
      state_ = State::kString;
      return secret_;
    case State::kOther:
      return false;
  }
  return true;
}

HeadMasker::Step HeadMasker::Feed(char* byte, std::string_view ahead) {
  if (++bytes_ > kMostHeadBytes) return Step::kNotHttp;
  switch (state_) {
    case State::kBefore:
      if (*byte == '\r' || *byte == '\n') return Step::kMore;  // Allowed between messages.
      state_ = State::kMethod;
      return FeedStartLine(byte, ahead);
    case State::kMethod:
    case State::kTarget:
    case State::kAuthority:
    case State::kVersionLine:
      return FeedStartLine(byte, ahead);
    case State::kLineStart:
    case State::kName:
    case State::kValue:
      return FeedHeader(byte, ahead);
    case State::kEnd:
      break;
  }
  return Step::kNotHttp;
}

void HeadMasker::BeginTrailer() {
  *this = HeadMasker(query_.all());
  trailer_ = true;
  state_ = State::kLineStart;
}

HeadMasker::Step HeadMasker::FeedStartLine(char* byte, std::string_view ahead) {
  const char c = *byte;
  if (state_ == State::kMethod) {
    const std::string_view method = method_.view();
    if (c == '/' && method == "HTTP") {
      facts_.response = true;
      state_ = State::kVersionLine;
      return Step::kMore;
    }
    if (c == ' ' && !method.empty()) {
      facts_.head_method = method == "HEAD";
      facts_.connect_method = method == "CONNECT";
      state_ = State::kTarget;
      return Step::kMore;
    }
    if ((!IsUpper(c) && c != '-' && c != '_') || method.size() >= kLongestMethod) {
      return Step::kNotHttp;
    }
    method_.Add(c);
    return Step::kMore;
  }
  if (state_ == State::kVersionLine) {  // "1.1 200 OK" behind "HTTP/".
    if (c == '\n') return EndStartLine();
    if (c != '\r') version_.Add(c);
    return Step::kMore;
  }
  return FeedTarget(byte, ahead);
}

HeadMasker::Step HeadMasker::FeedTarget(char* byte, std::string_view ahead) {
  const char c = *byte;
  if (c == '\n') return EndStartLine();
  if (c == ' ') {
    version_.Clear();
  } else if (c != '\r') {
    version_.Add(c);
  }
  if (state_ == State::kAuthority) {
    // The user of "https://user:password@host/": where the end is not in sight, all is masked.
    if (c == '/' || c == '?' || c == '#' || c == ' ') {
      state_ = State::kTarget;
      slashes_ = 3;
    } else {
      if (c == '@') mask_user_ = false;
      if (mask_user_) *byte = kMaskByte;
      return Step::kMore;
    }
  }
  if (slashes_ < 3) {
    slashes_ = c == ':' ? 1 : (c == '/' && slashes_ > 0 ? slashes_ + 1 : (c == '/' ? 9 : 0));
    if (slashes_ == 3) {
      const size_t end = ahead.find_first_of("/?# \r\n");
      mask_user_ = end == ahead.npos || Contains(ahead.substr(0, end), "@");
      state_ = State::kAuthority;
      return Step::kMore;
    }
  }
  *byte = query_.Mask(c, ahead);
  return Step::kMore;
}

HeadMasker::Step HeadMasker::EndStartLine() {
  const std::string_view version = version_.view();
  if (facts_.response) {  // "1.1 200"
    const bool fits = version.size() >= 7 && version[0] == '1' && version[1] == '.' &&
                      version[3] == ' ' && IsDigit(version[4]) && IsDigit(version[5]) &&
                      IsDigit(version[6]);
    if (!fits) return Step::kNotHttp;
    facts_.status = (version[4] - '0') * 100 + (version[5] - '0') * 10 + (version[6] - '0');
  } else {
    if (method_.view() == "PRI" && version == "HTTP/2.0") return Step::kPreface;
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return Step::kNotHttp;
  }
  state_ = State::kLineStart;
  return Step::kMore;
}

HeadMasker::Step HeadMasker::FeedHeader(char* byte, std::string_view ahead) {
  const char c = *byte;
  switch (state_) {
    case State::kLineStart:
      if (c == '\r') return Step::kMore;
      if (c == '\n') {
        EndHeader();
        state_ = State::kEnd;
        return Step::kDone;
      }
      if ((c == ' ' || c == '\t') &&
          !name_.empty()) {  // A folded line goes on with the last value.
        state_ = State::kValue;
        return Step::kMore;
      }
      EndHeader();
      name_.Clear();
      state_ = State::kName;
      [[fallthrough]];
    case State::kName:
      if (c == ':') {
        BeginValue();
        state_ = State::kValue;
      } else if (c == '\n') {  // No header line at all: nothing was kept of it but its name.
        state_ = State::kLineStart;
      } else {
        if (!name_.empty() || (c != ' ' && c != '\t')) name_.Add(Lower(c));
        // A name is printable and short; what is not may be anything.
        if (name_.cut()) *byte = c == '\r' ? c : kMaskByte;
      }
      return Step::kMore;
    case State::kValue:
      if (c == '\n') {
        state_ = State::kLineStart;
      } else {
        FeedValue(byte, ahead);
      }
      return Step::kMore;
    default:
      return Step::kNotHttp;
  }
}

void HeadMasker::BeginValue() {
  const std::string_view name = name_.view();
  rule_ = name_.cut() ? HeaderRule::kSecret : RuleForHeader(name);
  keep_value_ = name == "content-length" || name == "transfer-encoding" ||
                name == "content-encoding" || name == "content-type";
  value_.Clear();
  secret_.Reset();
  query_.Reset();
  json_.Reset();
}

void HeadMasker::FeedValue(char* byte, std::string_view ahead) {
  const char c = *byte;
  if (c == '\r') return;
  if (keep_value_ && (!value_.empty() || (c != ' ' && c != '\t'))) value_.Add(Lower(c));
  switch (rule_) {
    case HeaderRule::kSecret:
      *byte = secret_.Mask(c, ahead);
      return;
    case HeaderRule::kSubprotocols: {
      // Entries are kept while they are short words; the key behind its marker is not.
      if (c == ',' || c == ' ' || c == '\t') {
        value_.Clear();
        secret_.Reset();
        return;
      }
      const std::string_view entry = value_.view();
      if (entry.substr(0, kSubprotocolKey.size()) == kSubprotocolKey) {
        *byte = secret_.Mask(c, ahead);
      } else if (entry.size() >= kLongestSubprotocol) {
        *byte = kMaskByte;
      }
      value_.Add(c);
      return;
    }
    case HeaderRule::kPlain: {
      if (json_.InSecret(c)) {
        *byte = kMaskByte;
        return;
      }
      if (json_.is_json() && c == '"') {
        secret_.Reset();  // Each string may be a key of a known kind.
        return;
      }
      // A key under an unknown name: once its kind is whole, the rest is masked.
      const char masked = secret_.Mask(c, ahead);
      *byte = secret_.IsCredential() ? masked : query_.Mask(c, ahead);
      return;
    }
  }
}

void HeadMasker::ReadLength(std::string_view text) {
  uint64_t length = 0;
  bool ok = !text.empty() && text.size() <= 18;
  for (const char c : text) {
    if (!IsDigit(c)) ok = false;
    if (ok) length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  if (!ok || (facts_.length && *facts_.length != length)) facts_.bad_framing = true;
  facts_.length = length;
}

void HeadMasker::EndHeader() {
  const std::string_view name = name_.view();
  if (name.empty() || !keep_value_ || trailer_) return;
  keep_value_ = false;
  const std::string_view value = value_.view();
  if (name == "content-length") {
    ReadLength(value_.cut() ? std::string_view() : value);
  } else if (name == "transfer-encoding") {
    if (value == "chunked" && !facts_.chunked) {
      facts_.chunked = true;
    } else {
      facts_.other_coding = true;
    }
  } else if (name == "content-encoding") {
    facts_.encoded = facts_.encoded || (value != "identity" && !value.empty());
  } else {
    facts_.typed = true;
    facts_.event_stream = value.substr(0, 17) == "text/event-stream";
    facts_.json = value.substr(0, 16) == "application/json" || Contains(value, "+json") ||
                  Contains(value, "ndjson") || Contains(value, "jsonl");
  }
}

}  // namespace sonde::capture
