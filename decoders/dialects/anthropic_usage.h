// The usage object of Anthropic's messages API, brought to disjoint classes.
#ifndef SONDE_DECODERS_DIALECTS_ANTHROPIC_USAGE_H_
#define SONDE_DECODERS_DIALECTS_ANTHROPIC_USAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decoders/dialects/counts.h"
#include "decoders/dialects/facts.h"

namespace sonde::dialects {

enum AnthropicUsageField : uint8_t {
  kInputTokens,
  kOutputTokens,
  kCacheCreationTokens,
  kCacheReadTokens,
  kCreation5mTokens,
  kCreation1hTokens,
  kThinkingTokens,
  kWebSearches,
  kAnthropicUsageFields,
};

using AnthropicCounts = Counts<kAnthropicUsageFields>;

/// One entry of `usage.iterations`.
struct AnthropicIteration {
  std::string type;
  std::string model;  ///< Empty: the reply's.
  AnthropicCounts counts;
};

struct AnthropicUsage {
  static constexpr size_t kMaxIterations = 32;

  AnthropicCounts counts;
  std::vector<AnthropicIteration> iterations;
  bool iterations_seen = false;  ///< An array, even an empty one.
  bool iterations_cut = false;   ///< There are more than are kept.

  /// Takes the non-null fields of a later, cumulative object over.
  void Merge(const AnthropicUsage& later);

  /// Cache writes beyond the 5m/1h split take the lifetime that the request asks for; when it asks
  /// for both, or not all of it was seen, they count as 5m and are marked.
  TokenUsage Normalize(const RequestFacts& request) const;

  /// The shares of models other than `model`; at most 16.
  std::vector<ModelUsage> OtherModels(std::string_view model, const RequestFacts& request) const;
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_ANTHROPIC_USAGE_H_
