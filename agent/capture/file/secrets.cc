#include "agent/capture/file/secrets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace sonde::capture {
namespace {

constexpr std::array<std::string_view, 6> kSchemes = {"bearer ", "basic ",     "token ",
                                                      "digest ", "negotiate ", "aws4-hmac-sha256 "};
/// Kinds of keys; longer ones that begin alike are listed too.
constexpr std::array<std::string_view, 18> kKinds = {"sk-",
                                                     "sk-proj-",
                                                     "sk-svcacct-",
                                                     "sk-admin-",
                                                     "sk-ant-api03-",
                                                     "sk-ant-oat01-",
                                                     "sk-ant-admin01-",
                                                     "sk-or-v1-",
                                                     "gsk_",
                                                     "xai-",
                                                     "pplx-",
                                                     "hf_",
                                                     "r8_",
                                                     "AIza",
                                                     "AKIA",
                                                     "ya29.",
                                                     "ghp_",
                                                     "xoxb-"};
/// Beginnings that give a credential away wherever it stands.
constexpr std::array<std::string_view, 9> kTelling = {"sk-",   "gsk_", "AIza",  "AKIA", "ASIA",
                                                      "ya29.", "ghp_", "xoxb-", "eyJ"};
/// A shorter run of key characters is no key.
constexpr size_t kShortestKey = 16;

constexpr std::array<std::string_view, 11> kSecretHeaders = {
    "cookie", "set-cookie", "set-cookie2", "api-key", "apikey",  "key",
    "token",  "secret",     "signature",   "auth",    "password"};
/// Nothing reads a value of these names but who knows the secret; that an Idempotency-Key is masked
/// too costs nothing.
constexpr std::array<std::string_view, 8> kSecretHeaderEnds = {
    "-key", "-apikey", "-token", "-secret", "-signature", "-password", "-auth", "-credential"};

constexpr std::array<std::string_view, 30> kSecretParameters = {"key",
                                                                "code",
                                                                "api_key",
                                                                "apikey",
                                                                "api-key",
                                                                "access_token",
                                                                "accesstoken",
                                                                "auth_token",
                                                                "token",
                                                                "id_token",
                                                                "refresh_token",
                                                                "sig",
                                                                "signature",
                                                                "secret",
                                                                "client_secret",
                                                                "password",
                                                                "passwd",
                                                                "pwd",
                                                                "auth",
                                                                "authorization",
                                                                "credential",
                                                                "access_key",
                                                                "x-api-key",
                                                                "x-goog-api-key",
                                                                "x-amz-signature",
                                                                "x-amz-credential",
                                                                "x-amz-security-token",
                                                                "x-goog-signature",
                                                                "x-goog-credential",
                                                                "subscription-key"};

constexpr std::array<std::string_view, 8> kSecretParameterEnds = {
    "_token", "-token", "_secret", "-secret", "_key", "-key", "_password", "-password"};

/// Words in the names of options and variables.
constexpr std::array<std::string_view, 9> kTellingWords = {"apikey",        "api_key",    "api-key",
                                                           "token",         "secret",     "passw",
                                                           "authorization", "credential", "cookie"};

char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

template <typename List>
bool Holds(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

HeaderRule RuleForHeader(std::string_view name) {
  if (name == "sec-websocket-protocol") return HeaderRule::kSubprotocols;
  if (Holds(kSecretHeaders, name)) return HeaderRule::kSecret;
  if (name.find("authorization") != name.npos) return HeaderRule::kSecret;
  const bool telling = std::any_of(kSecretHeaderEnds.begin(), kSecretHeaderEnds.end(),
                                   [name](std::string_view end) { return EndsWith(name, end); });
  return telling ? HeaderRule::kSecret : HeaderRule::kPlain;
}

bool IsSecretParameter(std::string_view name) {
  while (!name.empty() && name.front() == '-') name.remove_prefix(1);  // --key V
  return Holds(kSecretParameters, name) ||
         std::any_of(kSecretParameterEnds.begin(), kSecretParameterEnds.end(),
                     [name](std::string_view end) { return EndsWith(name, end); });
}

bool SecretValue::Fits(bool* complete) const {
  const std::string_view seen(seen_, size_);
  bool fits = false;
  *complete = false;
  const auto test = [&](std::string_view known, bool fold) {
    if (known.size() < seen.size()) return;
    for (size_t i = 0; i < seen.size(); ++i) {
      if ((fold ? Lower(seen[i]) : seen[i]) != known[i]) return;
    }
    fits = true;
    if (known.size() == seen.size()) *complete = true;
  };
  if (in_scheme_) {
    for (const std::string_view scheme : kSchemes) test(scheme, true);
  }
  for (const std::string_view kind : kKinds) test(kind, false);
  return fits;
}

/// Length of the longest scheme or kind that begins here, 0 when none is there whole.
size_t SecretValue::KnownLength(char c, std::string_view ahead) const {
  size_t longest = 0;
  const auto test = [&](std::string_view known, bool fold) {
    if (known.size() <= longest || known.size() > ahead.size() + 1) return;
    for (size_t i = 0; i < known.size(); ++i) {
      const char seen = i == 0 ? c : ahead[i - 1];
      if ((fold ? Lower(seen) : seen) != known[i]) return;
    }
    longest = known.size();
  };
  if (in_scheme_) {
    for (const std::string_view scheme : kSchemes) test(scheme, true);
  }
  for (const std::string_view kind : kKinds) test(kind, false);
  return longest;
}

char SecretValue::Mask(char c, std::string_view ahead) {
  // Blanks in front, and between a scheme and its value.
  if (matching_ && size_ == 0 && (c == ' ' || c == '\t')) return c;
  if (matching_ && size_ == 0) keep_left_ = static_cast<uint8_t>(KnownLength(c, ahead));
  if (matching_) {
    seen_[size_++] = c;
    bool complete = false;
    matching_ = Fits(&complete);
    if (complete) {
      credential_ = credential_ || c == ' ' || Holds(kTelling, std::string_view(seen_, size_));
      if (c == ' ') {  // A scheme: what follows may be of a known kind.
        in_scheme_ = false;
        size_ = 0;
        keep_left_ = 0;
        return c;
      }
    }
  }
  if (keep_left_ == 0) return kMaskByte;
  --keep_left_;
  return c;
}

namespace {

bool IsKeyCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
         c == '+' || c == '/' || c == '=' || c == '~' || c == '%';
}

bool EndsValue(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\'' || c == '"' || c == '&' || c == ';' ||
         c == ',' || c == '#' || c == '\0';
}

/// Masks from `at` to the end of the value; a scheme's value is the word after it.
size_t MaskValue(std::string& line, size_t at) {
  SecretValue value;
  for (; at < line.size(); ++at) {
    const std::string_view ahead = std::string_view(line).substr(at + 1);
    // The blank that ends a scheme does not end its value.
    const bool scheme_blank =
        line[at] == ' ' && value.Open() && SecretValue(value).Mask(' ', ahead) == ' ';
    if (EndsValue(line[at]) && !scheme_blank) break;
    line[at] = value.Mask(line[at], ahead);
  }
  return at;
}

/// "--api-key V", "--api-key=V", "OPENAI_API_KEY=V", "x-api-key: V", "?key=V".
void MaskNamedValues(std::string& line) {
  size_t name_begin = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool in_name = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
    if (in_name) continue;
    std::string name = line.substr(name_begin, i - name_begin);
    std::transform(name.begin(), name.end(), name.begin(), Lower);
    const bool option = name.size() > 2 && name[0] == '-' && name[1] == '-';
    const bool assigns = c == '=' || c == ':' || (c == ' ' && option);
    const auto names_secret = [&name](std::string_view word) {
      return name.find(word) != name.npos;
    };
    const bool secret = std::any_of(kTellingWords.begin(), kTellingWords.end(), names_secret) ||
                        RuleForHeader(name) == HeaderRule::kSecret || IsSecretParameter(name);
    // "--max-tokens 100" tells nothing.
    const bool counts = EndsWith(name, "tokens") || EndsWith(name, "tokens-remaining");
    name_begin = i + 1;
    if (!assigns || !secret || counts || name.empty()) continue;
    size_t value = i + 1;
    while (value < line.size() &&
           (line[value] == ' ' || line[value] == '"' || line[value] == '\'')) {
      ++value;
    }
    if (c == ' ' && value < line.size() && line[value] == '-') continue;  // Another option.
    if (c == ':' && line.compare(value, 2, "//") == 0) continue;
    i = MaskValue(line, value);
    name_begin = i + 1;
  }
}

/// "https://user:password@host", "-u user:password".
void MaskUsers(std::string& line) {
  for (size_t at = line.find("://"); at != line.npos; at = line.find("://", at + 3)) {
    const size_t begin = at + 3;
    const size_t end = std::min(line.find_first_of("/ ?#'\"", begin), line.size());
    const size_t user_end = line.rfind('@', end);
    if (user_end == line.npos || user_end < begin || user_end >= end) continue;
    std::fill(line.begin() + static_cast<ptrdiff_t>(begin),
              line.begin() + static_cast<ptrdiff_t>(user_end), kMaskByte);
  }
  for (const std::string_view option : {" -u ", " --user ", " --proxy-user "}) {
    for (size_t at = line.find(option); at != line.npos; at = line.find(option, at + 1)) {
      for (size_t i = at + option.size(); i < line.size() && !EndsValue(line[i]); ++i) {
        line[i] = kMaskByte;
      }
    }
  }
}

/// "sk-...", "AIza...", "eyJ...": wherever they stand.
void MaskBareKeys(std::string& line) {
  for (size_t i = 0; i < line.size(); ++i) {
    const bool word_start = i == 0 || std::isalnum(static_cast<unsigned char>(line[i - 1])) == 0;
    if (!word_start) continue;
    const std::string_view rest = std::string_view(line).substr(i);
    const bool telling =
        std::any_of(kTelling.begin(), kTelling.end(),
                    [rest](std::string_view kind) { return rest.substr(0, kind.size()) == kind; });
    if (!telling) continue;
    size_t end = i;
    while (end < line.size() && IsKeyCharacter(line[end])) ++end;
    if (end - i < kShortestKey) continue;
    i = MaskValue(line, i);
  }
}

/// "Authorization: Bearer V" with the scheme in another place than behind a telling name.
void MaskSchemes(std::string& line) {
  std::string folded = line;
  std::transform(folded.begin(), folded.end(), folded.begin(), Lower);
  for (const std::string_view scheme : {"bearer ", "basic "}) {
    for (size_t at = folded.find(scheme); at != folded.npos; at = folded.find(scheme, at + 1)) {
      size_t end = at + scheme.size();
      while (end < line.size() && IsKeyCharacter(line[end])) ++end;
      if (end - at - scheme.size() >= kShortestKey / 2) MaskValue(line, at);
    }
  }
}

}  // namespace

std::string MaskCommandText(std::string command_line) {
  // Options that are followed by a program's text.
  constexpr std::array<std::string_view, 5> kCode = {"-c", "-e", "-p", "--eval", "--print"};
  bool mask = false;
  bool module = false;
  size_t end = command_line.find(' ');
  while (end != std::string::npos) {
    const size_t begin = end + 1;
    end = command_line.find(' ', begin);
    const size_t length = (end == std::string::npos ? command_line.size() : end) - begin;
    const std::string_view word = std::string_view(command_line).substr(begin, length);
    size_t kept = 0;
    if (!mask && word.starts_with('-')) {
      mask = std::find(kCode.begin(), kCode.end(), word) != kCode.end();
      module = word == "-m";
      const size_t equals = word.find('=');
      kept = equals == word.npos ? length : equals + 1;
    } else if (!mask && !word.empty()) {
      // A script or a module names the process; another word may begin a prompt.
      const bool path = word.find_first_of("./") != word.npos;
      if (path || module) kept = length;
      mask = true;
    }
    std::fill_n(command_line.begin() + static_cast<std::ptrdiff_t>(begin + kept), length - kept,
                kMaskByte);
  }
  return command_line;
}

std::string MaskCommandLine(std::string command_line) {
  MaskUsers(command_line);
  MaskSchemes(command_line);
  MaskNamedValues(command_line);
  MaskBareKeys(command_line);
  return command_line;
}

}  // namespace sonde::capture
