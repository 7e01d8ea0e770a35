#include "agent/calls/headers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sonde::calls {
namespace {

using wire::FindHeader;
using Headers = std::vector<wire::Header>;

constexpr size_t kLongestHost = 253;
constexpr size_t kLongestPath = 1024;
constexpr size_t kLongestId = 128;
constexpr double kLongestWaitSeconds = 7 * 24 * 3600.0;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::optional<double> ReadNumber(std::string_view text) {
  double value = 0;
  if (text.empty() || !absl::SimpleAtod(Absl(text), &value)) return std::nullopt;
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<int64_t> ReadCount(const Headers& headers, std::string_view name) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(Absl(FindHeader(headers, name)), &value) || value < 0) return std::nullopt;
  return value;
}

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
         c == ':' || c == '%';
}

int64_t SecondsToNs(double seconds) {
  return std::llround(std::min(seconds, kLongestWaitSeconds) * 1e9);
}

/// The three forms of RFC 9110 section 5.6.7, all in GMT: IMF-fixdate, RFC 850's, asctime's.
std::optional<absl::Time> ReadDate(std::string_view text) {
  constexpr std::array<std::string_view, 3> kForms = {
      "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
  constexpr size_t kLongestDate = 64;
  if (text.size() > kLongestDate) return std::nullopt;
  for (const std::string_view form : kForms) {
    absl::Time time;
    std::string error;
    const bool read = absl::ParseTime(Absl(form), Absl(text), &time, &error);
    if (read && time != absl::InfiniteFuture() && time != absl::InfinitePast()) return time;
  }
  return std::nullopt;
}

std::string Bounded(std::string_view text) { return std::string(text.substr(0, kLongestId)); }

std::string_view FirstOf(const Headers& first, const Headers& second, std::string_view name) {
  const std::string_view value = FindHeader(first, name);
  return value.empty() ? FindHeader(second, name) : value;
}

}  // namespace

HostPort SplitAuthority(std::string_view authority) {
  if (const size_t user = authority.rfind('@'); user != std::string_view::npos) {
    authority.remove_prefix(user + 1);
  }
  HostPort result;
  std::string_view host = authority;
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return result;
    host = authority.substr(1, close - 1);
    const std::string_view rest = authority.substr(close + 1);
    if (!rest.empty() && rest.front() == ':') port = rest.substr(1);
  } else if (std::count(authority.begin(), authority.end(), ':') == 1) {
    host = authority.substr(0, authority.find(':'));
    port = authority.substr(host.size() + 1);
  }
  if (host.size() > kLongestHost || !std::all_of(host.begin(), host.end(), IsHostCharacter)) {
    return result;
  }
  result.host = absl::AsciiStrToLower(Absl(host));
  uint32_t number = 0;
  if (absl::SimpleAtoi(Absl(port), &number) && number <= 65535) {
    result.port = static_cast<uint16_t>(number);
  }
  return result;
}

std::string PathOf(std::string_view target) {
  if (const size_t scheme = target.find("://");
      scheme != std::string_view::npos && scheme < target.find('/')) {
    const size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  target = target.substr(0, target.find_first_of("?#"));
  return std::string(target.substr(0, kLongestPath));
}

std::optional<int64_t> RetryAfterNs(const Headers& headers,
                                    std::optional<int64_t> received_unix_ns) {
  if (const auto ms = ReadNumber(FindHeader(headers, "retry-after-ms"))) {
    return SecondsToNs(*ms / 1000);
  }
  const std::string_view after = FindHeader(headers, "retry-after");
  if (after.empty()) return std::nullopt;
  if (const auto seconds = ReadNumber(after)) return SecondsToNs(*seconds);
  const std::optional<absl::Time> until = ReadDate(after);
  std::optional<absl::Time> now = ReadDate(FindHeader(headers, "date"));
  if (!now && received_unix_ns) now = absl::FromUnixNanos(*received_unix_ns);
  if (!until || !now) return std::nullopt;
  return SecondsToNs(std::max(0.0, absl::ToDoubleSeconds(*until - *now)));
}

RateLimits ReadRateLimits(const Headers& headers) {
  RateLimits limits;
  const auto either = [&headers](std::string_view openai, std::string_view anthropic) {
    const std::optional<int64_t> value = ReadCount(headers, openai);
    return value ? value : ReadCount(headers, anthropic);
  };
  limits.requests_limit =
      either("x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit");
  limits.requests_remaining =
      either("x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining");
  limits.tokens_limit = either("x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit");
  limits.tokens_remaining =
      either("x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining");
  limits.input_tokens_limit = ReadCount(headers, "anthropic-ratelimit-input-tokens-limit");
  limits.input_tokens_remaining = ReadCount(headers, "anthropic-ratelimit-input-tokens-remaining");
  limits.output_tokens_limit = ReadCount(headers, "anthropic-ratelimit-output-tokens-limit");
  limits.output_tokens_remaining =
      ReadCount(headers, "anthropic-ratelimit-output-tokens-remaining");
  return limits;
}

std::string RequestId(const Headers& headers) {
  constexpr std::array<std::string_view, 4> kNames = {"x-request-id", "request-id",
                                                      "apim-request-id", "x-amzn-requestid"};
  for (const std::string_view name : kNames) {
    const std::string_view value = FindHeader(headers, name);
    if (!value.empty()) return Bounded(value);
  }
  return {};
}

std::string BillingScope(const Headers& request, const Headers& reply) {
  const auto join = [&](std::string_view organization, std::string_view project) -> std::string {
    const std::string first = Bounded(FirstOf(reply, request, organization));
    const std::string second = Bounded(FirstOf(reply, request, project));
    if (first.empty() && second.empty()) return {};
    return second.empty() ? first : absl::StrCat(first, "/", second);
  };
  const std::string openai = join("openai-organization", "openai-project");
  return openai.empty() ? join("anthropic-organization-id", "anthropic-workspace-id") : openai;
}

Credential CredentialKind(const Headers& request) {
  constexpr std::array<std::string_view, 3> kKeyHeaders = {"x-api-key", "api-key",
                                                           "x-goog-api-key"};
  std::string_view value;
  for (const std::string_view name : kKeyHeaders) {
    if (value.empty()) value = FindHeader(request, name);
  }
  const std::string_view authorization = FindHeader(request, "authorization");
  if (value.empty() && !authorization.empty()) {
    const size_t blank = authorization.find(' ');
    value = blank == std::string_view::npos ? authorization : authorization.substr(blank + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  }
  if (value.empty()) return Credential::kNone;
  const auto starts = [value](std::string_view prefix) {
    return value.substr(0, prefix.size()) == prefix;
  };
  if (starts("sk-ant-oat")) return Credential::kOAuth;
  if (starts("sk-")) return Credential::kApiKey;
  return Credential::kOther;
}

bool StatesPlanLimits(const Headers& reply) {
  constexpr std::string_view kPrefix = "anthropic-ratelimit-unified-";
  return std::any_of(reply.begin(), reply.end(), [&](const wire::Header& header) {
    return header.name.compare(0, kPrefix.size(), kPrefix) == 0;
  });
}

std::optional<uint32_t> StatedRetryCount(const Headers& request) {
  uint32_t count = 0;
  const std::string_view text = FindHeader(request, "x-stainless-retry-count");
  constexpr uint32_t kMost = 1000;  // Beyond that it is not a count of attempts.
  if (!absl::SimpleAtoi(Absl(text), &count) || count > kMost) return std::nullopt;
  return count;
}

StatedTimeouts ReadStatedTimeouts(const Headers& request) {
  const auto read = [&request](std::string_view name) -> std::optional<uint64_t> {
    const std::optional<double> seconds = ReadNumber(FindHeader(request, name));
    return seconds ? std::optional<uint64_t>(SecondsToNs(*seconds)) : std::nullopt;
  };
  const std::string_view language = FindHeader(request, "x-stainless-lang");
  StatedTimeouts timeouts;
  timeouts.read_ns = read("x-stainless-read-timeout");
  std::optional<uint64_t>& other = language == "python" ? timeouts.read_ns : timeouts.total_ns;
  if (!other) other = read("x-stainless-timeout");
  timeouts.streams_until_head = language == "js";
  return timeouts;
}

}  // namespace sonde::calls
