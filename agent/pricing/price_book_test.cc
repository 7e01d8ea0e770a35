#include "agent/pricing/price_book.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>

#include "agent/pricing/book.h"
#include "agent/pricing/explain.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

using ::testing::HasSubstr;

constexpr PicoUsd kUsd = 1'000'000'000'000;

int64_t At(std::string_view moment) {
  const auto ns = ParseMoment(moment);
  EXPECT_TRUE(ns.has_value()) << moment;
  return ns.value_or(0);
}

std::shared_ptr<const PriceBook> Shipped() {
  static const auto book = LoadPriceBook({});
  EXPECT_TRUE(book.ok()) << book.status();
  return *book;
}

std::shared_ptr<const PriceBook> With(const std::string& text) {
  const auto book = LoadPriceBook({{.file = "10-mine.json", .text = text}});
  EXPECT_TRUE(book.ok()) << book.status();
  return book.ok() ? *book : Shipped();
}

std::string Schema(const std::string& rest) { return R"({"schema":"pricebook/1",)" + rest + "}"; }

Query Ask(std::string provider, std::string model, int64_t input = 1'000'000,
          int64_t output = 1'000'000) {
  return {.provider = std::move(provider),
          .response_model = std::move(model),
          .start_unix_ns = At("2026-09-23"),
          .quantities = {{Unit::kInput, input}, {Unit::kOutput, output}}};
}

TEST(PriceBookTest, EmbeddedBookLoads) {
  const auto book = Shipped();
  EXPECT_EQ(book->version(), "2026-09-23");
  EXPECT_EQ(book->hash().size(), 64U);
  const auto& data = dynamic_cast<const Book&>(*book).data();
  EXPECT_EQ(data.providers.size(), 20U);
  size_t models = 0;
  for (const Provider& provider : data.providers) models += provider.models.size();
  EXPECT_GT(models, 500U);
}

TEST(PriceBookTest, SearchModelsHaveAFeeThatNobodyCounts) {
  for (const char* model :
       {"gpt-4o-search-preview", "gpt-4o-search-preview-2025-03-11", "gpt-4o-mini-search-preview",
        "gpt-4o-mini-search-preview-2025-03-11"}) {
    const Quote quote = Shipped()->Price(Ask("openai", model));
    EXPECT_EQ(quote.status, CostStatus::kPartial) << model;
    EXPECT_TRUE(quote.total) << model;
  }
  EXPECT_EQ(Shipped()->Price(Ask("openai", "gpt-4o-mini")).status, CostStatus::kComputed);
}

TEST(PriceBookTest, ALongContextIsLongerThanItsStep) {
  for (const char* model : {"gpt-5.4", "gpt-5.5", "gpt-5.6-sol", "gpt-6-sol"}) {
    const auto at = [model](int64_t input) {
      return *Shipped()->Price(Ask("openai", model, input, 0)).total;
    };
    EXPECT_EQ(at(272'000), 272 * at(1000)) << model;
    EXPECT_GT(at(272'001), 2 * at(136'000) + at(1000)) << model;
  }
  // xAI says "200K and more".
  const auto grok = [](int64_t input) {
    return *Shipped()->Price(Ask("x-ai", "grok-4.3", input, 0)).total;
  };
  EXPECT_EQ(grok(199'999), 199'999 * grok(1000) / 1000);
  EXPECT_GT(grok(200'000), 200 * grok(1000));
}

TEST(PriceBookTest, DeepSeeksNightsHaveAnEnd) {
  Query query = Ask("deepseek", "deepseek-chat");
  query.start_unix_ns = At("2025-09-04");
  EXPECT_EQ(Shipped()->Price(query).status, CostStatus::kComputed);
  query.start_unix_ns = At("2025-09-06");
  EXPECT_EQ(Shipped()->Price(query).status, CostStatus::kUnpriced) << "unpriced beats wrong";
}

TEST(PriceBookTest, EqualsDecimalArithmetic) {
  std::ifstream file(SONDE_SOURCE_DIR "/agent/pricing/testdata/quotes.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_GE(cases.size(), 30U);
  const std::map<std::string, Unit> units = {{"input", Unit::kInput},
                                             {"cache_read", Unit::kCacheRead},
                                             {"cache_write_5m", Unit::kCacheWrite5m},
                                             {"cache_write_1h", Unit::kCacheWrite1h},
                                             {"cache_write", Unit::kCacheWriteOther},
                                             {"output", Unit::kOutput}};
  for (const auto& c : cases) {
    Query query{.provider = c["provider"], .response_model = c["model"], .tier = c["tier"]};
    query.start_unix_ns = c["unix"].get<int64_t>() * 1'000'000'000;
    for (const auto& [name, count] : c["quantities"].items()) {
      query.quantities.emplace_back(units.at(name), count.get<int64_t>());
    }
    const Quote quote = Shipped()->Price(query);
    ASSERT_EQ(quote.status, CostStatus::kComputed) << c << quote.reason;
    EXPECT_EQ(quote.total, c["total"].get<int64_t>()) << c;
    for (const Component& part : quote.components) {
      for (const auto& [name, unit] : units) {
        if (unit == part.unit) {
          EXPECT_EQ(part.amount, c["amounts"][name].get<int64_t>()) << c;
        }
      }
    }
  }
}

TEST(PriceBookTest, TotalIsTheSumOfItsParts) {
  const auto book = Shipped();
  const auto& data = dynamic_cast<const Book&>(*book).data();
  std::mt19937_64 random(7);
  int computed = 0;
  for (int i = 0; i < 20000; ++i) {
    const Provider& provider = data.providers[random() % data.providers.size()];
    const Model& model = provider.models[random() % provider.models.size()];
    Query query{.provider = provider.id,
                .response_model = model.names[random() % model.names.size()],
                .start_unix_ns = static_cast<int64_t>(random() % 1'800'000'000) * 1'000'000'000};
    if (random() % 4 == 0) query.tier = random() % 2 == 0 ? "batch" : "flex";
    int64_t asked = 0;
    for (int unit = 0; unit <= static_cast<int>(Unit::kWebSearch); ++unit) {
      if (random() % 4 != 0) continue;
      const auto quantity = static_cast<int64_t>(random() % (1ULL << (random() % 34)));
      query.quantities.emplace_back(static_cast<Unit>(unit), quantity);
      asked += quantity;
    }
    const Quote quote = book->Price(query);
    if (quote.status == CostStatus::kUnpriced) {
      EXPECT_FALSE(quote.reason.empty());
      EXPECT_FALSE(quote.total.has_value());
      continue;
    }
    PicoUsd sum = 0;
    int64_t billed = 0;
    bool whole = true;
    for (const Component& part : quote.components) {
      sum += part.amount.value_or(0);
      whole = whole && part.amount.has_value();
      if (part.unit != Unit::kRequest && part.unit != Unit::kUncounted) billed += part.quantity;
      if (part.amount) {
        EXPECT_EQ(*part.amount, *Cost(part.quantity, *part.rate));
      }
    }
    EXPECT_EQ(billed, asked) << "no quantity is lost or counted twice";
    EXPECT_EQ(quote.total.value_or(0), sum);
    EXPECT_EQ(whole, quote.status == CostStatus::kComputed);
    if (whole) ++computed;
  }
  EXPECT_GT(computed, 1000);
}

struct LadderCase {
  std::string provider, model;
  Match match;
  std::string found;  // Model id.
};

TEST(PriceBookTest, Ladder) {
  const LadderCase cases[] = {
      {"openai", "gpt-5.5", Match::kExact, "gpt-5.5"},
      {"openai", " GPT-5.5 ", Match::kExact, "gpt-5.5"},
      {"openai", "gpt-5-5-2026-04-23", Match::kAlias, "gpt-5.5"},
      {"openai", "gpt-5-mini-2025-08-07", Match::kAlias, "gpt-5-mini"},
      {"openai", "gpt-5.5-2026-09-09", Match::kDateSuffix, "gpt-5.5"},
      {"openai", "gpt-4o-2024-05-13", Match::kExact, "gpt-4o-2024-05-13"},
      {"openai", "gpt-4o-2024-11-20", Match::kAlias, "gpt-4o"},
      {"openai", "gpt-4o-2099-01-01", Match::kDateSuffix, "gpt-4o"},
      {"anthropic", "claude-haiku-4-5-20251001", Match::kAlias, "claude-haiku-4-5"},
      {"anthropic", "claude-sonnet-4-5-20250929", Match::kAlias, "claude-sonnet-4-5"},
      {"anthropic", "claude-opus-5-20260909", Match::kDateSuffix, "claude-opus-5"},
      {"anthropic", "claude-sonnet-4-5-latest", Match::kFamily, "claude-sonnet-4-5"},
      {"google", "models/gemini-2.5-flash", Match::kExact, "gemini-2.5-flash"},
      {"google", "gemini-2.5-pro-preview-03-25", Match::kFamily, "gemini-2.5-pro"},
      {"google", "gemini-1.5-flash-8b", Match::kAlias, "gemini-flash-1.5-8b"},
      {"google", "gemini-1.5-flash-002", Match::kFamily, "gemini-1.5-flash"},
      {"google-vertex", "publishers/anthropic/models/claude-sonnet-4-5@20260102",
       Match::kDateSuffix, "claude-sonnet-4-5"},
      {"google-vertex", "gemini-2.5-pro", Match::kInherited, "gemini-2.5-pro"},
      {"google-vertex", "claude-haiku-4-5@20251001", Match::kInherited, "claude-haiku-4-5"},
      {"azure", "gpt-4o-2024-11-20", Match::kInherited, "gpt-4o"},
      {"azure", "o3", Match::kAlias, "o3-2025-04-16"},
      {"mistral", "mistral-large-latest", Match::kAlias, "mistral-large-2512"},
      {"groq", "openai/gpt-oss-safeguard-20b", Match::kExact, "openai/gpt-oss-safeguard-20b"},
      {"fireworks", "accounts/fireworks/models/glm-5p2", Match::kExact, "glm-5p2"},
      {"x-ai", "grok-4.3-latest", Match::kAlias, "grok-4.3"},
      {"aws", "us.anthropic.claude-haiku-4-5-20251001-v1:0", Match::kExact,
       "anthropic.claude-haiku-4-5-20251001"},
  };
  for (const LadderCase& c : cases) {
    const Quote quote = Shipped()->Price(Ask(c.provider, c.model));
    EXPECT_EQ(MatchName(quote.match), MatchName(c.match)) << c.provider << " " << c.model;
    EXPECT_EQ(quote.model, c.found) << c.provider << " " << c.model;
  }
}

TEST(PriceBookTest, UnpricedWithReason) {
  const std::vector<std::pair<Query, std::string>> cases = {
      {Ask("", "gpt-4o"), "unknown_provider"},
      {Ask("openai-compatible", "gpt-4o"), "unknown_provider"},
      {Ask("self_hosted", "llama"), "self_hosted"},
      {Ask("openai", "gpt-99"), "unknown_model"},
      {Ask("openai", ""), "unknown_model"},
      {Ask("openai", "claude-sonnet-4-5"), "unknown_model"},
      {Ask("anthropic", "claude-sonnet-5-99"), "unknown_model"},
      {Ask("openai", "gpt-4o-20241"), "unknown_model"},
      {Ask("google", "gemini-2.5-pro-preview-native-audio"), "unknown_model"},
      {Ask("openai", "ft:gpt-4.1-2025-04-14:acme::abc"), "fine_tune"},
      {Ask("aws", "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abcd1234"),
       "opaque_profile"},
  };
  for (const auto& [query, reason] : cases) {
    const Quote quote = Shipped()->Price(query);
    EXPECT_EQ(quote.status, CostStatus::kUnpriced) << query.response_model;
    EXPECT_EQ(quote.reason, reason) << query.response_model;
    EXPECT_EQ(quote.total, std::nullopt);
    EXPECT_EQ(quote.book_version, "2026-09-23");
    EXPECT_EQ(quote.components.size(), 2U) << "quantities are kept for the record";
  }
}

TEST(PriceBookTest, ResponseModelFirstThenRequestModel) {
  Query query = Ask("openai", "gpt-5-mini");
  query.request_model = "gpt-5";
  EXPECT_EQ(Shipped()->Price(query).model, "gpt-5-mini");
  query.response_model = "";
  EXPECT_EQ(Shipped()->Price(query).model, "gpt-5");
  query.response_model = "my-deployment";
  EXPECT_EQ(Shipped()->Price(query).model, "gpt-5");
  query.response_model = "ft:gpt-5:acme";
  EXPECT_EQ(Shipped()->Price(query).reason, "fine_tune");
}

TEST(PriceBookTest, Tiers) {
  Query query = Ask("openai", "gpt-5-mini");
  for (const std::string tier : {"", "default", "standard", "DEFAULT"}) {
    query.tier = tier;
    EXPECT_EQ(Shipped()->Price(query).total, 2 * kUsd + kUsd / 4) << tier;
    EXPECT_EQ(Shipped()->Price(query).tier, "standard");
  }
  query.tier = "flex";
  EXPECT_EQ(Shipped()->Price(query).total, kUsd + kUsd / 8);
  EXPECT_EQ(Shipped()->Price(query).tier, "flex");
  for (const std::string tier : {"priority", "scale", "made-up", "auto"}) {
    query.tier = tier;
    EXPECT_EQ(Shipped()->Price(query).reason, "unknown_tier") << tier;
  }
}

TEST(PriceBookTest, Regions) {
  const auto input_rate = [](Query query) {
    const Quote quote = Shipped()->Price(query);
    EXPECT_EQ(quote.status, CostStatus::kComputed) << query.response_model;
    return quote.components.at(0).amount.value_or(-1);
  };
  EXPECT_EQ(input_rate(Ask("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0")), 3 * kUsd);
  EXPECT_EQ(input_rate(Ask("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")),
            3'300'000'000'000);
  EXPECT_EQ(input_rate(Ask("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0")), 3'300'000'000'000);
  Query query = Ask("anthropic", "claude-opus-4-6");
  EXPECT_EQ(input_rate(query), 5 * kUsd);
  query.region_class = "global";
  EXPECT_EQ(input_rate(query), 5 * kUsd);
  query.region_class = "US";
  EXPECT_EQ(input_rate(query), 5'500'000'000'000);
  query.response_model = "claude-haiku-4-5";
  EXPECT_EQ(input_rate(query), 1 * kUsd);
}

TEST(PriceBookTest, PartialNamesWhatHasNoPrice) {
  Query query = Ask("openai", "gpt-4o");
  query.quantities.emplace_back(Unit::kCacheWriteOther, 5);
  const Quote quote = Shipped()->Price(query);
  EXPECT_EQ(quote.status, CostStatus::kPartial);
  EXPECT_EQ(quote.total, 12'500'000'000'000);
  bool named = false;
  for (const Component& part : quote.components) {
    if (part.unit != Unit::kCacheWriteOther) continue;
    named = true;
    EXPECT_EQ(part.quantity, 5);
    EXPECT_EQ(part.rate, std::nullopt);
    EXPECT_EQ(part.amount, std::nullopt);
  }
  EXPECT_TRUE(named);
}

TEST(PriceBookTest, CachedTokensAreNotInputUnlessTheBookSaysSo) {
  Query query = Ask("openai", "o1-pro", 100, 0);
  query.quantities.emplace_back(Unit::kCacheRead, 100);
  EXPECT_EQ(Shipped()->Price(query).status, CostStatus::kPartial);
  const auto book = With(Schema(R"("providers":[{"id":"openai","models":[{"id":"o1-pro","cards":[
      {"rates":[{"input":"150","cache_read":"=input","output":"600"}]}]}]}])"));
  EXPECT_EQ(book->Price(query).status, CostStatus::kComputed);
  EXPECT_EQ(book->Price(query).total, 30'000'000'000);
}

TEST(PriceBookTest, ReasoningAndAudioFoldIntoTheirClassWithoutARateOfTheirOwn) {
  Query query = Ask("openai", "gpt-5", 0, 10);
  query.quantities.emplace_back(Unit::kReasoning, 90);
  query.quantities.emplace_back(Unit::kInputAudio, 7);
  Quote quote = Shipped()->Price(query);
  ASSERT_EQ(quote.components.size(), 2U);
  EXPECT_EQ(quote.components[0].unit, Unit::kInput);
  EXPECT_EQ(quote.components[0].quantity, 7);
  EXPECT_EQ(quote.components[1].unit, Unit::kOutput);
  EXPECT_EQ(quote.components[1].quantity, 100);

  query.provider = "perplexity";
  query.response_model = "sonar-deep-research";
  quote = Shipped()->Price(query);
  const auto has = [&quote](Unit unit, int64_t quantity) {
    return std::any_of(quote.components.begin(), quote.components.end(), [&](const Component& c) {
      return c.unit == unit && c.quantity == quantity;
    });
  };
  EXPECT_TRUE(has(Unit::kOutput, 10));
  EXPECT_TRUE(has(Unit::kReasoning, 90));
  EXPECT_TRUE(has(Unit::kUncounted, 1)) << "citation tokens are billed but not counted";
  EXPECT_EQ(quote.status, CostStatus::kPartial);
}

TEST(PriceBookTest, AudioBesideAPricedAudioRateStaysApart) {
  Query query = Ask("openai", "gpt-realtime", 0, 0);
  query.quantities = {{Unit::kInputAudio, 1'000'000}, {Unit::kOutputAudio, 1'000'000}};
  const Quote quote = Shipped()->Price(query);
  EXPECT_EQ(quote.total, 96 * kUsd);
}

TEST(PriceBookTest, WebSearchIsPerCall) {
  Query query = Ask("anthropic", "claude-haiku-4-5", 0, 0);
  query.quantities = {{Unit::kWebSearch, 3}};
  EXPECT_EQ(Shipped()->Price(query).total, 3 * kUsd / 100);
}

TEST(PriceBookTest, NothingBilledCostsNothing) {
  const Quote quote = Shipped()->Price(Ask("openai", "gpt-4o", 0, 0));
  EXPECT_EQ(quote.status, CostStatus::kComputed);
  EXPECT_EQ(quote.total, 0);
  EXPECT_TRUE(quote.components.empty());
}

TEST(PriceBookTest, AbsurdQuantitiesStayPartial) {
  Query query = Ask("openai", "o1-pro", 5, INT64_MAX);
  Quote quote = Shipped()->Price(query);
  EXPECT_EQ(quote.status, CostStatus::kPartial);
  EXPECT_EQ(quote.total, 750'000'000);
  query = Ask("openai", "gpt-4o", -5, 5);
  quote = Shipped()->Price(query);
  EXPECT_EQ(quote.status, CostStatus::kPartial);
}

TEST(PriceBookTest, Hosts) {
  const auto book = Shipped();
  const std::pair<std::string, std::string> hosts[] = {
      {"api.openai.com", "openai"},
      {"eu.api.openai.com", "openai"},
      {"API.OPENAI.COM.", "openai"},
      {"api.openai.com.evil.example", ""},
      {"api.anthropic.com", "anthropic"},
      {"bedrock-runtime.us-east-1.amazonaws.com", "aws"},
      {"bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws"},
      {"vpce-0a-1b.bedrock-runtime.us-east-1.vpce.amazonaws.com", "aws"},
      {"bedrock-mantle.us-east-1.api.aws", "aws"},
      {"storage.googleapis.com", ""},
      {"generativelanguage.googleapis.com", "google"},
      {"us-central1-aiplatform.googleapis.com", "google-vertex"},
      {"aiplatform.us.rep.googleapis.com", "google-vertex"},
      {"my-resource.openai.azure.com", "azure"},
      {"anything.azure-api.net", ""},
      {"api.together.ai", "together"},
      {"api.eu.mistral.ai", "mistral"},
      {"localhost", ""},
  };
  for (const auto& [host, provider] : hosts) {
    EXPECT_EQ(book->ProviderForHost(host, 443), provider) << host;
    EXPECT_EQ(book->IsProviderHost(host), !provider.empty()) << host;
  }
  EXPECT_EQ(book->SemconvName("aws"), "aws.bedrock");
  EXPECT_EQ(book->SemconvName("x-ai"), "x_ai");
  EXPECT_EQ(book->SemconvName("nobody"), "nobody");
  EXPECT_TRUE(book->IsSelfHosted("localhost", 11434));
  EXPECT_FALSE(book->IsSelfHosted("localhost", 443));
  EXPECT_FALSE(book->IsSelfHosted("api.openai.com", 8000));
}

TEST(PriceBookTest, UserHosts) {
  const auto book = With(Schema(R"(
      "providers":[{"id":"openai","hosts":["localhost:8443"]}],
      "host_map":{"127.0.0.1:9001":"anthropic", "api.openai.com":"azure", "vllm.ml.svc":"self_hosted"})"));
  EXPECT_EQ(book->ProviderForHost("localhost", 8443), "openai");
  EXPECT_EQ(book->ProviderForHost("localhost", 8444), "");
  EXPECT_EQ(book->ProviderForHost("127.0.0.1", 9001), "anthropic");
  EXPECT_EQ(book->ProviderForHost("api.openai.com", 443), "azure");
  EXPECT_TRUE(book->IsSelfHosted("vllm.ml.svc", 80));
  EXPECT_FALSE(book->IsProviderHost("vllm.ml.svc"));
}

TEST(PriceBookTest, OverridesMergeByProviderModelAndCard) {
  const auto book = With(Schema(R"("providers":[
    {"id":"openai","models":[
      {"id":"gpt-4o","cards":[{"rates":[{"input":"1","output":"2"}]}]},
      {"id":"o1","delete":true},
      {"id":"gpt-5","cards":[{"tier":"flex","delete":true}]},
      {"id":"acme","names":["acme-*","gpt-4o-mini"],"cards":[{"rates":[{"input":"7","output":"7"}]}]}]},
    {"id":"azure","models":[{"id":"gpt-4o","names":["prod-chat"]}]},
    {"id":"mistral","delete":true},
    {"id":"inhouse","semconv":"acme","inherits":["openai"],"hosts":["llm.acme.test"]}])"));
  EXPECT_THAT(book->version(), HasSubstr("2026-09-23+"));
  EXPECT_NE(book->hash(), Shipped()->hash());

  Quote quote = book->Price(Ask("openai", "gpt-4o"));
  EXPECT_EQ(quote.total, 3 * kUsd);
  EXPECT_EQ(quote.match, Match::kOverride);
  EXPECT_EQ(book->Price(Ask("openai", "o1")).reason, "unknown_model");
  Query flex = Ask("openai", "gpt-5");
  flex.tier = "flex";
  EXPECT_EQ(book->Price(flex).reason, "unknown_tier");
  quote = book->Price(Ask("openai", "Acme-7b"));
  EXPECT_EQ(quote.match, Match::kOverride);
  EXPECT_EQ(quote.model, "acme");
  EXPECT_EQ(book->Price(Ask("openai", "gpt-4o-mini")).model, "acme") << "the name moved";
  quote = book->Price(Ask("azure", "prod-chat"));
  EXPECT_EQ(quote.match, Match::kOverride);
  EXPECT_EQ(quote.provider, "openai");
  EXPECT_EQ(quote.total, 3 * kUsd);
  EXPECT_EQ(book->Price(Ask("mistral", "mistral-large-latest")).reason, "unknown_provider");
  EXPECT_EQ(book->ProviderForHost("api.mistral.ai", 443), "");
  EXPECT_EQ(book->Price(Ask("inhouse", "gpt-5")).match, Match::kInherited);
  EXPECT_EQ(book->ProviderForHost("llm.acme.test", 443), "inhouse");
  EXPECT_EQ(book->SemconvName("inhouse"), "acme");
}

TEST(PriceBookTest, AnOverriddenFineTuneHasItsPrice) {
  const auto book = With(Schema(R"("providers":[{"id":"openai","models":[
      {"id":"acme-tune","names":["ft:gpt-4.1-*:acme:*"],"cards":[{"rates":[{"input":"3","output":"12"}]}]}]}])"));
  EXPECT_EQ(book->Price(Ask("openai", "ft:gpt-4.1-2025-04-14:acme::abc")).total, 15 * kUsd);
  EXPECT_EQ(book->Price(Ask("openai", "ft:gpt-4.1-2025-04-14:other::abc")).reason, "fine_tune");
}

TEST(PriceBookTest, LaterFilesWin) {
  const std::string card = R"("providers":[{"id":"openai","models":[{"id":"gpt-4o","cards":[
      {"rates":[{"input":"%","output":"0"}]}]}]}])";
  const auto file = [&card](std::string name, const std::string& price) {
    std::string text = card;
    text.replace(text.find('%'), 1, price);
    return BookSource{.file = std::move(name), .text = Schema(text)};
  };
  const auto book = LoadPriceBook({file("a", "1"), file("b", "2")});
  ASSERT_TRUE(book.ok()) << book.status();
  EXPECT_EQ((*book)->Price(Ask("openai", "gpt-4o")).total, 2 * kUsd);
}

TEST(PriceBookTest, AUsersDatedBookCardBeatsNewerShippedOnes) {
  const auto book =
      With(Schema(R"("providers":[{"id":"openai","models":[{"id":"gpt-5.6-sol","cards":[
      {"rates":[{"input":"1","output":"1"}]}]}]}])"));
  EXPECT_EQ(book->Price(Ask("openai", "gpt-5.6-sol", 1000, 1000)).total, 2'000'000'000);
}

TEST(PriceBookTest, WindowsOverMidnightAndWeekdays) {
  const auto book =
      With(Schema(R"("providers":[{"id":"own","inherits":[],"models":[{"id":"m","cards":[
      {"rates":[{"input":"1"}]},
      {"utc_window":["16:30","00:30"],"rates":[{"input":"2"}]},
      {"weekdays":["sat","sun"],"utc_window":["16:30","00:30"],"rates":[{"input":"3"}]}]}]}])"));
  const auto price = [&](std::string_view moment) {
    Query query = Ask("own", "m", 1'000'000, 0);
    query.start_unix_ns = At(moment);
    return book->Price(query).total.value_or(-1) / kUsd;
  };
  EXPECT_EQ(price("2026-09-23T16:29"), 1);
  EXPECT_EQ(price("2026-09-23T16:30"), 2);
  EXPECT_EQ(price("2026-09-24T00:29"), 2);
  EXPECT_EQ(price("2026-09-24T00:30"), 1);
  EXPECT_EQ(price("2026-09-26T23:00"), 3) << "a Saturday";
  EXPECT_EQ(price("1969-12-31T23:00"), 2) << "before the epoch, a Wednesday";
}

TEST(PriceBookTest, FamilyTieIsUnknownAndLongestStemWins) {
  const auto book = With(Schema(R"("providers":[{"id":"own","inherits":[],"models":[
      {"id":"a","family":["stem","stem-long"],"cards":[{"rates":[{"input":"1"}]}]},
      {"id":"b","names":["b"],"family":["stem-long-x"],"cards":[{"rates":[{"input":"2"}]}]}]}])"));
  EXPECT_EQ(book->Price(Ask("own", "stem-latest", 1, 0)).model, "a");
  EXPECT_EQ(book->Price(Ask("own", "stem-long-x-001", 1, 0)).model, "b");
  EXPECT_EQ(book->Price(Ask("own", "stem-long-y-001", 1, 0)).reason, "unknown_model");
}

TEST(PriceBookTest, OverrideDirectoryInNameOrder) {
  const std::filesystem::path dir =
      std::filesystem::path(::testing::TempDir()) / ("books" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "20-b.json") << "b";
  std::ofstream(dir / "10-a.json") << "a";
  std::ofstream(dir / "README") << "x";
  std::ofstream(dir / ".hidden.json") << "x";
  const auto sources = ReadOverrideDirectory(dir.string());
  ASSERT_TRUE(sources.ok()) << sources.status();
  ASSERT_EQ(sources->size(), 2U);
  EXPECT_EQ((*sources)[0].text, "a");
  EXPECT_EQ((*sources)[1].text, "b");
  std::filesystem::remove_all(dir);
  EXPECT_EQ(ReadOverrideDirectory(dir.string()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sonde::pricing
