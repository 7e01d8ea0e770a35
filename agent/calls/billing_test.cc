#include "agent/calls/billing.h"

#include "agent/calls/testing/fake_price_book.h"
#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

using pricing::CostStatus;
using pricing::Unit;
using testing::FakePriceBook;
using Rows = std::vector<std::pair<Unit, int64_t>>;

Call Served(const char* model) {
  Call call;
  call.http_status = 200;
  call.biller = "openai";
  call.response.model = model;
  call.response.terminal_seen = true;
  return call;
}

TEST(QuantitiesTest, DisjointClasses) {
  dialects::TokenUsage usage{.input_uncached = 100,
                             .cache_read = 40,
                             .cache_write_5m = 3,
                             .cache_write_1h = 4,
                             .output = 50,
                             .reasoning = 20,
                             .web_search_requests = 2};
  EXPECT_EQ(Quantities(usage), (Rows{{Unit::kInput, 100},
                                     {Unit::kCacheRead, 40},
                                     {Unit::kCacheWrite5m, 3},
                                     {Unit::kCacheWrite1h, 4},
                                     {Unit::kOutput, 30},
                                     {Unit::kReasoning, 20},
                                     {Unit::kWebSearch, 2}}));
}

TEST(QuantitiesTest, AudioIsTakenOutOfItsClasses) {
  dialects::TokenUsage usage{.input_uncached = 100,
                             .cache_read = 40,
                             .output = 50,
                             .input_audio = 60,
                             .cache_read_audio = 10,
                             .output_audio = 45};
  EXPECT_EQ(Quantities(usage), (Rows{{Unit::kInput, 50},
                                     {Unit::kCacheRead, 30},
                                     {Unit::kOutput, 5},
                                     {Unit::kInputAudio, 50},
                                     {Unit::kCacheReadAudio, 10},
                                     {Unit::kOutputAudio, 45}}));
}

TEST(QuantitiesTest, SubsetsLargerThanTheirClassNeverGiveNegativeRows) {
  dialects::TokenUsage usage{.input_uncached = 1,
                             .cache_read = 2,
                             .output = 3,
                             .reasoning = 100,
                             .input_audio = 100,
                             .cache_read_audio = 100,
                             .output_audio = 100};
  int64_t sum = 0;
  for (const auto& [unit, quantity] : Quantities(usage)) {
    EXPECT_GT(quantity, 0);
    sum += quantity;
  }
  EXPECT_EQ(sum, 6);
}

TEST(IsPlausibleTest, Ranges) {
  EXPECT_TRUE(IsPlausible({}));
  EXPECT_TRUE(IsPlausible({.input_uncached = 0, .output = kMostTokens}));
  EXPECT_FALSE(IsPlausible({.output = -1}));
  EXPECT_FALSE(IsPlausible({.cache_read = kMostTokens + 1}));
}

TEST(PriceCallTest, Computed) {
  Call call = Served("gpt-test");
  call.response.usage = {.input_uncached = 10, .cache_read = 5, .output = 2};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  EXPECT_EQ(call.quote.total, 10 * 1000 + 5 * 100 + 2 * 8000);
  EXPECT_FALSE(call.estimated);
}

TEST(PriceCallTest, ReasoningStaysInOutputUnlessTheBookPricesItApart) {
  Call call = Served("gpt-test");
  call.response.usage = {.input_uncached = 1, .output = 10, .reasoning = 4};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  EXPECT_EQ(call.quote.total, 1000 + 10 * 8000);

  call.response.model = "thinker-test";
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.total, 1000 + 6 * 8000 + 4 * 3000);
}

TEST(PriceCallTest, PartialUsageIsALowerBound) {
  Call call = Served("claude-test");
  call.response.usage = {.input_uncached = 10, .output = 1};
  call.response.usage_is_partial = true;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kPartial);
  EXPECT_EQ(call.quote.total, 10 * 3000 + 15000);
}

TEST(PriceCallTest, AssumedSplitOfLifetimesIsPartial) {
  Call call = Served("claude-test");
  call.response.usage = {.input_uncached = 10, .cache_write_5m = 7, .output = 1};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  // Mixed lifetimes, or a request of which a part was not seen.
  call.response.usage.write_split_unknown = true;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kPartial);
}

TEST(PriceCallTest, ATierThatIsNotStatedIsALowerBound) {
  const auto price = [](auto&& change) {
    Call call = Served("gpt-test");
    call.response.usage = {.input_uncached = 10, .output = 1};
    change(call);
    PriceCall(FakePriceBook(), call);
    return call.quote;
  };
  for (const char* asked : {"priority", "flex", "scale"}) {
    const pricing::Quote quote = price([&](Call& call) { call.request.service_tier = asked; });
    EXPECT_EQ(quote.status, CostStatus::kPartial) << asked;
    EXPECT_EQ(quote.reason, kTierNotStated);
    EXPECT_EQ(quote.tier, asked == std::string_view("flex") ? "flex" : "") << "the cheaper one";
  }
  EXPECT_EQ(price([](Call& call) { call.request.body_has_gap = true; }).status,
            CostStatus::kPartial);
  EXPECT_EQ(price([](Call& call) { call.request.body_is_whole = false; }).status,
            CostStatus::kPartial);
  EXPECT_EQ(price([](Call& call) { call.request.speed = "fast"; }).status, CostStatus::kPartial);
  for (const char* asked : {"", "auto", "default", "standard_only"}) {
    EXPECT_EQ(price([&](Call& call) { call.request.service_tier = asked; }).status,
              CostStatus::kComputed)
        << asked;
  }
  // The reply's word settles it.
  const pricing::Quote stated = price([](Call& call) {
    call.request.service_tier = "priority";
    call.request.body_has_gap = true;
    call.response.service_tier = "default";
  });
  EXPECT_EQ(stated.status, CostStatus::kComputed);
  EXPECT_EQ(stated.reason, "");
}

TEST(PriceCallTest, AHostOfARegionWithoutACardIsALowerBound) {
  for (const char* host : {"eu.api.openai.com", "us-east-1.api.x.ai", "api.eu.mistral.ai"}) {
    Call call = Served("gpt-test");
    call.server_address = host;
    call.response.usage = {.input_uncached = 10, .output = 1};
    PriceCall(FakePriceBook(), call);
    EXPECT_EQ(call.quote.status, CostStatus::kPartial) << host;
    EXPECT_EQ(call.quote.reason, kRegionNotPriced);
  }
  for (const char* host : {"api.openai.com", "gateway.api.example.com", "api.internal.example.com",
                           "localhost", "eu.example.com", ""}) {
    Call call = Served("gpt-test");
    call.server_address = host;
    call.response.usage = {.input_uncached = 10, .output = 1};
    PriceCall(FakePriceBook(), call);
    EXPECT_EQ(call.quote.status, CostStatus::kComputed) << host;
  }
}

TEST(PriceCallTest, EstimateStaysApart) {
  Call call = Served("gpt-test");
  call.request.text.ascii_bytes = 1000;
  call.request.message_count = 1;
  call.response.text.ascii_bytes = 2000;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kEstimated);
  ASSERT_TRUE(call.estimated);
  EXPECT_EQ(call.estimated->input_uncached, 233 + 4 + 3);
  EXPECT_EQ(call.estimated->output, 466);
  EXPECT_EQ(call.quote.total, 240 * 1000 + 466 * 8000);
  EXPECT_TRUE(call.response.usage.empty());
}

TEST(PriceCallTest, NoEstimateOfABodyThatIsNotWhole) {
  for (const Incomplete reason : {Incomplete::kHole, Incomplete::kGarbled}) {
    Call call = Served("gpt-test");
    call.response.text.ascii_bytes = 2000;
    call.incomplete = {reason};
    PriceCall(FakePriceBook(), call);
    EXPECT_FALSE(call.estimated) << IncompleteName(reason);
    EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
    EXPECT_EQ(call.quote.reason, kNoUsage);
    EXPECT_FALSE(call.quote.total);
  }
  Call cut = Served("gpt-test");
  cut.response.text.ascii_bytes = 2000;
  cut.incomplete = {Incomplete::kTruncated};
  PriceCall(FakePriceBook(), cut);
  EXPECT_EQ(cut.quote.status, CostStatus::kEstimated) << "what came was generated";
}

TEST(PriceCallTest, NoEstimateBeyondWhatAModelWrites) {
  const auto price = [](uint64_t request_bytes, uint64_t reply_bytes) {
    Call call = Served("gpt-test");
    call.request.text.ascii_bytes = request_bytes;
    call.response.text.ascii_bytes = reply_bytes;
    call.client_aborted = true;
    PriceCall(FakePriceBook(), call);
    return call;
  };
  constexpr uint64_t kMegabyte = 1'000'000;
  EXPECT_EQ(price(8 * kMegabyte, 8 * kMegabyte).quote.status, CostStatus::kEstimated);
  for (const Call& call : {price(9, 300 * kMegabyte), price(300 * kMegabyte, 9)}) {
    EXPECT_FALSE(call.estimated);
    EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
    EXPECT_EQ(call.quote.reason, kNoUsage) << "not \"aborted\": something was generated";
    EXPECT_FALSE(call.quote.total);
  }
}

TEST(PriceCallTest, EstimateOfAnUnknownModelHasNoPrice) {
  Call call = Served("unheard-of");
  call.response.text.ascii_bytes = 2000;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
  EXPECT_EQ(call.quote.reason, "unknown_model");
  EXPECT_FALSE(call.quote.total);
  EXPECT_TRUE(call.estimated) << "the tokens are still worth showing";
}

TEST(PriceCallTest, FailedCallIsNotBilled) {
  Call call = Served("gpt-test");
  call.http_status = 429;
  call.error = ErrorClass::kRateLimit;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
  EXPECT_EQ(call.quote.reason, kNotBilled);
  EXPECT_FALSE(call.quote.total);
}

TEST(PriceCallTest, FailureThatStatesUsageIsPriced) {
  Call call = Served("gpt-test");
  call.http_status = 500;
  call.response.usage = {.input_uncached = 10};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.total, 10'000);
}

TEST(PriceCallTest, NothingToGoBy) {
  Call call = Served("gpt-test");
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.reason, kNoUsage);
  call.client_aborted = true;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.reason, kAborted);
}

TEST(PriceCallTest, SharesOfOtherModelsHaveTheirOwnPrices) {
  Call call = Served("gpt-test");
  call.response.usage = {.input_uncached = 10, .output = 7};
  call.response.usage_by_other_models = {
      {.model = "claude-test", .usage = {.input_uncached = 4, .output = 2}}};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  EXPECT_EQ(call.quote.total, 6 * 1000 + 5 * 8000 + 4 * 3000 + 2 * 15000);
  int64_t sum = 0;
  for (const auto& component : call.quote.components) sum += component.amount.value_or(0);
  EXPECT_EQ(sum, call.quote.total);

  call.response.usage_by_other_models[0].model = "unheard-of";
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kPartial);
  EXPECT_EQ(call.quote.total, 6 * 1000 + 5 * 8000);
}

TEST(PriceCallTest, ProvidersOwnPriceStands) {
  Call call = Served("gpt-test");
  call.response.usage = {.input_uncached = 10, .output = 7};
  call.response.stated_cost_pico_usd = 4321;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kProvider);
  EXPECT_EQ(call.quote.total, 4321);
  EXPECT_EQ(call.provider_cost, 4321);
  EXPECT_EQ(call.quote.components.size(), 2U);
}

TEST(PriceCallTest, StatedZeroWithTokensIsNotReported) {
  Call call = Served("gpt-test");
  call.response.usage = {.input_uncached = 10, .output = 7};
  call.response.stated_cost_pico_usd = 0;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  EXPECT_FALSE(call.provider_cost);
}

TEST(PriceCallTest, UnknownGatewaysWordIsKeptBeside) {
  Call call = Served("gpt-test");
  call.biller.clear();
  call.response.usage = {.input_uncached = 10, .output = 7};
  call.response.stated_cost_pico_usd = 4321;
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
  EXPECT_FALSE(call.quote.total);
  EXPECT_EQ(call.provider_cost, 4321);
}

TEST(ModeOfTest, WhoPays) {
  Call call = Served("gpt-test");
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, false), BillingMode::kMetered);
  EXPECT_EQ(ModeOf(call, Credential::kOther, false), BillingMode::kUnknown);
  EXPECT_EQ(ModeOf(call, Credential::kOAuth, false), BillingMode::kPlan);
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, true), BillingMode::kPlan);
  call.response.service_tier = "batch";
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, false), BillingMode::kBatch);
  call.response.service_tier = "scale";
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, false), BillingMode::kCapacity);
  call = Served("gpt-test");
  call.biller.clear();
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, false), BillingMode::kUnknown)
      << "a key for nobody known";
  call = Served("free-test");
  call.response.usage = {.input_uncached = 10, .output = 1};
  PriceCall(FakePriceBook(), call);
  EXPECT_EQ(ModeOf(call, Credential::kApiKey, false), BillingMode::kFree);
}

}  // namespace
}  // namespace sonde::calls
