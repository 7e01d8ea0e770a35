#include "decoders/wire/http1_start.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace sonde::wire {
namespace {

constexpr std::string_view kResponsePrefix = "HTTP/1.";
constexpr std::array<std::string_view, 9> kMethods = {
    "GET ", "POST ", "PUT ", "DELETE ", "HEAD ", "PATCH ", "OPTIONS ", "CONNECT ", "TRACE "};
constexpr size_t kStatusLineBytes = 13;  // "HTTP/1.1 200 "
constexpr uint8_t kFirstTlsType = 20;    // change_cipher_spec
constexpr uint8_t kLastTlsType = 23;     // application_data

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool LooksLikeStatusLine(std::string_view piece) {
  if (piece.size() < kStatusLineBytes || piece.substr(0, 7) != kResponsePrefix) return false;
  const char after = piece[12];
  return IsDigit(piece[7]) && piece[8] == ' ' && piece[9] >= '1' && piece[9] <= '5' &&
         IsDigit(piece[10]) && IsDigit(piece[11]) && (after == ' ' || after == '\r');
}

bool LooksLikeRequestLine(std::string_view piece) {
  for (const std::string_view method : kMethods) {
    if (piece.substr(0, method.size()) != method) continue;
    std::string_view rest = piece.substr(method.size());
    const size_t stop = rest.find_first_of("\r\n");
    if (stop == std::string_view::npos) return false;
    rest = rest.substr(0, stop);
    const size_t space = rest.rfind(' ');
    return space != std::string_view::npos && space > 0 && rest.size() == space + 9 &&
           rest.substr(space + 1, kResponsePrefix.size()) == kResponsePrefix;
  }
  return false;
}

}  // namespace

Start LookAtStart(std::string_view bytes) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (first >= kFirstTlsType && first <= kLastTlsType) {
    if (bytes.size() < 2) return Start::kNeedMore;
    return bytes[1] == 3 ? Start::kTls : Start::kOther;
  }
  const bool letter = (first >= 'A' && first <= 'Z');
  return letter || first == '\r' || first == '\n' ? Start::kText : Start::kOther;
}

bool LooksLikeStart(Side side, std::string_view piece) {
  return side == Side::kRequest ? LooksLikeRequestLine(piece) : LooksLikeStatusLine(piece);
}

bool MayBeResponse(std::string_view bytes) {
  while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n')) {
    bytes.remove_prefix(1);
  }
  const size_t common = std::min(bytes.size(), kResponsePrefix.size());
  return bytes.substr(0, common) == kResponsePrefix.substr(0, common);
}

bool HasToken(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const size_t comma = std::min(value.find(','), value.size());
    std::string_view item = value.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (item.size() == token.size() && strncasecmp(item.data(), token.data(), token.size()) == 0) {
      return true;
    }
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return false;
}

Protocol ProtocolOfUpgrade(std::string_view upgrade) {
  if (HasToken(upgrade, "websocket")) return Protocol::kWebSocket;
  if (HasToken(upgrade, "h2c")) return Protocol::kHttp2Preface;
  return Protocol::kUnknown;
}

std::string_view AuthorityOf(std::string_view method, std::string_view target) {
  if (method == "CONNECT") return target;
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || target.front() == '/') return {};
  std::string_view rest = target.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  const size_t user = rest.rfind('@');
  return user == std::string_view::npos ? rest : rest.substr(user + 1);
}

}  // namespace sonde::wire
