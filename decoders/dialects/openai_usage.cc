#include "decoders/dialects/openai_usage.h"

#include <algorithm>
#include <optional>

namespace sonde::dialects {
namespace {

using Count = std::optional<int64_t>;

Count FirstOf(std::initializer_list<Count> candidates) {
  for (const Count& candidate : candidates) {
    if (candidate) return candidate;
  }
  return std::nullopt;
}

/// Where the subsets stand.
struct Layout {
  bool reasoning_outside = false;
  bool cache_outside = false;
  bool settled = false;  ///< The stated total shows it.
};

/// The total tells which sum it is, if it is any.
Layout LayoutOf(int64_t input, int64_t output, int64_t reasoning, int64_t cache, Count total,
                bool row_says_outside) {
  Layout layout;
  layout.reasoning_outside = row_says_outside;
  if (!total) return layout;
  const int64_t base = input + output;
  layout.settled = true;
  if (*total == base) {
    layout.reasoning_outside = false;
  } else if (*total == base + reasoning) {
    layout.reasoning_outside = true;
  } else if (*total == base + cache) {
    layout.reasoning_outside = false;
    layout.cache_outside = true;
  } else if (*total == base + cache + reasoning) {
    layout.reasoning_outside = true;
    layout.cache_outside = true;
  } else {
    layout.settled = false;
  }
  return layout;
}

}  // namespace

TokenUsage OpenAiUsage::Normalize() const {
  TokenUsage usage;
  const Count prompt = counts[kPromptTokens];
  const Count completion = counts[kCompletionTokens];
  const Count total = counts[kTotalTokens];
  const Count hit = counts[kCacheHitTokens];
  const Count miss = counts[kCacheMissTokens];
  const Count reasoning = FirstOf({counts[kReasoningTokens], counts[kLooseReasoningTokens]});
  usage.cache_read = FirstOf(
      {hit, counts[kNumCachedTokens], counts[kCachedTokens], counts[kCachedTokensOtherName]});
  usage.cache_write_other = counts[kCacheWriteTokens];
  usage.stated_total = total;
  usage.input_audio = counts[kPromptAudioTokens];
  usage.output_audio = counts[kCompletionAudioTokens];
  usage.reasoning = reasoning;
  usage.web_search_requests = FirstOf({counts[kWebSearchRequests], counts[kSearchQueries]});

  const int64_t input = prompt ? *prompt : hit.value_or(0) + miss.value_or(0);
  const int64_t output = completion.value_or(0);
  const int64_t read = usage.cache_read.value_or(0);
  const int64_t cache = read + usage.cache_write_other.value_or(0);
  const bool loose = !counts[kReasoningTokens] && counts[kLooseReasoningTokens];
  const Count checked = prompt && completion ? total : std::nullopt;
  Layout layout = LayoutOf(input, output, reasoning.value_or(0), cache, checked, is_xai || loose);
  if (checked && !layout.settled) usage.inconsistent = true;

  if (prompt || miss) {
    if (!layout.cache_outside && cache > input) {
      // More cache than input cannot be a part of it. Reads alone beyond the input were counted
      // beside it (xAI); with writes, a total that leaves no room for them says "inside": clamp.
      if (read > input || !layout.settled) layout.cache_outside = true;
      usage.inconsistent = usage.inconsistent || layout.settled;
    }
    usage.input_uncached = layout.cache_outside ? input : std::max<int64_t>(0, input - cache);
    if (miss) {
      usage.input_uncached = miss;
      if (prompt && *miss + hit.value_or(0) != *prompt) usage.inconsistent = true;
    }
  }
  if (completion) {
    const int64_t aside = reasoning.value_or(0);
    // A part greater than the whole stands beside it.
    if (!layout.settled && aside > output) layout.reasoning_outside = true;
    usage.output = output + (layout.reasoning_outside ? aside : 0);
    if (aside > *usage.output) usage.inconsistent = true;
    if (usage.output_audio.value_or(0) > *usage.output) usage.inconsistent = true;
  }
  if (prompt && usage.input_audio.value_or(0) > input) usage.inconsistent = true;
  return usage;
}

}  // namespace sonde::dialects
