#include "agent/pricing/explain.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::shared_ptr<const PriceBook> Shipped() { return *LoadPriceBook({}); }

TEST(ExplainTest, ShowsProvidersModelsAndCards) {
  const auto book = Shipped();
  const int64_t now = *ParseMoment("2026-09-23");
  const std::string providers = *ShowBook(*book, "", "", now);
  EXPECT_THAT(providers, HasSubstr("openai"));
  EXPECT_THAT(providers, HasSubstr("aws.bedrock"));
  EXPECT_THAT(providers, HasSubstr(book->hash()));
  const std::string models = *ShowBook(*book, "OpenAI", "", now);
  EXPECT_THAT(models, HasSubstr("gpt-5-mini"));
  EXPECT_THAT(models, HasSubstr("input 0.25, cache_read 0.025, output 2"));
  const std::string card = *ShowBook(*book, "openai", "gpt-5.5-2026-09-09", now);
  EXPECT_THAT(card, HasSubstr("openai gpt-5.5 (date_suffix)"));
  EXPECT_THAT(card, HasSubstr("input above 272,000: input 10, cache_read 1, output 45"));
  EXPECT_THAT(card, HasSubstr("web_search 10 USD per 1,000"));
  EXPECT_THAT(*ShowBook(*book, "azure", "gpt-4o", now), HasSubstr("openai gpt-4o (inherited)"));
  EXPECT_THAT(std::string(ShowBook(*book, "opnai", "", now).status().message()),
              HasSubstr("did you mean \"openai\"?"));
  EXPECT_THAT(std::string(ShowBook(*book, "openai", "gpt-5.5-x", now).status().message()),
              HasSubstr("did you mean"));
}

TEST(ExplainTest, ExplainsTheArithmetic) {
  Query query{.provider = "openai",
              .response_model = "gpt-5-mini-2025-08-07",
              .start_unix_ns = *ParseMoment("2026-09-23T10:00"),
              .quantities = {{Unit::kInput, 180}, {Unit::kCacheRead, 1024}, {Unit::kOutput, 318}}};
  const std::string text = *Explain(*Shipped(), query);
  EXPECT_THAT(text, HasSubstr("alias: \"gpt-5-mini-2025-08-07\" is \"gpt-5-mini\" of \"openai\""));
  EXPECT_THAT(text, HasSubstr("180  x 0.25 / 1M = 0.000045 USD"));
  EXPECT_THAT(text, HasSubstr("1,024  x 0.025 / 1M = 0.0000256 USD"));
  EXPECT_THAT(text, HasSubstr("total    0.0007066 USD"));
  query.quantities.emplace_back(Unit::kCacheWriteOther, 9);
  const std::string partial = *Explain(*Shipped(), query);
  EXPECT_THAT(partial, HasSubstr("status   partial"));
  EXPECT_THAT(partial, HasSubstr("has no price in this book"));
  EXPECT_THAT(partial, HasSubstr("at least 0.0007066 USD"));
}

TEST(ExplainTest, ExplainsWhatHasNoPrice) {
  Query query{.provider = "opnai", .response_model = "gpt-5"};
  EXPECT_THAT(*Explain(*Shipped(), query), HasSubstr("did you mean \"openai\"?"));
  query.provider = "openai";
  query.tier = "priority";
  EXPECT_THAT(*Explain(*Shipped(), query), HasSubstr("no card for tier \"priority\""));
  query.response_model = "gpt-99";
  EXPECT_THAT(*Explain(*Shipped(), query), HasSubstr("unpriced: unknown_model"));
}

TEST(ExplainTest, ChecksFiles) {
  const auto file = [](std::string name, std::string rest) {
    return BookSource{.file = std::move(name),
                      .text = "{\"schema\":\"pricebook/1\",\n\"providers\":[" + rest + "]}"};
  };
  const auto card = [](const std::string& input) {
    return R"({"id":"openai","models":[{"id":"gpt-5-nano","cards":[{"rates":[{"input":")" + input +
           R"("}]}]}]})";
  };
  const auto checks =
      CheckBooks({file("good", card("0.06")), file("bad", "7"), file("typo", card("2.5")),
                  file("tenfold", card("25")), file("gone", R"({"id":"mistral","delete":true})")});
  ASSERT_THAT(checks, SizeIs(5));
  EXPECT_TRUE(checks[0].ok);
  EXPECT_THAT(checks[0].message, HasSubstr("ok: 1 providers, 1 models, 1 cards"));
  EXPECT_THAT(checks[0].warnings, IsEmpty());
  EXPECT_FALSE(checks[1].ok);
  EXPECT_THAT(checks[1].message, HasSubstr("bad:2: "));
  EXPECT_TRUE(checks[2].ok);
  ASSERT_THAT(checks[2].warnings, SizeIs(1));
  EXPECT_THAT(checks[2].warnings[0], HasSubstr("input moves from 0.06 to 2.5"));
  EXPECT_THAT(checks[3].warnings, IsEmpty()) << "exactly tenfold is not more";
  ASSERT_THAT(checks[4].warnings, SizeIs(1));
  EXPECT_THAT(checks[4].warnings[0], HasSubstr("models vanish"));
}

TEST(ExplainTest, Moments) {
  EXPECT_EQ(ParseMoment("1970-01-02"), 86'400'000'000'000);
  EXPECT_EQ(ParseMoment("1970-01-01T00:01"), 60'000'000'000);
  EXPECT_EQ(ParseMoment("1970-01-01T00:00:01Z"), 1'000'000'000);
  EXPECT_EQ(ParseMoment("yesterday"), std::nullopt);
  EXPECT_EQ(ParseMoment(""), std::nullopt);
}

}  // namespace
}  // namespace sonde::pricing
