// The usage object of OpenAI-shaped APIs and of the providers that speak them with their own
// additions, brought to disjoint classes.
#ifndef SONDE_DECODERS_DIALECTS_OPENAI_USAGE_H_
#define SONDE_DECODERS_DIALECTS_OPENAI_USAGE_H_

#include <cstdint>

#include "decoders/dialects/counts.h"
#include "decoders/dialects/facts.h"

namespace sonde::dialects {

enum OpenAiUsageField : uint8_t {
  kPromptTokens,
  kCompletionTokens,
  kTotalTokens,
  kCachedTokens,           ///< prompt_tokens_details.cached_tokens
  kCachedTokensOtherName,  ///< prompt_token_details.cached_tokens (Mistral)
  kNumCachedTokens,        ///< num_cached_tokens (Mistral)
  kCacheWriteTokens,       ///< prompt_tokens_details.cache_write_tokens
  kPromptAudioTokens,
  kReasoningTokens,       ///< completion_tokens_details.reasoning_tokens
  kLooseReasoningTokens,  ///< reasoning_tokens beside the others (Perplexity)
  kCompletionAudioTokens,
  kCacheHitTokens,     ///< prompt_cache_hit_tokens (DeepSeek)
  kCacheMissTokens,    ///< prompt_cache_miss_tokens (DeepSeek)
  kWebSearchRequests,  ///< server_tool_use_details.web_search_requests (OpenRouter)
  kSearchQueries,      ///< num_search_queries (Perplexity)
  kSourcesUsed,        ///< num_sources_used (xAI)
  kOpenAiUsageFields,
};

struct OpenAiUsage {
  Counts<kOpenAiUsageFields> counts;
  /// The reply has a member only xAI writes; xAI counts reasoning beside completion_tokens.
  bool is_xai = false;

  /// By the rules for these providers, checked against the stated total where there is one: it
  /// shows whether reasoning and cache stand inside or outside their neighbours.
  TokenUsage Normalize() const;
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_OPENAI_USAGE_H_
