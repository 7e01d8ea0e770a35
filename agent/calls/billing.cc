#include "agent/calls/billing.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "agent/calls/estimator.h"

namespace sonde::calls {
namespace {

using pricing::CostStatus;
using pricing::Quote;
using pricing::Unit;

constexpr int kFirstErrorStatus = 400;

/// The tier of the card. Anthropic's fast mode is a card of its own, stated apart from the tier.
/// A tier that is cheaper than everyone's is taken from the request when the reply names none: the
/// price stays a lower bound.
std::string TierOf(const Call& call) {
  if (call.response.speed == "fast") return "fast";
  const bool cheaper = call.response.service_tier.empty() && call.request.service_tier == "flex";
  return cheaper ? call.request.service_tier : call.response.service_tier;
}

/// Which tier was billed is not known: the reply's word counts, and it has none.
bool IsTierOpen(const Call& call) {
  if (!call.response.service_tier.empty() || !call.response.speed.empty()) return false;
  constexpr std::array<std::string_view, 6> kEverybodys = {
      "", "auto", "default", "standard", "standard_only", "on_demand"};
  const std::string& asked = call.request.service_tier;
  if (std::find(kEverybodys.begin(), kEverybodys.end(), asked) == kEverybodys.end()) return true;
  if (call.request.speed == "fast") return true;
  return asked.empty() && (call.request.body_has_gap || !call.request.body_is_whole);
}

/// "eu.api.openai.com", "us-east-1.api.x.ai" and "api.eu.mistral.ai" name a region; else empty.
std::string RegionOfHost(std::string_view host) {
  constexpr std::array<std::string_view, 11> kRegions = {"us", "eu", "au", "ca", "jp", "in",
                                                         "sg", "kr", "gb", "uk", "ae"};
  const size_t dot = host.find('.');
  if (dot == std::string_view::npos) return {};
  std::string_view label = host.substr(0, dot);
  const std::string_view rest = host.substr(dot + 1);
  if (label == "api") {
    label = rest.substr(0, rest.find('.'));
  } else if (rest.substr(0, 4) != "api.") {
    return {};
  }
  const std::string_view area = label.substr(0, label.find('-'));
  const bool known = std::find(kRegions.begin(), kRegions.end(), area) != kRegions.end();
  return known ? std::string(area) : std::string();
}

/// As the reply states it, else as the host does.
std::string RegionOf(const Call& call) {
  const std::string& geo = call.response.inference_geo;
  if (geo.empty()) return RegionOfHost(call.server_address);
  return geo == "not_available" ? std::string() : geo;
}

/// The book to ask: a model server of one's own has a reason of its own for having no price.
std::string ProviderOf(const pricing::PriceBook& book, const Call& call) {
  const bool own = call.biller.empty() && book.IsSelfHosted(call.server_address, call.server_port);
  return own ? "self_hosted" : call.biller;
}

Quote PriceOneModel(const pricing::PriceBook& book, const Call& call, const std::string& served_by,
                    const dialects::TokenUsage& usage) {
  return book.Price(pricing::Query{.provider = ProviderOf(book, call),
                                   .response_model = served_by,
                                   .request_model = call.request.model,
                                   .tier = TierOf(call),
                                   .region_class = RegionOf(call),
                                   .start_unix_ns = call.start_unix_ns,
                                   .quantities = Quantities(usage)});
}

void Subtract(std::optional<int64_t>& from, const std::optional<int64_t>& part) {
  if (from) from = std::max<int64_t>(*from - part.value_or(0), 0);
}

dialects::TokenUsage Without(dialects::TokenUsage whole, const dialects::TokenUsage& part) {
  Subtract(whole.input_uncached, part.input_uncached);
  Subtract(whole.cache_read, part.cache_read);
  Subtract(whole.cache_write_5m, part.cache_write_5m);
  Subtract(whole.cache_write_1h, part.cache_write_1h);
  Subtract(whole.cache_write_other, part.cache_write_other);
  Subtract(whole.output, part.output);
  Subtract(whole.reasoning, part.reasoning);
  Subtract(whole.input_audio, part.input_audio);
  Subtract(whole.cache_read_audio, part.cache_read_audio);
  Subtract(whole.output_audio, part.output_audio);
  Subtract(whole.web_search_requests, part.web_search_requests);
  return whole;
}

/// Adds the rows of another model's share; what a book adds per request is in the first quote. What
/// the share leaves without a price makes the sum a lower bound.
void AddShare(Quote& quote, const Quote& share) {
  bool whole = share.status == CostStatus::kComputed;
  for (const pricing::Component& component : share.components) {
    if (component.unit == Unit::kRequest || component.unit == Unit::kUncounted) continue;
    quote.components.push_back(component);
    if (component.amount) {
      quote.total = quote.total.value_or(0) + *component.amount;
    } else {
      whole = false;
    }
  }
  const bool some = quote.total.has_value();
  if (quote.status == CostStatus::kComputed ? !whole : some) {
    quote.status = CostStatus::kPartial;
    quote.reason.clear();
  }
}

Quote PriceUsage(const pricing::PriceBook& book, const Call& call,
                 const dialects::TokenUsage& usage) {
  dialects::TokenUsage own = usage;
  for (const dialects::ModelUsage& other : call.response.usage_by_other_models) {
    own = Without(own, other.usage);
  }
  Quote quote = PriceOneModel(book, call, call.response.model, own);
  for (const dialects::ModelUsage& other : call.response.usage_by_other_models) {
    AddShare(quote, PriceOneModel(book, call, other.model, other.usage));
  }
  return quote;
}

/// The provider's own price stands instead of ours. Nothing is not one, unless nothing was used
/// (a provider that leaves the field at 0 has not reported it).
void TakeStatedCost(Call& call) {
  const std::optional<int64_t>& stated = call.response.stated_cost_pico_usd;
  if (!stated || *stated < 0) return;
  const int64_t tokens =
      call.response.usage.total_input().value_or(0) + call.response.usage.output.value_or(0);
  if (*stated == 0 && tokens > 0) return;
  call.provider_cost = *stated;
  if (call.biller.empty()) return;  // Some gateway's word: kept beside.
  call.quote.status = CostStatus::kProvider;
  call.quote.reason.clear();
  call.quote.total = *stated;
  // The rows say what was used. Their sum is not the total, so they carry no amounts.
  for (pricing::Component& component : call.quote.components) {
    component.rate.reset();
    component.amount.reset();
  }
}

Quote Unpriced(const pricing::PriceBook& book, const Call& call, std::string_view reason) {
  Quote quote;
  quote.status = CostStatus::kUnpriced;
  quote.reason = reason;
  quote.provider = call.biller;
  quote.book_version = book.version();
  return quote;
}

bool HasText(const dialects::TextStats& text) {
  return text.ascii_bytes > 0 || text.wide_characters > 0;
}

/// Nothing where the text is not known to be what was generated, or is more than a model writes or
/// reads: a body that is not what it says to be (a compressed one inflates a thousandfold).
std::optional<dialects::TokenUsage> Estimate(const Call& call) {
  if (call.has_incomplete(Incomplete::kHole) || call.has_incomplete(Incomplete::kGarbled)) {
    return std::nullopt;
  }
  const std::string& model = call.response.model.empty() ? call.request.model : call.response.model;
  dialects::TokenUsage usage;
  usage.input_uncached = EstimatePromptTokens(call.request.text, call.request.message_count, model);
  usage.output = EstimateTokens(call.response.text, model);
  if (*usage.input_uncached > kMostEstimatedTokens || *usage.output > kMostEstimatedTokens) {
    return std::nullopt;
  }
  return usage;
}

/// Usage that may not be all of what was billed: the price is a lower bound.
bool IsLowerBound(const Call& call) {
  const dialects::TokenUsage& usage = call.response.usage;
  // One of the two was refused or never stated.
  const bool half = call.operation == "chat" && (!usage.total_input() || !usage.output);
  return call.response.usage_is_partial || call.has_incomplete(Incomplete::kNoRequest) ||
         usage.write_split_unknown || half;
}

void MarkLowerBound(Call& call) {
  Quote& quote = call.quote;
  if (quote.status != CostStatus::kComputed && quote.status != CostStatus::kPartial) return;
  if (IsTierOpen(call)) {
    quote.reason = kTierNotStated;
  } else if (quote.region_class.empty() && call.response.inference_geo.empty() &&
             !RegionOfHost(call.server_address).empty()) {
    quote.reason = kRegionNotPriced;
  }
  if (!quote.reason.empty() || IsLowerBound(call)) quote.status = CostStatus::kPartial;
}

}  // namespace

bool IsPlausible(const dialects::TokenUsage& usage) {
  for (const auto& part :
       {usage.input_uncached, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h,
        usage.cache_write_other, usage.output, usage.reasoning, usage.input_audio,
        usage.cache_read_audio, usage.output_audio, usage.web_search_requests}) {
    if (part && (*part < 0 || *part > kMostTokens)) return false;
  }
  return true;
}

std::vector<std::pair<Unit, int64_t>> Quantities(const dialects::TokenUsage& usage) {
  // Subsets are cut to their classes: a reply in which they are larger is marked inconsistent.
  const int64_t cached = usage.cache_read.value_or(0);
  const int64_t cached_audio = std::min(usage.cache_read_audio.value_or(0), cached);
  const int64_t uncached = usage.input_uncached.value_or(0);
  const int64_t audio =
      std::clamp<int64_t>(usage.input_audio.value_or(0) - cached_audio, 0, uncached);
  const int64_t output = usage.output.value_or(0);
  const int64_t output_audio = std::min(usage.output_audio.value_or(0), output);
  const int64_t reasoning = std::min(usage.reasoning.value_or(0), output - output_audio);
  std::vector<std::pair<Unit, int64_t>> quantities;
  const auto add = [&quantities](Unit unit, int64_t quantity) {
    if (quantity > 0) quantities.emplace_back(unit, quantity);
  };
  add(Unit::kInput, uncached - audio);
  add(Unit::kCacheRead, cached - cached_audio);
  add(Unit::kCacheWrite5m, usage.cache_write_5m.value_or(0));
  add(Unit::kCacheWrite1h, usage.cache_write_1h.value_or(0));
  add(Unit::kCacheWriteOther, usage.cache_write_other.value_or(0));
  add(Unit::kOutput, output - output_audio - reasoning);
  add(Unit::kReasoning, reasoning);
  add(Unit::kInputAudio, audio);
  add(Unit::kCacheReadAudio, cached_audio);
  add(Unit::kOutputAudio, output_audio);
  add(Unit::kWebSearch, usage.web_search_requests.value_or(0));
  return quantities;
}

void PriceCall(const pricing::PriceBook& book, Call& call) {
  if (!call.response.usage.empty()) {
    call.quote = PriceUsage(book, call, call.response.usage);
    MarkLowerBound(call);
    TakeStatedCost(call);
    return;
  }
  const bool failed = call.http_status >= kFirstErrorStatus ||
                      (call.response.error.present && !HasText(call.response.text));
  if (failed) {
    call.quote = Unpriced(book, call, kNotBilled);
    return;
  }
  const bool has_text = HasText(call.response.text);
  if (has_text) call.estimated = Estimate(call);
  if (call.estimated) {
    call.quote = PriceUsage(book, call, *call.estimated);
    if (call.quote.status == CostStatus::kComputed || call.quote.status == CostStatus::kPartial) {
      call.quote.status = CostStatus::kEstimated;
    }
    return;
  }
  call.quote = Unpriced(book, call, call.client_aborted && !has_text ? kAborted : kNoUsage);
}

BillingMode ModeOf(const Call& call, Credential credential, bool plan_limits) {
  const std::string& tier = call.response.service_tier;
  if (tier == "batch") return BillingMode::kBatch;
  // Bought in advance, billed whether used or not: OpenAI's scale tier, Bedrock's reserved tier.
  if (tier == "scale" || tier == "reserved") return BillingMode::kCapacity;
  if (plan_limits || credential == Credential::kOAuth) return BillingMode::kPlan;
  const bool free = call.quote.status == CostStatus::kComputed && call.quote.total == 0 &&
                    !call.quote.components.empty();
  if (free) return BillingMode::kFree;
  if (!call.biller.empty() && credential == Credential::kApiKey) return BillingMode::kMetered;
  return BillingMode::kUnknown;
}

}  // namespace sonde::calls
