#include "agent/flow/sniff.h"

#include <algorithm>

namespace sonde::flow {
namespace {

constexpr std::string_view kResponseStart = "HTTP/";
constexpr size_t kLongestMethod = 20;  // Of the methods registered with IANA: UPDATEREDIRECTREF.

bool IsMethodCharacter(char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

Look LookForTls(std::string_view bytes) {
  const auto type = static_cast<uint8_t>(bytes[0]);
  if (type < 0x14 || type > 0x17) return Look::kOther;  // change_cipher_spec to application_data
  if (bytes.size() >= 2 && static_cast<uint8_t>(bytes[1]) != 3) return Look::kOther;
  if (bytes.size() >= 3 && static_cast<uint8_t>(bytes[2]) > 4) return Look::kOther;
  return bytes.size() >= 3 ? Look::kTlsRecord : Look::kNeedMore;
}

}  // namespace

Look LookAt(std::string_view first, bool tls_possible) {
  if (first.empty()) return Look::kNeedMore;
  if (tls_possible) {
    const Look tls = LookForTls(first);
    if (tls != Look::kOther) return tls;
  }
  // A server should ignore empty lines before a request (RFC 9112 section 2.2).
  while (!first.empty() && (first.front() == '\r' || first.front() == '\n')) {
    first.remove_prefix(1);
  }
  if (first.empty()) return Look::kNeedMore;
  const size_t common = std::min(first.size(), kResponseStart.size());
  if (first.substr(0, common) == kResponseStart.substr(0, common)) {
    return common == kResponseStart.size() ? Look::kHttpResponse : Look::kNeedMore;
  }
  size_t method = 0;
  while (method < first.size() && method <= kLongestMethod && IsMethodCharacter(first[method])) {
    ++method;
  }
  if (method > kLongestMethod) return Look::kOther;
  if (method == first.size()) return Look::kNeedMore;
  return method > 0 && first[method] == ' ' ? Look::kHttpRequest : Look::kOther;
}

}  // namespace sonde::flow
