// Every name Sonde emits, in one table with one column per profile. Nothing else in the tree spells
// an emitted name.
#ifndef SONDE_AGENT_EXPORT_NAMES_H_
#define SONDE_AGENT_EXPORT_NAMES_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace sonde::exporter {

/// Which generation of names is emitted.
enum class Profile : uint8_t {
  kSemconv141,  ///< "1.41", the default: the last tagged GenAI text, which back ends know.
  kMain,        ///< "main": the unreleased GenAI conventions of their own repository.
  kSeed,        ///< "seed": the 1.41 names, and beside them those that older dashboards use.
};

/// One attribute of a span or a resource. The place for metric names is a second enum and table
/// beside this one.
enum class Attribute : uint8_t {
  // The call (GenAI inference span).
  kOperationName,
  kProviderName,
  kRequestModel,
  kResponseModel,
  kResponseId,
  kErrorType,
  kServerAddress,
  kServerPort,
  kOutputType,
  kRequestStream,
  kRequestMaxTokens,
  kRequestTemperature,
  kRequestTopP,
  kRequestTopK,
  kRequestFrequencyPenalty,
  kRequestPresencePenalty,
  kRequestStopSequences,
  kRequestSeed,
  kRequestChoiceCount,
  kRequestReasoningLevel,
  kFinishReasons,
  kTimeToFirstChunk,
  kInputTokens,
  kOutputTokens,
  kCacheReadTokens,
  kCacheWriteTokens,
  kReasoningTokens,
  kInputAudioTokens,
  kCacheReadAudioTokens,
  kOutputAudioTokens,
  kOpenAiApiType,
  kOpenAiRequestServiceTier,
  kOpenAiResponseServiceTier,
  kOpenAiSystemFingerprint,
  kHttpStatus,
  // Money.
  kCostAmount,
  kCostCurrency,
  kCostSource,
  kCostAlias,
  kCostStatus,
  kCostReason,
  kCostMatch,
  kCostProvider,
  kCostModel,
  kCostTier,
  kCostBookVersion,
  kCostMissing,
  kCostLowerBound,
  kCostNotional,
  kCostGateway,
  kBillingMode,
  kBillingScope,
  // What only Sonde says.
  kCallNumber,
  kDialect,
  kIncomplete,
  kUsageInconsistent,
  kUsagePartial,
  kEstimated,
  kEstimatedInputTokens,
  kEstimatedOutputTokens,
  kEstimatedCost,
  kAttempt,
  kRetryOf,
  kRetryAfter,
  kErrorClass,
  kClientAborted,
  kTimeToFirstText,
  kTimePerOutputChunk,
  kOutputRate,
  kToolCallCount,
  kProviderRequestId,
  kUserHash,
  kServiceTier,
  // Labels of metrics alone.
  kTokenType,
  kRateLimitKind,
  kReason,
  kCause,
  kSignal,
  kOutcome,
  kUse,
  kVersion,
  kHash,
  // Only older dashboards.
  kTokensTotal,
  kErrorMessage,
  // The resource: the process that made the call.
  kServiceName,
  kProcessPid,
  kProcessCreationTime,
  kProcessExecutableName,
  kProcessCommand,
  kTelemetrySdkName,
  kTelemetrySdkLanguage,
  kTelemetrySdkVersion,
  kTelemetryDistroName,
  kTelemetryDistroVersion,
};

/// How one attribute is spelled. An empty name is not emitted.
struct Spelling {
  std::string_view name;
  std::string_view alias;  ///< The second name of the `seed` profile.
};

/// Never fails: an attribute a profile does not have yields two empty names.
Spelling SpellingOf(Profile profile, Attribute attribute);

/// One row of the table, for tests and documents.
struct NameRow {
  Attribute attribute;
  std::string_view semconv141;
  std::string_view main;
  std::string_view seed_alias;  ///< Emitted beside the 1.41 name.
};
std::span<const NameRow> NameTable();

/// The log record of one call: the GenAI event of an inference, the same in every profile.
inline constexpr std::string_view kInferenceEvent = "gen_ai.client.inference.operation.details";

/// Of the scope's spans; https://opentelemetry.io/schemas/1.41.1 for `1.41` and `seed`.
std::string_view SchemaUrl(Profile profile);

/// "1.41", "main" or "seed"; InvalidArgument names the choices.
absl::StatusOr<Profile> ParseProfile(std::string_view name);
std::string_view ProfileName(Profile profile);

/// Keys of Sonde's own namespace begin with this.
inline constexpr std::string_view kOwnPrefix = "sonde.";

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_NAMES_H_
