#include "agent/export/otlp/span.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "agent/export/notional.h"
#include "agent/export/otlp/attributes.h"
#include "agent/export/text.h"
#include "agent/pricing/money.h"
#include "agent/pricing/price_book.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto;
using enum Attribute;

constexpr double kNanosecondsPerSecond = 1e9;
constexpr double kPicoUsdPerUsd = 1e12;
constexpr size_t kSpanNameBytes = 128;
// OTLP's bits beside the W3C flags.
constexpr uint32_t kHasIsRemote = 0x100;
constexpr uint32_t kIsRemote = 0x200;
constexpr std::string_view kCurrency = "USD";
constexpr std::string_view kCutShort = "error";
constexpr std::string_view kOpenAi = "openai";

double Seconds(uint64_t ns) { return static_cast<double>(ns) / kNanosecondsPerSecond; }

// The one place where money becomes a floating point number: exact to 1e-12 USD below 9007 USD.
double Usd(pricing::PicoUsd amount) { return static_cast<double>(amount) / kPicoUsdPerUsd; }

void PutIdentity(AttributeList& out, const calls::Call& call) {
  out.Text(kOperationName, call.operation);
  out.Text(kProviderName, call.provider);
  out.Text(kRequestModel, call.request.model);
  out.Text(kServerAddress, call.server_address);
  if (!call.server_address.empty() && call.server_port != 0) {
    out.Integer(kServerPort, call.server_port);
  }
}

void PutRequest(AttributeList& out, const dialects::RequestFacts& request, Profile profile) {
  if (request.stream) out.Flag(kRequestStream, true);
  out.Integer(kRequestMaxTokens, request.max_tokens);
  out.Number(kRequestTemperature, request.temperature);
  out.Number(kRequestTopP, request.top_p);
  // A double in 1.41, an integer since.
  if (profile == Profile::kMain) {
    out.Integer(kRequestTopK, request.top_k);
  } else if (request.top_k) {
    out.Number(kRequestTopK, static_cast<double>(*request.top_k));
  }
  out.Number(kRequestFrequencyPenalty, request.frequency_penalty);
  out.Number(kRequestPresencePenalty, request.presence_penalty);
  out.Texts(kRequestStopSequences, request.stop_sequences);
  out.Integer(kRequestSeed, request.seed);
  if (request.choice_count && *request.choice_count != 1) {
    out.Integer(kRequestChoiceCount, request.choice_count);
  }
  out.Text(kOutputType, request.output_type);
  out.Text(kRequestReasoningLevel, request.reasoning_level);
}

void PutOpenAi(AttributeList& out, const calls::Call& call) {
  if (call.provider != kOpenAi) {
    out.Text(kServiceTier, call.response.service_tier);
    return;
  }
  out.Text(kOpenAiApiType, call.api_type);
  if (call.request.service_tier != "auto") {
    out.Text(kOpenAiRequestServiceTier, call.request.service_tier);
  }
  out.Text(kOpenAiResponseServiceTier, call.response.service_tier);
  out.Text(kOpenAiSystemFingerprint, call.response.system_fingerprint);
}

// A generation had begun and was cut: by the client, the network, or an error in the stream. What
// Sonde itself missed does not count: there the reason is unknown.
bool GenerationCut(const calls::Call& call) {
  const bool began = call.http_status >= 200 && call.http_status < 300;
  if (!began || call.response.terminal_seen) return false;
  return call.client_aborted || call.response.error.present ||
         call.error == calls::ErrorClass::kClientAbort ||
         call.error == calls::ErrorClass::kNetwork || call.error == calls::ErrorClass::kTimeout ||
         call.has_incomplete(calls::Incomplete::kTruncated);
}

// One per choice, verbatim; "error" where a reason was due. Left out when some are unknown: their
// places would be lost.
std::vector<std::string> FinishReasons(const calls::Call& call) {
  std::vector<std::string> reasons = call.response.finish_reasons;
  const bool cut = GenerationCut(call) || call.response.error.in_stream;
  if (cut && reasons.empty()) reasons.emplace_back();
  for (std::string& reason : reasons) {
    if (reason.empty() && !cut) return {};
    if (reason.empty()) reason = kCutShort;
  }
  return reasons;
}

void PutResponse(AttributeList& out, const calls::Call& call) {
  const dialects::ResponseFacts& response = call.response;
  out.Text(kResponseId, response.id);
  out.Text(kResponseModel, response.model);
  out.Texts(kFinishReasons, FinishReasons(call));
  const auto seconds = [&out](Attribute attribute, const std::optional<uint64_t>& ns) {
    if (ns) out.Number(attribute, Seconds(*ns));
  };
  seconds(kTimeToFirstChunk, call.time_to_first_chunk_ns());
  seconds(kTimeToFirstText, call.time_to_first_text_ns());
  seconds(kTimePerOutputChunk, call.time_per_output_chunk_ns());
  out.Number(kOutputRate, call.output_rate());
  if (!response.tool_calls.empty()) {
    out.Integer(kToolCallCount, static_cast<int64_t>(response.tool_calls.size()));
  }
  if (call.http_status != 0) out.Integer(kHttpStatus, call.http_status);
  out.Text(kProviderRequestId, call.request_id);
}

void PutUsage(AttributeList& out, const calls::Call& call) {
  const dialects::TokenUsage& usage = call.response.usage;
  out.Integer(kInputTokens, usage.total_input());
  out.Integer(kOutputTokens, usage.output);
  out.Integer(kCacheReadTokens, usage.cache_read);
  out.Integer(kCacheWriteTokens, usage.total_cache_write());
  out.Integer(kReasoningTokens, usage.reasoning);
  out.Integer(kInputAudioTokens, usage.input_audio);
  out.Integer(kCacheReadAudioTokens, usage.cache_read_audio);
  out.Integer(kOutputAudioTokens, usage.output_audio);
  if (usage.total_input() && usage.output) {
    out.Integer(kTokensTotal, *usage.total_input() + *usage.output);
  }
  if (usage.inconsistent) out.Flag(kUsageInconsistent, true);
  if (call.response.usage_is_partial) out.Flag(kUsagePartial, true);
  if (!call.estimated) return;
  out.Flag(kEstimated, true);
  out.Integer(kEstimatedInputTokens, call.estimated->total_input());
  out.Integer(kEstimatedOutputTokens, call.estimated->output);
}

void PutExactCost(AttributeList& out, pricing::PicoUsd amount, std::string_view source) {
  out.Number(kCostAmount, Usd(amount));
  out.Text(kCostCurrency, kCurrency);
  out.Text(kCostSource, source);
  out.Number(kCostAlias, Usd(amount));
}

void PutAmount(AttributeList& out, const calls::Call& call) {
  using pricing::CostStatus;
  if (!call.quote.total) return;
  const pricing::PicoUsd total = *call.quote.total;
  if (IsNotional(call)) {
    out.Number(kCostNotional, Usd(total));
    return;
  }
  switch (call.quote.status) {
    case CostStatus::kProvider:
    case CostStatus::kComputed:
      PutExactCost(out, total, call.quote.status == CostStatus::kProvider ? "provider" : "local");
      return;
    case CostStatus::kGateway:
      out.Number(kCostGateway, Usd(total));
      return;
    case CostStatus::kPartial:
      out.Number(kCostLowerBound, Usd(total));
      return;
    case CostStatus::kEstimated:
      out.Number(kEstimatedCost, Usd(total));
      return;
    case CostStatus::kUnpriced:
      return;
  }
}

void PutCost(AttributeList& out, const calls::Call& call) {
  const pricing::Quote& quote = call.quote;
  PutAmount(out, call);
  out.Text(kCostStatus, pricing::StatusName(quote.status));
  out.Text(kCostReason, quote.reason);
  if (quote.match != pricing::Match::kNone) out.Text(kCostMatch, pricing::MatchName(quote.match));
  out.Text(kCostProvider, quote.provider);
  out.Text(kCostModel, quote.model);
  out.Text(kCostTier, quote.tier);
  out.Text(kCostBookVersion, quote.book_version);
  std::vector<std::string> missing;
  for (const pricing::Component& component : quote.components) {
    if (!component.amount) missing.emplace_back(pricing::UnitName(component.unit));
  }
  out.Texts(kCostMissing, missing);
  out.Text(kBillingMode, calls::BillingModeName(call.billing_mode));
  out.Text(kBillingScope, call.billing_scope);
}

void PutOutcome(AttributeList& out, const calls::Call& call, const SpanOptions& options) {
  out.Integer(kCallNumber, static_cast<int64_t>(call.number));
  out.Text(kDialect, call.dialect);
  std::vector<std::string> reasons;
  for (const calls::Incomplete reason : call.incomplete) {
    reasons.emplace_back(calls::IncompleteName(reason));
  }
  out.Texts(kIncomplete, reasons);
  out.Integer(kAttempt, call.attempt);
  if (call.retry_of != 0) out.Integer(kRetryOf, static_cast<int64_t>(call.retry_of));
  if (call.retry_after_ns && *call.retry_after_ns >= 0) {
    out.Number(kRetryAfter, Seconds(static_cast<uint64_t>(*call.retry_after_ns)));
  }
  if (call.client_aborted) out.Flag(kClientAborted, true);
  if (!call.request.user.empty()) {
    out.Text(kUserHash, HashUser(call.request.user, options.user_salt));
  }
}

void PutError(AttributeList& out, const calls::Call& call, const SpanOptions& options) {
  if (call.error == calls::ErrorClass::kNone) return;
  const std::string_view error_class = calls::ErrorClassName(call.error);
  out.Text(kErrorType, call.error_type.empty() ? error_class : std::string_view(call.error_type));
  out.Text(kErrorClass, error_class);
  if (options.error_message) out.Text(kErrorMessage, MaskSecrets(call.error_message));
}

std::string SpanName(const calls::Call& call) {
  std::string name(call.operation);
  if (!call.request.model.empty()) name += " " + call.request.model;
  return CleanUtf8(name, kSpanNameBytes);
}

}  // namespace

otlp::trace::v1::Span ToSpan(const calls::Call& call, const SpanOptions& options) {
  otlp::trace::v1::Span span;
  span.set_trace_id(call.trace_id.data(), call.trace_id.size());
  span.set_span_id(call.span_id.data(), call.span_id.size());
  span.set_flags(call.trace_flags | kHasIsRemote);
  if (call.parent_span_id) {
    span.set_parent_span_id(call.parent_span_id->data(), call.parent_span_id->size());
    span.set_flags(span.flags() | kIsRemote);
  }
  span.set_trace_state(CleanUtf8(call.trace_state, kAttributeBytes));
  span.set_name(SpanName(call));
  span.set_kind(otlp::trace::v1::Span::SPAN_KIND_CLIENT);
  span.set_start_time_unix_nano(static_cast<uint64_t>(call.start_unix_ns));
  span.set_end_time_unix_nano(static_cast<uint64_t>(call.start_unix_ns) + call.duration_ns());

  if (call.error != calls::ErrorClass::kNone) {
    // No description: the provider's text can repeat what the caller sent, and the type says it.
    span.mutable_status()->set_code(otlp::trace::v1::Status::STATUS_CODE_ERROR);
  }
  PutCallAttributes(call, options, span.mutable_attributes());
  return span;
}

void PutCallAttributes(const calls::Call& call, const SpanOptions& options,
                       AttributeList::Target* attributes) {
  AttributeList out(options.profile, attributes);
  PutIdentity(out, call);
  PutRequest(out, call.request, options.profile);
  PutOpenAi(out, call);
  PutResponse(out, call);
  PutUsage(out, call);
  PutError(out, call, options);
  PutCost(out, call);
  PutOutcome(out, call, options);
}

otlp::common::v1::InstrumentationScope Scope() {
  otlp::common::v1::InstrumentationScope scope;
  scope.set_name("sonde");
  scope.set_version(SONDE_VERSION);
  return scope;
}

}  // namespace sonde::exporter
