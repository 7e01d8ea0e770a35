// A price book for tests: two models with round prices, and a few hosts.
#ifndef SONDE_AGENT_CALLS_TESTING_FAKE_PRICE_BOOK_H_
#define SONDE_AGENT_CALLS_TESTING_FAKE_PRICE_BOOK_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "agent/pricing/price_book.h"

namespace sonde::calls::testing {

/// Amounts are exact products: a rate is so many pico-USD for one unit.
class FakePriceBook : public pricing::PriceBook {
 public:
  explicit FakePriceBook(std::string version = "test-1", int64_t scale = 1)
      : version_(std::move(version)), scale_(scale) {}

  const std::string& version() const override { return version_; }
  const std::string& hash() const override { return hash_; }

  pricing::Quote Price(const pricing::Query& query) const override {
    pricing::Quote quote;
    quote.provider = query.provider;
    quote.book_version = version_;
    quote.tier = query.tier;
    if (query.provider.empty()) {
      quote.reason = "unknown_provider";
      return quote;
    }
    const std::string& model =
        query.response_model.empty() ? query.request_model : query.response_model;
    const auto rates = rates_.find(model);
    if (rates == rates_.end()) {
      quote.reason = "unknown_model";
      return quote;
    }
    quote.model = model;
    quote.match = pricing::Match::kExact;
    quote.status = pricing::CostStatus::kComputed;
    std::map<pricing::Unit, int64_t> quantities;
    for (const auto& [unit, quantity] : query.quantities) {
      const bool fold = unit == pricing::Unit::kReasoning && !rates->second.contains(unit);
      quantities[fold ? pricing::Unit::kOutput : unit] += quantity;
    }
    int64_t total = 0;
    for (const auto& [unit, quantity] : quantities) {
      pricing::Component component{.unit = unit, .quantity = quantity};
      const auto rate = rates->second.find(unit);
      if (rate == rates->second.end()) {
        quote.status = pricing::CostStatus::kPartial;
      } else {
        component.rate = pricing::Rate{rate->second * scale_, 1};
        component.amount = quantity * rate->second * scale_;
        total += *component.amount;
      }
      quote.components.push_back(component);
    }
    quote.total = total;
    return quote;
  }

  std::string ProviderForHost(std::string_view host, uint16_t port) const override {
    if (host == "api.openai.test" || (host == "127.0.0.1" && port == 8443)) return "openai";
    if (host == "api.anthropic.test") return "anthropic";
    return "";
  }
  std::string SemconvName(std::string_view provider) const override {
    return std::string(provider);
  }
  bool IsProviderHost(std::string_view host) const override {
    return !ProviderForHost(host, 443).empty();
  }

  /// Rates in pico-USD per unit, by model.
  std::map<std::string, std::map<pricing::Unit, int64_t>, std::less<>> rates_ = {
      {"gpt-test",
       {{pricing::Unit::kInput, 1000},
        {pricing::Unit::kCacheRead, 100},
        {pricing::Unit::kOutput, 8000}}},
      {"thinker-test",
       {{pricing::Unit::kInput, 1000},
        {pricing::Unit::kOutput, 8000},
        {pricing::Unit::kReasoning, 3000}}},
      {"claude-test",
       {{pricing::Unit::kInput, 3000},
        {pricing::Unit::kCacheRead, 300},
        {pricing::Unit::kCacheWrite5m, 3750},
        {pricing::Unit::kCacheWrite1h, 6000},
        {pricing::Unit::kOutput, 15000}}},
      {"free-test", {{pricing::Unit::kInput, 0}, {pricing::Unit::kOutput, 0}}},
  };

 private:
  std::string version_;
  std::string hash_ = "00";
  int64_t scale_ = 1;
};

}  // namespace sonde::calls::testing

#endif  // SONDE_AGENT_CALLS_TESTING_FAKE_PRICE_BOOK_H_
