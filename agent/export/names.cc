#include "agent/export/names.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::exporter {
namespace {

// A row whose `main` is this is spelled as in 1.41.
constexpr std::string_view kSame = "=";
constexpr std::string_view kNone = "";

using enum Attribute;

// In the order of the enum; a test holds it so.
//
// Sources: 1.41 is semantic-conventions v1.41.1; main is semantic-conventions-genai at 6fd0d76;
// gen_ai.usage.cost.* is that repository's open proposal 443, and gen_ai.usage.cost the name that
// instrumentations used before it. The seed column holds the attribute names of the hand-made
// stacks whose dashboards should keep working: llm.provider, llm.model, llm.tokens.*,
// llm.cost.total_usd, retry.count, error.message. "llm.tokens.*" is spelled prompt, completion and
// total, like the metrics llm_tokens_prompt_total and llm_tokens_completion_total beside it.
constexpr NameRow kTable[] = {
    {kOperationName, "gen_ai.operation.name", kSame, kNone},
    {kProviderName, "gen_ai.provider.name", kSame, "llm.provider"},
    {kRequestModel, "gen_ai.request.model", kSame, "llm.model"},
    {kResponseModel, "gen_ai.response.model", kSame, kNone},
    {kResponseId, "gen_ai.response.id", kSame, kNone},
    {kErrorType, "error.type", kSame, kNone},
    {kServerAddress, "server.address", kSame, kNone},
    {kServerPort, "server.port", kSame, kNone},
    {kOutputType, "gen_ai.output.type", kSame, kNone},
    {kRequestStream, "gen_ai.request.stream", kSame, kNone},
    {kRequestMaxTokens, "gen_ai.request.max_tokens", kSame, kNone},
    {kRequestTemperature, "gen_ai.request.temperature", kSame, kNone},
    {kRequestTopP, "gen_ai.request.top_p", kSame, kNone},
    {kRequestTopK, "gen_ai.request.top_k", kSame, kNone},
    {kRequestFrequencyPenalty, "gen_ai.request.frequency_penalty", kSame, kNone},
    {kRequestPresencePenalty, "gen_ai.request.presence_penalty", kSame, kNone},
    {kRequestStopSequences, "gen_ai.request.stop_sequences", kSame, kNone},
    {kRequestSeed, "gen_ai.request.seed", kSame, kNone},
    {kRequestChoiceCount, "gen_ai.request.choice.count", kSame, kNone},
    {kRequestReasoningLevel, "sonde.request.reasoning_level", "gen_ai.request.reasoning.level",
     kNone},
    {kFinishReasons, "gen_ai.response.finish_reasons", kSame, kNone},
    {kTimeToFirstChunk, "gen_ai.response.time_to_first_chunk", kSame, kNone},
    {kInputTokens, "gen_ai.usage.input_tokens", kSame, "llm.tokens.prompt"},
    {kOutputTokens, "gen_ai.usage.output_tokens", kSame, "llm.tokens.completion"},
    {kCacheReadTokens, "gen_ai.usage.cache_read.input_tokens", kSame, kNone},
    {kCacheWriteTokens, "gen_ai.usage.cache_creation.input_tokens",
     "gen_ai.usage.cache_write.input_tokens", kNone},
    {kReasoningTokens, "gen_ai.usage.reasoning.output_tokens", kSame, kNone},
    {kInputAudioTokens, "sonde.usage.audio.input_tokens", "gen_ai.usage.audio.input_tokens", kNone},
    {kCacheReadAudioTokens, "sonde.usage.audio.cache_read.input_tokens",
     "gen_ai.usage.audio.cache_read.input_tokens", kNone},
    {kOutputAudioTokens, "sonde.usage.audio.output_tokens", "gen_ai.usage.audio.output_tokens",
     kNone},
    {kOpenAiApiType, "openai.api.type", kSame, kNone},
    {kOpenAiRequestServiceTier, "openai.request.service_tier", kSame, kNone},
    {kOpenAiResponseServiceTier, "openai.response.service_tier", kSame, kNone},
    {kOpenAiSystemFingerprint, "openai.response.system_fingerprint", kSame, kNone},
    {kHttpStatus, "http.response.status_code", kSame, kNone},

    {kCostAmount, "gen_ai.usage.cost.amount", kSame, "llm.cost.total_usd"},
    {kCostCurrency, "gen_ai.usage.cost.currency", kSame, kNone},
    {kCostSource, "gen_ai.usage.cost.source", kSame, kNone},
    {kCostAlias, "gen_ai.usage.cost", kSame, kNone},
    {kCostStatus, "sonde.cost.status", kSame, kNone},
    {kCostReason, "sonde.cost.reason", kSame, kNone},
    {kCostMatch, "sonde.cost.match", kSame, kNone},
    {kCostProvider, "sonde.cost.provider", kSame, kNone},
    {kCostModel, "sonde.cost.model", kSame, kNone},
    {kCostTier, "sonde.cost.tier", kSame, kNone},
    {kCostBookVersion, "sonde.cost.book_version", kSame, kNone},
    {kCostMissing, "sonde.cost.missing", kSame, kNone},
    {kCostLowerBound, "sonde.cost.lower_bound", kSame, kNone},
    {kCostNotional, "sonde.cost.notional", kSame, kNone},
    {kCostGateway, "sonde.cost.gateway", kSame, kNone},
    {kBillingMode, "sonde.billing.mode", kSame, kNone},
    {kBillingScope, "sonde.billing.scope", kSame, kNone},

    {kCallNumber, "sonde.call.number", kSame, kNone},
    {kDialect, "sonde.dialect", kSame, kNone},
    {kIncomplete, "sonde.incomplete", kSame, kNone},
    {kUsageInconsistent, "sonde.usage.inconsistent", kSame, kNone},
    {kUsagePartial, "sonde.usage.partial", kSame, kNone},
    {kEstimated, "sonde.estimated", kSame, kNone},
    {kEstimatedInputTokens, "sonde.estimated.input_tokens", kSame, kNone},
    {kEstimatedOutputTokens, "sonde.estimated.output_tokens", kSame, kNone},
    {kEstimatedCost, "sonde.estimated.cost", kSame, kNone},
    {kAttempt, "sonde.attempt", kSame, "retry.count"},
    {kRetryOf, "sonde.retry_of", kSame, kNone},
    {kRetryAfter, "sonde.retry_after", kSame, kNone},
    {kErrorClass, "sonde.error.class", kSame, kNone},
    {kClientAborted, "sonde.client_aborted", kSame, kNone},
    {kTimeToFirstText, "sonde.response.time_to_first_text", kSame, kNone},
    {kTimePerOutputChunk, "sonde.response.time_per_output_chunk", kSame, kNone},
    {kOutputRate, "sonde.response.output_rate", kSame, kNone},
    {kToolCallCount, "sonde.response.tool_calls", kSame, kNone},
    {kProviderRequestId, "sonde.response.request_id", kSame, kNone},
    {kUserHash, "sonde.user.hash", kSame, kNone},
    {kServiceTier, "sonde.response.service_tier", kSame, kNone},

    {kTokenType, "gen_ai.token.type", kSame, kNone},
    {kRateLimitKind, "sonde.ratelimit.kind", kSame, kNone},
    {kReason, "sonde.reason", kSame, kNone},
    {kCause, "sonde.cause", kSame, kNone},
    {kSignal, "sonde.signal", kSame, kNone},
    {kOutcome, "sonde.outcome", kSame, kNone},
    {kUse, "sonde.use", kSame, kNone},
    {kVersion, "sonde.version", kSame, kNone},
    {kHash, "sonde.hash", kSame, kNone},

    {kTokensTotal, kNone, kNone, "llm.tokens.total"},
    {kErrorMessage, kNone, kNone, "error.message"},

    {kServiceName, "service.name", kSame, kNone},
    {kProcessPid, "process.pid", kSame, kNone},
    {kProcessCreationTime, "process.creation.time", kSame, kNone},
    {kProcessExecutableName, "process.executable.name", kSame, kNone},
    {kProcessCommand, "process.command", kSame, kNone},
    {kTelemetrySdkName, "telemetry.sdk.name", kSame, kNone},
    {kTelemetrySdkLanguage, "telemetry.sdk.language", kSame, kNone},
    {kTelemetrySdkVersion, "telemetry.sdk.version", kSame, kNone},
    {kTelemetryDistroName, "telemetry.distro.name", kSame, kNone},
    {kTelemetryDistroVersion, "telemetry.distro.version", kSame, kNone},
};

constexpr bool InEnumOrder() {
  size_t index = 0;
  for (const NameRow& row : kTable) {
    if (static_cast<size_t>(row.attribute) != index++) return false;
  }
  return true;
}
static_assert(InEnumOrder(), "kTable follows the order of Attribute");
static_assert(std::size(kTable) == static_cast<size_t>(kTelemetryDistroVersion) + 1);

struct ProfileRow {
  Profile profile;
  std::string_view name;
  std::string_view schema_url;
};
constexpr ProfileRow kProfiles[] = {
    {Profile::kSemconv141, "1.41", "https://opentelemetry.io/schemas/1.41.1"},
    {Profile::kMain, "main", "https://opentelemetry.io/schemas/gen-ai/1.42.0"},
    {Profile::kSeed, "seed", "https://opentelemetry.io/schemas/1.41.1"},
};

}  // namespace

Spelling SpellingOf(Profile profile, Attribute attribute) {
  const NameRow& row = kTable[static_cast<size_t>(attribute)];
  switch (profile) {
    case Profile::kSemconv141:
      return {row.semconv141, kNone};
    case Profile::kMain:
      return {row.main == kSame ? row.semconv141 : row.main, kNone};
    case Profile::kSeed:
      return {row.semconv141, row.seed_alias};
  }
  return {};
}

std::span<const NameRow> NameTable() { return kTable; }

std::string_view SchemaUrl(Profile profile) {
  return kProfiles[static_cast<size_t>(profile)].schema_url;
}

absl::StatusOr<Profile> ParseProfile(std::string_view name) {
  for (const ProfileRow& row : kProfiles) {
    if (row.name == name) return row.profile;
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown profile of names \"",
                                                 absl::string_view(name.data(), name.size()),
                                                 "\": use 1.41 (OpenTelemetry semantic conventions "
                                                 "1.41), main (their GenAI successor) or seed "
                                                 "(1.41 and the llm.* names beside it)"));
}

std::string_view ProfileName(Profile profile) {
  return kProfiles[static_cast<size_t>(profile)].name;
}

}  // namespace sonde::exporter
