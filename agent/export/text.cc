#include "agent/export/text.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cctype>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"

namespace sonde::exporter {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kMasked = "[masked]";
constexpr size_t kUserHashBytes = 16;
// Model names have shorter runs of letters and digits between their hyphens, keys longer ones.
constexpr size_t kSecretRunBytes = 20;
constexpr std::string_view kKeyPrefixes[] = {"sk-",  "sk_",   "pk-",     "rk-", "AIza",  "AKIA",
                                             "ASIA", "gsk_",  "xai-",    "hf_", "key-",  "eyJ",
                                             "ghp_", "pplx-", "api-key", "r8_", "nvapi-"};

// Length of the well-formed sequence at the front of `text`, 0 when it is ill-formed (RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF).
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '*' ||
         c == '.' || c == '+' || c == '/' || c == '=';
}

bool LooksSecret(std::string_view word, bool after_bearer) {
  if (after_bearer) return true;
  for (const std::string_view prefix : kKeyPrefixes) {
    if (word.size() > prefix.size() + 3 && word.starts_with(prefix)) return true;
  }
  if (word.find("***") != std::string_view::npos) return true;
  size_t letters = 0;
  size_t digits = 0;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0) {
      letters = digits = 0;
      continue;
    }
    (std::isdigit(byte) != 0 ? digits : letters) += 1;
    if (letters + digits >= kSecretRunBytes && letters > 0 && digits > 0) return true;
  }
  return false;
}

bool IsBearer(std::string_view word) {
  constexpr std::string_view kBearer = "bearer";
  return word.size() == kBearer.size() &&
         std::equal(word.begin(), word.end(), kBearer.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

}  // namespace

std::string CleanUtf8(std::string_view text, size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const std::string_view piece = length == 0 ? kReplacement : text.substr(0, length);
    if (out.size() + piece.size() > max_bytes) break;
    out += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string MaskSecrets(std::string_view text) {
  std::string out;
  bool after_bearer = false;
  size_t at = 0;
  while (at < text.size()) {
    if (!IsWordByte(text[at])) {
      out += text[at++];
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsWordByte(text[end])) ++end;
    std::string_view word = text.substr(at, end - at);
    at = end;
    // A full stop that ends the sentence is not the word's.
    std::string_view tail;
    while (!word.empty() && word.back() == '.') {
      word.remove_suffix(1);
      tail = text.substr(at - tail.size() - 1, tail.size() + 1);
    }
    out += LooksSecret(word, after_bearer) ? kMasked : word;
    out += tail;
    if (!word.empty()) after_bearer = IsBearer(word);
  }
  return out;
}

std::string HashUser(std::string_view user, std::string_view salt) {
  // Lengths part the fields, so that no two (salt, user) pairs give the same input.
  std::string input = "sonde.user/1:" + std::to_string(salt.size()) + ":";
  input.append(salt);
  input.append(user);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(input.data()), input.size(), digest);
  return Hex(std::span<const uint8_t>(digest, kUserHashBytes));
}

std::string Hex(std::span<const uint8_t> bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string Rfc3339(int64_t unix_ns) {
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E9SZ", absl::FromUnixNanos(unix_ns),
                          absl::UTCTimeZone());
}

}  // namespace sonde::exporter
