// Every way in which a file can be broken, with the line that is named.
#include "agent/pricing/book_reader.h"

#include <string>

#include "agent/pricing/json_tree.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Broken {
  std::string text;
  int line;
  std::string reason;
};

/// A file whose line 5 is `card` in a model of openai.
std::string InCard(const std::string& card) {
  return "{\"schema\": \"pricebook/1\",\n\"providers\": [\n{\"id\": \"openai\", \"models\": [\n"
         "{\"id\": \"m\", \"cards\": [\n" +
         card + "\n]}]}]}\n";
}

std::string InRow(const std::string& rate) { return InCard("{\"rates\": [{" + rate + "}]}"); }

void ExpectRefused(const Broken& broken) {
  const auto book = LoadPriceBook({{.file = "d/20-x.json", .text = broken.text}});
  ASSERT_FALSE(book.ok()) << broken.text;
  const std::string message(book.status().message());
  EXPECT_THAT(message, StartsWith("d/20-x.json:" + std::to_string(broken.line) + ": "))
      << broken.text;
  EXPECT_THAT(message, HasSubstr(broken.reason)) << broken.text;
}

TEST(BookReaderTest, Syntax) {
  ExpectRefused({"", 1, "not valid JSON"});
  ExpectRefused(
      {"{\n  \"schema\": \"pricebook/1\",\n  \"providers\": [,]\n}", 3, "not valid JSON"});
  ExpectRefused({"{\n\n\n  \"schema\" \"pricebook/1\"\n}", 4, "not valid JSON"});
  ExpectRefused({"{\"schema\": \"pricebook/1\"}\n\n{}", 3, "not valid JSON"});
  ExpectRefused({"{\"schema\":\n\"price\nbook/1\"}", 2, "not valid JSON"});
  ExpectRefused({"\xff\xfe", 1, "not valid JSON"});
  ExpectRefused({"[]", 1, "must be an object"});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"version\":\"1\",\n\"version\":\"2\"}", 3,
                 "written twice, first in line 2"});
  ExpectRefused({std::string(50, '[') + std::string(50, ']'), 1, "nested too deeply"});
  ExpectRefused({std::string(kMaxBookBytes + 1, ' '), 1, "larger than 8 MiB"});
}

TEST(BookReaderTest, TopLevel) {
  ExpectRefused({"\n{}", 2, "no \"schema\""});
  ExpectRefused({"{\"schema\":\n\"pricebook/2\"}", 2, "unknown schema"});
  ExpectRefused({"{\"schema\":\n1}", 2, "unknown schema"});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"currency\":\n\"EUR\"}", 3, "must be \"USD\""});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"provider\":[]}", 2,
                 "unknown key \"provider\" in the book, did you mean \"providers\"?"});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"providers\":\n{}}", 3,
                 "providers must be a list, not an object"});
}

TEST(BookReaderTest, Providers) {
  const auto with = [](const std::string& provider) {
    return "{\"schema\":\"pricebook/1\",\n\"providers\":[\n" + provider + "\n]}";
  };
  ExpectRefused({with("{}"), 3, "needs an \"id\""});
  ExpectRefused({with("3"), 3, "a provider must be an object, not a number"});
  ExpectRefused({with("{\"id\":\"opnai\",\n\"hosts\":[\"localhost:1\"]}"), 3,
                 "unknown provider \"opnai\", did you mean \"openai\"?"});
  ExpectRefused({with("{\"id\":\"x\",\"inherits\":[\n\"openia\"]}"), 4,
                 "unknown provider \"openia\", did you mean \"openai\"?"});
  ExpectRefused({with("{\"id\":\"openai\"},\n{\"id\":\"OpenAI\"}"), 4, "is here twice"});
  ExpectRefused({with("{\"id\":\"openai\",\n\"hosts\":[\n\"*\"]}"), 5, "is no host"});
  ExpectRefused({with("{\"id\":\"openai\",\n\"hosts\":[\n\"a/b\"]}"), 5, "is no host"});
  ExpectRefused({with("{\"id\":\"openai\",\n\"hosts\":\n\"a\"}"), 5, "hosts must be a list"});
  ExpectRefused(
      {with("{\"id\":\"openai\",\n\"delete\":\n\"yes\"}"), 5, "must be true or false, not a text"});
  ExpectRefused({with("{\"id\":\"nobody\",\"delete\":true}"), 3, "unknown provider"});
  ExpectRefused({with("{\"id\":\"openai\",\"model_key\":\n\"arn\"}"), 4, "model_key must be"});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"host_map\":{\n\"localhost:1\":\"anthropc\"}}", 3,
                 "did you mean \"anthropic\"?"});
  ExpectRefused({"{\"schema\":\"pricebook/1\",\n\"host_map\":{\n\"\":\"openai\"}}", 3, "no host"});
}

TEST(BookReaderTest, Models) {
  const auto with = [](const std::string& model) {
    return "{\"schema\":\"pricebook/1\",\n\"providers\":[{\"id\":\"openai\",\"models\":[\n" +
           model + "\n]}]}";
  };
  ExpectRefused({with("{\"names\":[]}"), 3, "a model needs an \"id\""});
  ExpectRefused({with("{\"id\":\"\"}"), 3, "is empty"});
  ExpectRefused({with("{\"id\":\"a b\"}"), 3, "blank"});
  ExpectRefused({with("{\"id\":\"new\"}"), 3, "model \"new\" has no price"});
  ExpectRefused(
      {with("{\"id\":\"gpt-4o\"},\n{\"id\":\"gpt-4o\"}"), 4, "is here twice, first in line 3"});
  ExpectRefused({with("{\"id\":\"gpt-4o\",\n\"card\":[]}"), 4, "did you mean \"cards\"?"});
  ExpectRefused({with("{\"id\":\"gpt-4o\",\n\"names\":[\n1]}"), 5, "must be a text, not a number"});
  ExpectRefused({with("{\"id\":\"gpt-4o\",\n\"date_suffix\":\n1}"), 5, "true or false"});
}

TEST(BookReaderTest, Cards) {
  ExpectRefused({InCard("{}"), 5, "a card needs \"rates\""});
  ExpectRefused({InCard("{\"rates\": []}"), 5, "rates is empty"});
  ExpectRefused({InCard("{\"rates\": [\n{\"inpt\": \"1\"}]}"), 6, "did you mean \"input\"?"});
  ExpectRefused({InCard("{\"rates\": [{\"above_input\": 5, \"input\": \"1\"}]}"), 5,
                 "must begin with \"above_input\": 0 and rise"});
  ExpectRefused(
      {InCard("{\"rates\": [{\"input\": \"1\"},\n{\"above_input\": 9, \"input\": \"1\"},\n"
              "{\"above_input\": 9, \"input\": \"1\"}]}"),
       7, "and rise"});
  ExpectRefused({InCard("{\"rates\": [{\"above_input\":\n1.5}]}"), 6, "whole number"});
  ExpectRefused({InCard("{\"rates\": [{\"above_input\":\n-1\n}]}"), 6, "whole number"});
  ExpectRefused({InCard("{\"rates\": [{\"input\": \"1\"}]},\n{\"rates\": [{\"input\": \"2\"}]}"), 6,
                 "two cards with the same"});
  ExpectRefused(
      {InCard("{\"from\":\n\"2026-02-30\", \"rates\": [{\"input\": \"1\"}]}"), 6, "must be a day"});
  ExpectRefused({InCard("{\"from\": \"2026-02-03\",\n\"to\": \"2026-02-03\",\n\"rates\": [{}]}"), 6,
                 "later than from"});
  ExpectRefused({InCard("{\"utc_window\":\n[\"1:00\", \"02:00\"], \"rates\": [{}]}"), 6,
                 "utc_window must be"});
  ExpectRefused({InCard("{\"utc_window\": [\"24:00\", \"02:00\"], \"rates\": [{}]}"), 5,
                 "utc_window must be"});
  ExpectRefused({InCard("{\"weekdays\":\n[\"monday\"], \"rates\": [{}]}"), 6, "no weekday"});
  ExpectRefused({InCard("{\"tier\":\n7, \"rates\": [{}]}"), 6, "tier must be a text"});
  ExpectRefused({InCard("{\"rates\": [{\"input\":\"1\"}],\n\"per_call\":{\"search\":{}}}"), 6,
                 "unknown key \"search\" in per_call"});
  ExpectRefused({InCard("{\"rates\": [{\"input\":\"1\"}],\n\"per_call\":{\"web_search\":\n"
                        "{\"usd\":\"1\",\n\"per\":0}}}"),
                 8, "whole number from 1"});
}

TEST(BookReaderTest, Prices) {
  ExpectRefused({InRow("\"input\":\n2.5"), 6, "must be a text with a decimal"});
  ExpectRefused({InRow("\"input\":\n2"), 6, "must be a text with a decimal"});
  ExpectRefused({InRow("\n\n\"input\": \"-1\""), 7, "negative"});
  ExpectRefused({InRow("\"input\": \"1e3\""), 5, "write digits"});
  ExpectRefused({InRow("\"input\": \"0.0000000000001\""), 5, "more than 12 decimals"});
  ExpectRefused({InRow("\"output\": \"100001\""), 5, "above 100000 USD"});
  ExpectRefused({InRow("\"output\": \"=input\""), 5, "needs a rate for input"});
  ExpectRefused({InRow("\"input\": \"=input\""), 5, "needs a rate for input"});
  ExpectRefused({InRow("\"output\": null"), 5, "must be a text, not null"});
}

TEST(BookReaderTest, ABrokenFileSpoilsTheWholeLoad) {
  const BookSource good{.file = "a", .text = InRow("\"input\": \"1\"")};
  EXPECT_TRUE(LoadPriceBook({good}).ok());
  EXPECT_FALSE(LoadPriceBook({good, {.file = "b", .text = "{"}}).ok());
}

TEST(BookReaderTest, ControlCharactersStayOutOfMessages) {
  const auto book = LoadPriceBook({{.file = "a", .text = "{\"\x1b[31m\x01\": 1}"}});
  ASSERT_FALSE(book.ok());
  for (const char c : book.status().message()) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(BookReaderTest, Days) {
  EXPECT_EQ(ParseDay("1970-01-01"), 0);
  EXPECT_EQ(ParseDay("2024-02-29"), 19782);
  EXPECT_EQ(FormatDay(*ParseDay("2026-08-17")), "2026-08-17");
  for (const std::string_view text : {"", "2026-8-17", "2026-08-32", "2025-02-29", "1969-12-31",
                                      "2026/08/17", "+026-08-17", "2026-08-1a"}) {
    EXPECT_EQ(ParseDay(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sonde::pricing
