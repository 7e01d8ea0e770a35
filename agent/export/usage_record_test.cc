#include "agent/export/usage_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "agent/export/test_calls.h"

namespace sonde::exporter {
namespace {

using Json = nlohmann::json;

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/agent/export/testdata/" + name + ".json");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct GoldenCase {
  std::string name;
  calls::Call (*make)();
};
void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

class GoldenRecord : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenRecord, IsEqualByteForByte) {
  EXPECT_EQ(UsageRecord(GetParam().make()) + "\n", Golden(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(Calls, GoldenRecord,
                         testing::Values(GoldenCase{"openai_stream", MakeOpenAiStream},
                                         GoldenCase{"anthropic_cached", MakeAnthropicCached},
                                         GoldenCase{"rate_limited", MakeRateLimited},
                                         GoldenCase{"estimated_stream", MakeEstimatedStream},
                                         GoldenCase{"aborted", MakeAborted},
                                         GoldenCase{"bare", MakeBare}),
                         [](const auto& golden) { return golden.param.name; });

TEST(UsageRecord, IsOneLineOfValidUtf8WhateverTheNames) {
  calls::Call call = MakeOpenAiStream();
  call.request.model = "a\nb\"\\\x01\xff\xc0\xaf\xed\xa0\x80" + std::string(4000, 'x');
  call.response.finish_reasons = {"\xf5", ""};
  call.path = "/v1/\xe2\x82";
  const std::string line = UsageRecord(call);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json record = Json::parse(line);  // Throws on ill-formed UTF-8.
  EXPECT_LE(record["request"]["model"].get<std::string>().size(), 1024u);
  EXPECT_EQ(record["response"]["finish_reasons"][0], "\xEF\xBF\xBD");
  EXPECT_TRUE(record["response"]["finish_reasons"][1].is_null());
}

TEST(UsageRecord, LeavesOutWhatIsNotKnown) {
  const Json record = Json::parse(UsageRecord(MakeBare()));
  for (const char* key : {"tokens", "tokens_estimated", "response", "process", "server", "http",
                          "provider_cost", "error", "time_to_first_chunk_ns", "output_rate"}) {
    EXPECT_FALSE(record.contains(key)) << key;
  }
  EXPECT_FALSE(record["cost"].contains("total"));
  EXPECT_EQ(record["cost"]["status"], "unpriced");
}

TEST(UsageRecord, KeepsAKnownZero) {
  calls::Call call = MakeOpenAiStream();
  call.response.usage.cache_read = 0;
  call.quote.total = 0;
  const Json record = Json::parse(UsageRecord(call));
  EXPECT_EQ(record["tokens"]["cache_read"], 0);
  EXPECT_EQ(record["cost"]["total"], "0");
}

// Every value whose name speaks of money is text; a JSON number would be read back as a double.
void ExpectNoNumbers(const Json& value, const std::string& path) {
  static const std::set<std::string> kCounts = {"quantity", "per"};
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (!kCounts.contains(key)) ExpectNoNumbers(item, std::string(path).append(".").append(key));
    }
  } else if (value.is_array()) {
    for (const Json& item : value) ExpectNoNumbers(item, path + "[]");
  } else {
    EXPECT_FALSE(value.is_number()) << path;
  }
}

TEST(UsageRecord, MoneyIsDecimalTextAndExact) {
  calls::Call call = MakeOpenAiStream();
  call.quote.total = std::numeric_limits<pricing::PicoUsd>::max();
  call.provider_cost = 1;
  const Json record = Json::parse(UsageRecord(call));
  ExpectNoNumbers(record["cost"], "cost");
  EXPECT_EQ(record["cost"]["total"], "9223372.036854775807");
  EXPECT_EQ(record["provider_cost"], "0.000000000001");
  EXPECT_EQ(record["cost"]["components"][0]["amount"], "0.000045");
  EXPECT_EQ(record["cost"]["components"][0]["rate"], "0.25");
}

TEST(UsageRecord, WhatNobodyIsBilledForIsNoTotal) {
  for (const calls::BillingMode mode :
       {calls::BillingMode::kPlan, calls::BillingMode::kCapacity, calls::BillingMode::kMetered}) {
    calls::Call call = MakeOpenAiStream();
    call.billing_mode = mode;
    const Json cost = Json::parse(UsageRecord(call))["cost"];
    const bool billed = mode == calls::BillingMode::kMetered;
    EXPECT_EQ(cost.contains("total"), billed);
    EXPECT_EQ(cost.contains("notional_total"), !billed);
    EXPECT_EQ(cost[billed ? "total" : "notional_total"], "0.0007066");
  }
}

TEST(UsageRecord, EstimatesStayApart) {
  const Json record = Json::parse(UsageRecord(MakeEstimatedStream()));
  EXPECT_FALSE(record.contains("tokens"));
  EXPECT_EQ(record["tokens_estimated"]["output"], 40);
  EXPECT_EQ(record["cost"]["status"], "estimated");
}

TEST(UsageRecord, MasksKeysInErrorTextAndHashesTheUser) {
  calls::Call call = MakeRateLimited();
  call.error_message = "Incorrect API key provided: sk-test-0123456789abcdef. Check it.";
  call.request.user = "alice@example.com";
  const std::string line = UsageRecord(call, "salt");
  EXPECT_EQ(line.find("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(line.find("alice"), std::string::npos);
  const Json record = Json::parse(line);
  EXPECT_EQ(record["error"]["message"], "Incorrect API key provided: [masked]. Check it.");
  EXPECT_EQ(record["request"]["user_hash"].get<std::string>().size(), 32u);
  EXPECT_NE(record["request"]["user_hash"],
            Json::parse(UsageRecord(call, "other"))["request"]["user_hash"]);
}

TEST(UsageRecord, HoldsNoCommandLine) {
  calls::Call call = MakeOpenAiStream();
  calls::Process process = *call.process;
  process.command_line = "python agent.py --api-key sk-test-canary";
  call.process = std::make_shared<calls::Process>(process);
  EXPECT_EQ(UsageRecord(call).find("canary"), std::string::npos);
}

TEST(UsageRecord, ParametersThatAreNoNumbersAreNull) {
  calls::Call call = MakeOpenAiStream();
  call.request.temperature = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(Json::parse(UsageRecord(call))["request"]["temperature"].is_null());
}

// Every key that a record can hold is written down.
void Keys(const Json& value, std::set<std::string>& keys) {
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      keys.insert(key);
      Keys(item, keys);
    }
  } else if (value.is_array()) {
    for (const Json& item : value) Keys(item, keys);
  }
}

TEST(UsageRecord, EveryFieldIsDocumented) {
  std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/docs/usage-record.md");
  std::stringstream text;
  text << in.rdbuf();
  ASSERT_FALSE(text.str().empty());
  std::set<std::string> keys;
  for (const calls::Call& call : {MakeEverything(), MakeOpenAiStream(), MakeAnthropicCached(),
                                  MakeRateLimited(), MakeEstimatedStream(), MakeAborted()}) {
    Keys(Json::parse(UsageRecord(call)), keys);
  }
  EXPECT_GT(keys.size(), 90u);
  for (const std::string& key : keys) {
    EXPECT_NE(text.str().find("`" + key + "`"), std::string::npos) << key;
  }
}

std::string ReadSource(const std::string& path) {
  std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

/// The words in backquotes of the table row of `field` that holds `sample`, the field left out.
std::set<std::string> DocumentedValues(const std::string& field, const std::string& sample) {
  std::istringstream lines(ReadSource("docs/usage-record.md"));
  std::set<std::string> values;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `" + field + "`") || line.find("`" + sample + "`") == line.npos) {
      continue;
    }
    const std::regex word("`([a-z0-9_]+)`");
    line = line.substr(line.find('|', 2));
    for (std::sregex_iterator at(line.begin(), line.end(), word), end; at != end; ++at) {
      values.insert((*at)[1]);
    }
  }
  return values;
}

/// The names of an enumeration, `first` and what follows up to what is no value.
template <typename Enum, typename Name>
std::set<std::string> Values(Enum first, Name name) {
  constexpr uint8_t kNoValue = 255;
  std::set<std::string> values = {std::string(name(first))};
  for (int i = static_cast<int>(first) + 1;
       name(static_cast<Enum>(i)) != name(static_cast<Enum>(kNoValue)); ++i) {
    values.emplace(name(static_cast<Enum>(i)));
  }
  return values;
}

TEST(UsageRecord, EveryValueIsDocumentedAndNoOther) {
  using calls::BillingMode;
  using calls::ErrorClass;
  using calls::Incomplete;
  EXPECT_EQ(DocumentedValues("class", "auth"), Values(ErrorClass::kAuth, calls::ErrorClassName));
  EXPECT_EQ(DocumentedValues("incomplete", "hole"),
            Values(Incomplete::kHole, calls::IncompleteName));
  EXPECT_EQ(DocumentedValues("billing_mode", "plan"),
            Values(BillingMode::kUnknown, calls::BillingModeName));
  EXPECT_EQ(DocumentedValues("match", "exact"),
            Values(pricing::Match::kOverride, pricing::MatchName));
  for (const std::string& status : Values(pricing::CostStatus::kProvider, pricing::StatusName)) {
    EXPECT_NE(ReadSource("docs/usage-record.md").find("\n| `" + status + "` |"), std::string::npos)
        << status;
  }
}

/// Reasons are texts in the code that gives them.
TEST(UsageRecord, EveryReasonIsDocumentedAndNoOther) {
  std::set<std::string> reasons;
  const std::regex given(
      R"re((?:unpriced\(|unpriced = |kSelfHosted = |k(?:NotBilled|Aborted|NoUsage|TierNotStated|RegionNotPriced) = )"(\w+)")re");
  for (const char* file : {"agent/pricing/book.cc", "agent/pricing/book_data.h",
                           "agent/pricing/model_key.cc", "agent/calls/billing.h"}) {
    const std::string text = ReadSource(file);
    for (std::sregex_iterator at(text.begin(), text.end(), given), end; at != end; ++at) {
      reasons.insert((*at)[1]);
    }
  }
  EXPECT_GE(reasons.size(), 9U);
  EXPECT_EQ(DocumentedValues("reason", "no_usage"), reasons);
}

}  // namespace
}  // namespace sonde::exporter
