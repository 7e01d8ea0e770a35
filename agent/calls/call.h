// One call to a model: everything that is known about it, once it ended. The only record that
// exporters, the console and the usage record read.
#ifndef SONDE_AGENT_CALLS_CALL_H_
#define SONDE_AGENT_CALLS_CALL_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/events/event.h"
#include "agent/pricing/price_book.h"
#include "decoders/dialects/facts.h"

namespace sonde::calls {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;

struct Process {
  events::ProcessId id;
  uint32_t parent_pid = 0;
  uint32_t uid = 0;
  std::string comm;
  std::string executable;
  std::string command_line;
  std::string cgroup;
  /// Short name for people: the script of an interpreter, else the executable's base name.
  std::string display_name;
};

enum class ErrorClass : uint8_t {
  kNone,
  kAuth,
  kRateLimit,
  kQuota,
  kOverloaded,
  kContextLength,
  kContentFilter,
  kInvalidRequest,
  kTimeout,
  kClientAbort,
  kNetwork,
  kServer,
};
std::string_view ErrorClassName(ErrorClass error);  ///< "rate_limit", ...; "" for kNone.

/// Why a record is not whole. A call with any of these is never silently exact.
enum class Incomplete : uint8_t {
  kHole,  ///< Bytes were lost or beyond the capture limit where facts for the bill could have been.
  kMidStream,          ///< The connection was met after it began.
  kTruncated,          ///< The connection ended inside the reply.
  kGarbled,            ///< HTTP or JSON that is not.
  kNoResponse,         ///< The request was seen, a reply never.
  kNoRequest,          ///< A reply without its request.
  kOrderUnknown,       ///< Two invocations at once on one direction.
  kOpenAtEnd,          ///< Still open when capture ended.
  kEvicted,            ///< Dropped to stay within a bound.
  kDeselected,         ///< Its process was deselected while it was open.
  kUnsupportedCoding,  ///< A body is in a content coding that is not decoded.
};
std::string_view IncompleteName(Incomplete reason);  ///< "hole", "mid_stream", ...

/// Who pays: by host, tier and the kind of credential (its prefix; the value is never kept).
enum class BillingMode : uint8_t { kUnknown, kMetered, kPlan, kCapacity, kBatch, kFree };
std::string_view BillingModeName(BillingMode mode);

/// Limits the provider stated on this reply; absent when it stated none.
struct RateLimits {
  std::optional<int64_t> requests_limit, requests_remaining;
  std::optional<int64_t> tokens_limit, tokens_remaining;
  std::optional<int64_t> input_tokens_limit, input_tokens_remaining;
  std::optional<int64_t> output_tokens_limit, output_tokens_remaining;
};

struct Call {
  // Identity. Ids derive from the run's seed and the call's number, so a replay repeats them.
  uint64_t number = 0;  ///< 1, 2, ... in the order of calls' starts.
  TraceId trace_id{};
  SpanId span_id{};
  std::optional<SpanId> parent_span_id;  ///< From the request's traceparent.
  uint8_t trace_flags = 1;
  std::string trace_state;

  // Who and where.
  std::shared_ptr<const Process> process;
  uint32_t tid = 0;
  events::ConnectionId connection;
  std::string server_address;  ///< Host header or SNI, without port.
  uint16_t server_port = 0;    ///< 0 when unknown.
  std::string method;
  std::string path;     ///< Without query.
  int http_status = 0;  ///< 0 when no reply was seen.
  std::string user_agent;
  std::string request_id;  ///< Provider's, from the reply's headers.

  // What. `provider` is gen_ai.provider.name; "openai-compatible" or "anthropic-compatible" style
  // names mark a dialect without a known biller. `biller` is the price book's id or empty.
  std::string provider;
  std::string biller;
  std::string_view dialect;
  std::string_view operation;
  std::string_view api_type;
  dialects::RequestFacts request;
  dialects::ResponseFacts response;
  RateLimits rate_limits;

  // When. Monotonic nanoseconds; start_unix_ns places them on the wall clock.
  events::MonoNs start_ns = 0;        ///< Entry of the request's first write.
  events::MonoNs request_end_ns = 0;  ///< Return of its last write.
  events::MonoNs end_ns = 0;          ///< Return of the read that completed the reply, or the end.
  int64_t start_unix_ns = 0;

  // Outcome.
  ErrorClass error = ErrorClass::kNone;
  std::string error_type;     ///< error.type: provider's code or type, HTTP status, or class name.
  std::string error_message;  ///< At most 256 bytes.
  bool client_aborted = false;
  std::vector<Incomplete> incomplete;
  uint32_t attempt = 0;                   ///< 0 first, n-th retry of the same body.
  uint64_t retry_of = 0;                  ///< number of the first attempt, 0 when this is one.
  std::optional<int64_t> retry_after_ns;  ///< The reply asked to wait so long.

  // Money. When usage was not on the wire, `estimated` holds the estimate and quote.status is
  // kEstimated; the estimate never enters response.usage.
  std::optional<dialects::TokenUsage> estimated;
  pricing::Quote quote;
  BillingMode billing_mode = BillingMode::kUnknown;
  std::string billing_scope;  ///< "organization/project" as stated by headers; may be empty.
  std::optional<pricing::PicoUsd> provider_cost;  ///< Stated by the provider on the wire.

  /// Seconds are for exporters; one definition each, here. Without the request there is no time to
  /// the first of anything.
  std::optional<uint64_t> time_to_first_chunk_ns()
      const;  ///< Streams: first output event's read return - start.
  std::optional<uint64_t> time_to_first_text_ns() const;
  uint64_t duration_ns() const { return end_ns > start_ns ? end_ns - start_ns : 0; }
  /// (last output - first output) / (output events - 1); streams with two or more.
  std::optional<uint64_t> time_per_output_chunk_ns() const;
  /// Output tokens per second after the first chunk: output / (duration - time to first chunk).
  std::optional<double> output_rate() const;
  bool has_incomplete(Incomplete reason) const;
};

/// Something a person should know once: "usage not sent: add stream_options.include_usage".
struct Notice {
  std::string key;  ///< Equal keys are said once.
  std::string text;
  events::MonoNs ns = 0;
};

/// TLS or protocols seen that could not be turned into calls.
struct Unseen {
  std::shared_ptr<const Process> process;
  /// "tls", "http/2", "quic", "websocket", "mid_stream"; or "POST /v1/responses": requests to a
  /// model provider in an API that is not decoded.
  std::string kind;
  std::string host;  ///< SNI, authority or address.
  bool provider_host = false;
  std::string reason;        ///< For a person: "TLS library not recognised", ...
  uint64_t connections = 0;  ///< Or requests, see kind.

  bool is_requests() const { return kind.starts_with("POST "); }
};

/// Takes finished calls in the order they end, on one thread.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual void OnCall(const Call& call) = 0;
  virtual void OnNotice(const Notice&) {}
};

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_CALL_H_
