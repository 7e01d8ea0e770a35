// What the heads of a request and its reply say besides the dialect's own facts.
#ifndef SONDE_AGENT_CALLS_HEADERS_H_
#define SONDE_AGENT_CALLS_HEADERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/calls/call.h"
#include "decoders/wire/http.h"

namespace sonde::calls {

struct HostPort {
  std::string host;   ///< Lower case, without brackets.
  uint16_t port = 0;  ///< 0 when none was written.
};

/// Splits "host", "host:port", "[v6]:port". The host is cut at 253 bytes (RFC 1035); anything that
/// is not a host name or address gives an empty one.
HostPort SplitAuthority(std::string_view authority);

/// Path of a request target: without query, fragment, scheme and authority; at most 1024 bytes.
std::string PathOf(std::string_view target);

/// Whole or decimal seconds, or an HTTP date against the reply's own Date, else against the wall
/// clock when the reply came; retry-after-ms first. Absent when none is valid; never negative, at
/// most a week.
std::optional<int64_t> RetryAfterNs(const std::vector<wire::Header>& headers,
                                    std::optional<int64_t> received_unix_ns = std::nullopt);

/// x-ratelimit-* (OpenAI and those like it) and anthropic-ratelimit-*.
RateLimits ReadRateLimits(const std::vector<wire::Header>& headers);

/// The provider's id of the reply; at most 128 bytes.
std::string RequestId(const std::vector<wire::Header>& headers);

/// "organization/project" as the reply states it, else as the request asks.
std::string BillingScope(const std::vector<wire::Header>& request,
                         const std::vector<wire::Header>& reply);

/// What the kind of credential says about who pays. The value is looked at and never kept.
enum class Credential : uint8_t { kNone, kApiKey, kOAuth, kOther };
Credential CredentialKind(const std::vector<wire::Header>& request);

/// The reply carries limits of a subscription plan.
bool StatesPlanLimits(const std::vector<wire::Header>& reply);

/// Which attempt the client says this is (x-stainless-retry-count).
std::optional<uint32_t> StatedRetryCount(const std::vector<wire::Header>& request);

/// How long the client says it waits, in nanoseconds.
///
/// - x-stainless-read-timeout (any SDK), and x-stainless-timeout of the Python SDKs
/// (x-stainless-lang
///   python): the time between bytes.
/// - x-stainless-timeout of the other SDKs: the time in all, counted from before the connection was
///   opened, cut to whole seconds ("1" may be 1.9 s). The Node SDKs (js) stop their timer when a
///   stream's head has come.
struct StatedTimeouts {
  std::optional<uint64_t> read_ns;
  std::optional<uint64_t> total_ns;
  bool streams_until_head = false;
};
StatedTimeouts ReadStatedTimeouts(const std::vector<wire::Header>& request);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_HEADERS_H_
