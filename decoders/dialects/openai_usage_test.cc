// The rules for OpenAI-shaped usage objects, one test or case each; numbers are those of the
// reference on wire formats.
#include "decoders/dialects/openai_usage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "decoders/dialects/test_support.h"

namespace sonde::dialects {
namespace {

struct Case {
  const char* name;
  std::string usage;
  std::string expected;  ///< Lines of FactWriter::Usage.
};

std::string UsageOf(const std::string& usage) {
  testing::Exchange exchange;
  exchange.response = R"({"id":"c","choices":[],"usage":)" + usage + "}";
  const auto reader = testing::Replay(exchange);
  testing::FactWriter out;
  out.Usage("u", reader->response().usage);
  out.Flag("malformed", reader->response().malformed);
  return out.str();
}

class Rules : public ::testing::TestWithParam<Case> {};

TEST_P(Rules, Classes) { EXPECT_EQ(UsageOf(GetParam().usage), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Formulas_2_2, Rules,
    ::testing::Values(
        Case{"OpenAiPlain", R"({"prompt_tokens":9,"completion_tokens":3,"total_tokens":12})",
             "u.in=9\nu.out=3\nu.total=12\n"},
        Case{"OpenAiCachedAndReasoning",
             R"({"prompt_tokens":1204,"completion_tokens":318,"total_tokens":1522,
                 "prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
                 "completion_tokens_details":{"reasoning_tokens":192,"audio_tokens":0}})",
             "u.in=180\nu.read=1024\nu.out=318\nu.reasoning=192\nu.in_audio=0\nu.out_audio=0\n"
             "u.total=1522\n"},
        Case{"OpenAiCacheWrites",
             R"({"prompt_tokens":4000,"completion_tokens":1,"total_tokens":4001,
                 "prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":3207}})",
             "u.in=693\nu.read=100\nu.wother=3207\nu.out=1\nu.total=4001\n"},
        Case{"OpenAiAudioIsASubset",
             R"({"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                 "prompt_tokens_details":{"cached_tokens":0,"audio_tokens":80,"text_tokens":20},
                 "completion_tokens_details":{"audio_tokens":40,"text_tokens":10}})",
             "u.in=100\nu.read=0\nu.out=50\nu.in_audio=80\nu.out_audio=40\nu.total=150\n"},
        Case{"PredictedOutputsAreInside",
             R"({"prompt_tokens":10,"completion_tokens":30,"total_tokens":40,
                 "completion_tokens_details":{"accepted_prediction_tokens":5,
                 "rejected_prediction_tokens":20,"reasoning_tokens":0}})",
             "u.in=10\nu.out=30\nu.reasoning=0\nu.total=40\n"},
        Case{"DeepSeek",
             R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                 "prompt_tokens_details":{"cached_tokens":64},
                 "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36})",
             "u.in=36\nu.read=64\nu.out=7\nu.total=107\n"},
        Case{"DeepSeekThatDoesNotAddUp",
             R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                 "prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":30})",
             "u.in=30\nu.read=64\nu.out=7\nu.total=107\nu.inconsistent\n"},
        Case{"MistralFirstName",
             R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                 "num_cached_tokens":50,"prompt_tokens_details":{"cached_tokens":40}})",
             "u.in=50\nu.read=50\nu.out=7\nu.total=107\n"},
        Case{"MistralOtherSpelling",
             R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                 "prompt_token_details":{"cached_tokens":40}})",
             "u.in=60\nu.read=40\nu.out=7\nu.total=107\n"},
        Case{"XaiReasoningOutside",
             R"({"prompt_tokens":100,"completion_tokens":20,"total_tokens":150,
                 "completion_tokens_details":{"reasoning_tokens":30},"num_sources_used":0})",
             "u.in=100\nu.out=50\nu.reasoning=30\nu.total=150\n"},
        Case{"XaiWithoutATotal",
             R"({"prompt_tokens":100,"completion_tokens":20,
                 "completion_tokens_details":{"reasoning_tokens":10},"cost_in_usd_ticks":5})",
             "u.in=100\nu.out=30\nu.reasoning=10\n"},
        Case{"XaiCachedBeyondPrompt",
             R"({"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":
                 {"cached_tokens":40},"num_sources_used":0})",
             "u.in=10\nu.read=40\nu.out=5\n"},
        Case{"VllmNullDetails",
             R"({"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,
                 "prompt_tokens_details":null})",
             "u.in=9\nu.out=3\nu.total=12\n"},
        Case{"OpenRouterSearches",
             R"({"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,
                 "server_tool_use_details":{"web_search_requests":2}})",
             "u.in=9\nu.out=3\nu.searches=2\nu.total=12\n"}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    SelfCheck_2_4, Rules,
    ::testing::Values(Case{"TotalSaysReasoningInside",
                           R"({"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
                 "completion_tokens_details":{"reasoning_tokens":15},"num_sources_used":1})",
                           "u.in=10\nu.out=20\nu.reasoning=15\nu.total=30\n"},
                      Case{"TotalSaysReasoningOutside",
                           R"({"prompt_tokens":10,"completion_tokens":20,"total_tokens":45,
                 "completion_tokens_details":{"reasoning_tokens":15}})",
                           "u.in=10\nu.out=35\nu.reasoning=15\nu.total=45\n"},
                      Case{"TotalSaysCacheOutside",
                           R"({"prompt_tokens":18,"completion_tokens":386,"total_tokens":7906,
                 "prompt_tokens_details":{"cached_tokens":7502}})",
                           "u.in=18\nu.read=7502\nu.out=386\nu.total=7906\n"},
                      Case{"TotalSaysBothOutside",
                           R"({"prompt_tokens":10,"completion_tokens":20,"total_tokens":145,
                 "prompt_tokens_details":{"cached_tokens":100},
                 "completion_tokens_details":{"reasoning_tokens":15}})",
                           "u.in=10\nu.read=100\nu.out=35\nu.reasoning=15\nu.total=145\n"},
                      Case{"MoreCacheThanInputStandsOutside",
                           R"({"prompt_tokens":10,"completion_tokens":1,
                 "prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":5}})",
                           "u.in=10\nu.read=8\nu.wother=5\nu.out=1\n"},
                      Case{"WritesThatDoNotFitAreClampedWhereTheTotalSaysInside",
                           R"({"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,
                 "prompt_tokens_details":{"cached_tokens":8,"cache_write_tokens":5}})",
                           "u.in=0\nu.read=8\nu.wother=5\nu.out=1\nu.total=11\nu.inconsistent\n"},
                      Case{"ATotalThatIsNoSumIsMarked",
                           R"({"prompt_tokens":10,"completion_tokens":20,"total_tokens":99,
                 "completion_tokens_details":{"reasoning_tokens":5}})",
                           "u.in=10\nu.out=20\nu.reasoning=5\nu.total=99\nu.inconsistent\n"},
                      Case{"APartGreaterThanTheWholeStandsBeside",
                           R"({"prompt_tokens":10,"completion_tokens":20,
                 "completion_tokens_details":{"reasoning_tokens":25}})",
                           "u.in=10\nu.out=45\nu.reasoning=25\n"}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Numbers, Rules,
    ::testing::Values(
        Case{"Floats", R"({"prompt_tokens":9.0,"completion_tokens":3.0,"total_tokens":1.2e1})",
             "u.in=9\nu.out=3\nu.total=12\n"},
        Case{"Nulls", R"({"prompt_tokens":9,"completion_tokens":null,"total_tokens":null})",
             "u.in=9\n"},
        Case{"Negative", R"({"prompt_tokens":-9,"completion_tokens":3})", "u.out=3\nmalformed\n"},
        Case{"TooGreat", R"({"prompt_tokens":100000001,"completion_tokens":3})",
             "u.out=3\nmalformed\n"},
        Case{"JustNotTooGreat", R"({"prompt_tokens":100000000,"completion_tokens":3})",
             "u.in=100000000\nu.out=3\n"},
        Case{"Fraction", R"({"prompt_tokens":9.5,"completion_tokens":3})", "u.out=3\nmalformed\n"},
        Case{"Text", R"({"prompt_tokens":"9","completion_tokens":3})", "u.out=3\nmalformed\n"},
        Case{"RepeatedCount", R"({"prompt_tokens":1,"completion_tokens":3,"prompt_tokens":2})",
             "u.in=2\nu.out=3\n"},
        Case{"Zero", R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})",
             "u.in=0\nu.out=0\nu.total=0\n"},
        Case{"Null", "null", ""}, Case{"Empty", "{}", ""}, Case{"NoObject", "17", ""}),
    [](const auto& tested) { return tested.param.name; });

TEST(OpenAiUsage, TheLastOfRepeatedObjectsReplacesTheFirstWholly) {
  EXPECT_EQ(UsageOf(R"({"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":
                       {"cached_tokens":5}},"usage":{"prompt_tokens":7,"completion_tokens":2})"),
            "u.in=7\nu.out=2\n");
  EXPECT_EQ(UsageOf(R"({"prompt_tokens":9,"completion_tokens":3},"usage":null)"), "");
}

TEST(OpenAiUsage, StatedCostIsExact) {
  const auto cost = [](const std::string& usage) {
    testing::Exchange exchange;
    exchange.response = R"({"id":"c","choices":[],"usage":)" + usage + "}";
    return testing::Replay(exchange)->response().stated_cost_pico_usd;
  };
  EXPECT_EQ(cost(R"({"cost_in_usd_ticks":12345})"), 1234500);
  EXPECT_EQ(cost(R"({"cost":0.00014})"), 140000000);
  EXPECT_EQ(cost(R"({"cost":1.4e-4})"), 140000000);
  EXPECT_EQ(cost(R"({"cost":{"total_cost":0.005,"request_cost":0.001}})"), 5000000000);
  EXPECT_EQ(cost(R"({"cost":1e-13})"), 0);
  EXPECT_EQ(cost(R"({"cost":-1})"), std::nullopt);
  EXPECT_EQ(cost(R"({"cost":"0.1"})"), std::nullopt);
  EXPECT_EQ(cost(R"({"cost":1e30})"), std::nullopt);
  EXPECT_EQ(cost(R"({"cost":null})"), std::nullopt);
}

}  // namespace
}  // namespace sonde::dialects
