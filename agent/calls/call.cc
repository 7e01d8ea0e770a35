#include "agent/calls/call.h"

#include <algorithm>

namespace sonde::calls {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

}  // namespace

std::string_view ErrorClassName(ErrorClass error) {
  switch (error) {
    case ErrorClass::kNone:
      return "";
    case ErrorClass::kAuth:
      return "auth";
    case ErrorClass::kRateLimit:
      return "rate_limit";
    case ErrorClass::kQuota:
      return "quota";
    case ErrorClass::kOverloaded:
      return "overloaded";
    case ErrorClass::kContextLength:
      return "context_length";
    case ErrorClass::kContentFilter:
      return "content_filter";
    case ErrorClass::kInvalidRequest:
      return "invalid_request";
    case ErrorClass::kTimeout:
      return "timeout";
    case ErrorClass::kClientAbort:
      return "client_abort";
    case ErrorClass::kNetwork:
      return "network";
    case ErrorClass::kServer:
      return "server";
  }
  return "";
}

std::string_view IncompleteName(Incomplete reason) {
  switch (reason) {
    case Incomplete::kHole:
      return "hole";
    case Incomplete::kMidStream:
      return "mid_stream";
    case Incomplete::kTruncated:
      return "truncated";
    case Incomplete::kGarbled:
      return "garbled";
    case Incomplete::kNoResponse:
      return "no_response";
    case Incomplete::kNoRequest:
      return "no_request";
    case Incomplete::kOrderUnknown:
      return "order_unknown";
    case Incomplete::kOpenAtEnd:
      return "open_at_end";
    case Incomplete::kEvicted:
      return "evicted";
    case Incomplete::kDeselected:
      return "deselected";
    case Incomplete::kUnsupportedCoding:
      return "unsupported_coding";
  }
  return "";
}

std::string_view BillingModeName(BillingMode mode) {
  switch (mode) {
    case BillingMode::kUnknown:
      return "unknown";
    case BillingMode::kMetered:
      return "metered";
    case BillingMode::kPlan:
      return "plan";
    case BillingMode::kCapacity:
      return "capacity";
    case BillingMode::kBatch:
      return "batch";
    case BillingMode::kFree:
      return "free";
  }
  return "";
}

std::optional<uint64_t> Call::time_to_first_chunk_ns() const {
  if (has_incomplete(Incomplete::kNoRequest)) return std::nullopt;
  if (!response.is_stream || !response.first_output) return std::nullopt;
  if (response.first_output->end_ns < start_ns) return std::nullopt;
  return response.first_output->end_ns - start_ns;
}

std::optional<uint64_t> Call::time_to_first_text_ns() const {
  if (has_incomplete(Incomplete::kNoRequest)) return std::nullopt;
  if (!response.is_stream || !response.first_text) return std::nullopt;
  if (response.first_text->end_ns < start_ns) return std::nullopt;
  return response.first_text->end_ns - start_ns;
}

std::optional<uint64_t> Call::time_per_output_chunk_ns() const {
  if (!response.is_stream || response.output_event_count < 2) return std::nullopt;
  if (!response.first_output || !response.last_output) return std::nullopt;
  if (response.last_output->end_ns < response.first_output->end_ns) return std::nullopt;
  return (response.last_output->end_ns - response.first_output->end_ns) /
         (response.output_event_count - 1);
}

std::optional<double> Call::output_rate() const {
  const std::optional<uint64_t> first = time_to_first_chunk_ns();
  if (!first || !response.usage.output || *response.usage.output <= 0) return std::nullopt;
  if (duration_ns() <= *first) return std::nullopt;
  return static_cast<double>(*response.usage.output) * kNanosecondsPerSecond /
         static_cast<double>(duration_ns() - *first);
}

bool Call::has_incomplete(Incomplete reason) const {
  return std::find(incomplete.begin(), incomplete.end(), reason) != incomplete.end();
}

}  // namespace sonde::calls
