#include "decoders/dialects/anthropic_usage.h"

#include <algorithm>

namespace sonde::dialects {
namespace {

constexpr size_t kMaxOtherModels = 16;

using Count = std::optional<int64_t>;

void Add(AnthropicCounts* sum, size_t field, const Count& value) {
  if (value) sum->Put(field, (*sum)[field].value_or(0) + *value);
}

void AddAll(AnthropicCounts* sum, const AnthropicCounts& counts) {
  for (size_t field = 0; field < kAnthropicUsageFields; ++field) Add(sum, field, counts[field]);
}

/// Adds cache writes whose lifetime the reply does not state.
void AssumeLifetime(int64_t writes, const RequestFacts& request, TokenUsage* usage) {
  const bool unknown = (request.asks_1h_cache && request.asks_5m_cache) || request.body_has_gap ||
                       !request.body_is_whole;
  const bool one_hour = request.asks_1h_cache && !request.asks_5m_cache && !unknown;
  Count& target = one_hour ? usage->cache_write_1h : usage->cache_write_5m;
  target = target.value_or(0) + writes;
  if (unknown && writes > 0) {
    usage->write_split_unknown = true;
    usage->write_split_unknown_tokens = writes;
  }
}

TokenUsage Classes(const AnthropicCounts& counts, const RequestFacts& request) {
  TokenUsage usage;
  usage.input_uncached = counts[kInputTokens];
  usage.cache_read = counts[kCacheReadTokens];
  usage.output = counts[kOutputTokens];
  usage.reasoning = counts[kThinkingTokens];
  usage.web_search_requests = counts[kWebSearches];
  usage.cache_write_5m = counts[kCreation5mTokens];
  usage.cache_write_1h = counts[kCreation1hTokens];
  if (const Count& writes = counts[kCacheCreationTokens]) {
    const int64_t split = usage.cache_write_5m.value_or(0) + usage.cache_write_1h.value_or(0);
    const bool stated = usage.cache_write_5m || usage.cache_write_1h;
    if (*writes > split || !stated) AssumeLifetime(*writes - split, request, &usage);
    if (*writes < split) usage.inconsistent = true;
  }
  if (usage.reasoning && usage.output && *usage.reasoning > *usage.output) {
    usage.inconsistent = true;
  }
  return usage;
}

bool SameTokens(const AnthropicCounts& a, const AnthropicCounts& b) {
  for (const size_t field : {size_t{kInputTokens}, size_t{kOutputTokens},
                             size_t{kCacheCreationTokens}, size_t{kCacheReadTokens}}) {
    if (a[field].value_or(0) != b[field].value_or(0)) return false;
  }
  return true;
}

/// Documented as not part of the object's own fields, or not said to be.
bool StandsOutside(const AnthropicIteration& iteration) {
  return iteration.type == "compaction" || iteration.type == "advisor_message";
}

}  // namespace

void AnthropicUsage::Merge(const AnthropicUsage& later) {
  for (size_t field = 0; field < kAnthropicUsageFields; ++field) {
    if (later.counts[field]) counts.Put(field, later.counts[field]);
  }
  if (later.iterations_seen) {
    iterations = later.iterations;
    iterations_seen = true;
    iterations_cut = later.iterations_cut;
  }
}

TokenUsage AnthropicUsage::Normalize(const RequestFacts& request) const {
  if (iterations.empty()) return Classes(counts, request);
  // The entries are the truth, the object's own fields a check. Never both.
  AnthropicCounts sum;
  AnthropicCounts inside;
  for (const AnthropicIteration& iteration : iterations) {
    AddAll(&sum, iteration.counts);
    if (!StandsOutside(iteration)) AddAll(&inside, iteration.counts);
  }
  const bool agrees = SameTokens(sum, counts) || SameTokens(inside, counts);
  // What entries do not break out, the object may.
  if (!sum[kCreation5mTokens] && !sum[kCreation1hTokens]) {
    sum.Put(kCreation5mTokens, counts[kCreation5mTokens]);
    sum.Put(kCreation1hTokens, counts[kCreation1hTokens]);
  }
  if (!sum[kThinkingTokens]) sum.Put(kThinkingTokens, counts[kThinkingTokens]);
  if (!sum[kWebSearches]) sum.Put(kWebSearches, counts[kWebSearches]);
  TokenUsage usage = Classes(sum, request);
  usage.inconsistent = usage.inconsistent || !agrees || iterations_cut;
  return usage;
}

std::vector<ModelUsage> AnthropicUsage::OtherModels(std::string_view model,
                                                    const RequestFacts& request) const {
  std::vector<std::pair<std::string_view, AnthropicCounts>> sums;
  for (const AnthropicIteration& iteration : iterations) {
    if (iteration.model.empty() || iteration.model == model) continue;
    auto found = std::find_if(sums.begin(), sums.end(),
                              [&](const auto& entry) { return entry.first == iteration.model; });
    if (found == sums.end()) {
      if (sums.size() >= kMaxOtherModels) continue;
      found = sums.insert(sums.end(), {iteration.model, AnthropicCounts()});
    }
    AddAll(&found->second, iteration.counts);
  }
  std::vector<ModelUsage> shares;
  shares.reserve(sums.size());
  for (const auto& [name, counts_of] : sums) {
    shares.push_back({std::string(name), Classes(counts_of, request)});
  }
  return shares;
}

}  // namespace sonde::dialects
