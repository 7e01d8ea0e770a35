// From a call's usage to its price, or to the reason why there is none.
#ifndef SONDE_AGENT_CALLS_BILLING_H_
#define SONDE_AGENT_CALLS_BILLING_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/calls/call.h"
#include "agent/calls/headers.h"
#include "agent/pricing/price_book.h"
#include "decoders/dialects/facts.h"

namespace sonde::calls {

/// `quote.reason` of a failed call that carried no usage: providers bill nothing for it. The quote
/// is kUnpriced with no total, and it is no defect of the price book.
inline constexpr std::string_view kNotBilled = "not_billed";
/// ... of a call closed before anything was generated or stated.
inline constexpr std::string_view kAborted = "aborted";
/// ... of a call that ended otherwise and stated nothing, with no text that an estimate could
/// trust: none, with holes, garbled, or beyond kMostEstimatedTokens.
inline constexpr std::string_view kNoUsage = "no_usage";

/// `quote.reason` of a price that is a lower bound, when a component is not the reason: the reply
/// names no tier, and the request asked for another one than everyone's or was not seen whole.
inline constexpr std::string_view kTierNotStated = "tier_not_stated";
/// ... the host is one of a region, for which the book has no card (OpenAI's cost 10 % more).
inline constexpr std::string_view kRegionNotPriced = "region_not_priced";

/// More tokens in one call than this are a fault in the reply, not a cost.
inline constexpr int64_t kMostTokens = 100'000'000;

/// More tokens than this in a prompt or a reply are not estimated: no model takes or writes them.
inline constexpr int64_t kMostEstimatedTokens = 2'000'000;

/// No count is negative or beyond kMostTokens.
bool IsPlausible(const dialects::TokenUsage& usage);

/// Disjoint quantities: subsets (reasoning, audio) taken out of their classes, zero ones left out.
/// A book that has no rate of its own for a subset puts it back.
std::vector<std::pair<pricing::Unit, int64_t>> Quantities(const dialects::TokenUsage& usage);

/// Fills quote and estimated from the call's facts, error, incomplete reasons and aborted flag.
/// `book` is the one the call began with.
void PriceCall(const pricing::PriceBook& book, Call& call);

/// By tier, credential and the limits the reply states; kFree when the book says the model is.
BillingMode ModeOf(const Call& call, Credential credential, bool plan_limits);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_BILLING_H_
