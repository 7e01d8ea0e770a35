#include "agent/pricing/model_key.h"

#include <string>

#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

std::string Plain(std::string_view name) { return MakeModelKey(name, ModelKeyForm::kPlain).plain; }

struct BedrockCase {
  std::string name, plain, region, unpriced;
};

TEST(ModelKeyTest, LowerCaseTrimmedCut) {
  EXPECT_EQ(Plain("  GPT-5.5\n"), "gpt-5.5");
  EXPECT_EQ(Plain(std::string(1000, 'A')), std::string(kMaxModelNameBytes, 'a'));
  EXPECT_EQ(Plain(""), "");
}

TEST(ModelKeyTest, StripsPathPrefixes) {
  EXPECT_EQ(Plain("models/gemini-2.5-flash"), "gemini-2.5-flash");
  EXPECT_EQ(Plain("publishers/google/models/gemini-2.5-pro"), "gemini-2.5-pro");
  EXPECT_EQ(Plain("publishers/google/x"), "publishers/google/x");
  EXPECT_EQ(Plain("accounts/fireworks/models/glm-5p2"), "glm-5p2");
  EXPECT_EQ(Plain("devstral-small:free"), "devstral-small:free");
}

TEST(ModelKeyTest, FineTunesHaveNoListPrice) {
  EXPECT_EQ(MakeModelKey("ft:gpt-4.1-2025-04-14:acme::x", ModelKeyForm::kPlain).unpriced,
            "fine_tune");
  EXPECT_EQ(MakeModelKey("gpt-4o-mini-2024-07-18.ft-abc", ModelKeyForm::kPlain).unpriced,
            "fine_tune");
  EXPECT_EQ(MakeModelKey("draft:gpt", ModelKeyForm::kPlain).unpriced, "");
}

TEST(ModelKeyTest, Bedrock) {
  const BedrockCase cases[] = {
      {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929", "us",
       ""},
      {"global.anthropic.claude-opus-4-6-v1", "anthropic.claude-opus-4-6", "global", ""},
      {"anthropic.claude-3-haiku-20240307-v1:0:200k", "anthropic.claude-3-haiku-20240307", "", ""},
      {"us-gov.anthropic.claude-haiku-4-5-20251001-v1%3A0", "anthropic.claude-haiku-4-5-20251001",
       "us-gov", ""},
      {"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
       "anthropic.claude-sonnet-4-5-20250929", "", ""},
      {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-5",
       "anthropic.claude-opus-5", "eu", ""},
      {"arn:aws:bedrock:us-east-1:1:application-inference-profile/abcd1234", "abcd1234", "",
       "opaque_profile"},
      {"arn:aws:bedrock:us-east-1:1:provisioned-model/abcd", "abcd", "", "opaque_profile"},
      {"arn:aws:bedrock:us-east-1:1:imported-model/abcd", "abcd", "", "opaque_profile"},
      {"arn:aws:bedrock:us-east-1:1:custom-model/anthropic.x/abcd", "abcd", "", "fine_tune"},
      {"nvidia.nemotron-nano-3-30b:0", "nvidia.nemotron-nano-3-30b", "", ""},
      {"useful.model", "useful.model", "", ""},
      {"us.", "us.", "", ""},
      {"-v1", "", "", ""},
  };
  for (const BedrockCase& c : cases) {
    const ModelKey key = MakeModelKey(c.name, ModelKeyForm::kBedrock);
    if (c.name == "us.") {
      EXPECT_EQ(key.plain, "") << c.name;
      continue;
    }
    EXPECT_EQ(key.plain, c.plain) << c.name;
    EXPECT_EQ(key.region_class, c.region) << c.name;
    EXPECT_EQ(key.unpriced, c.unpriced) << c.name;
  }
}

TEST(ModelKeyTest, CalendarSuffixes) {
  EXPECT_EQ(WithoutDate("gpt-5.5-2026-09-09"), "gpt-5.5");
  EXPECT_EQ(WithoutDate("claude-opus-5-20260909"), "claude-opus-5");
  EXPECT_EQ(WithoutDate("claude-opus-5@20260909"), "claude-opus-5");
  EXPECT_EQ(WithoutDate("grok-4-0709"), "grok-4");
  EXPECT_EQ(WithoutDate("x-0229"), "x");
  for (const std::string_view name :
       {"gpt-5.5-2026-13-09", "gpt-5.5-2026-02-30", "gpt-5.5-1926-02-03", "claude-20261301",
        "mistral-large-2402", "mistral-large-0000", "claude-sonnet-5-99", "gpt-4o", "-0709", "",
        "a@0709", "x20260909"}) {
    EXPECT_EQ(WithoutDate(name), std::nullopt) << name;
  }
}

TEST(ModelKeyTest, FamilyRests) {
  for (const std::string_view rest : {"-latest", "-preview", "-exp", "-preview-05-06", "-exp-1206",
                                      "-001", "-2505", "-v1", "-v12:0", "-preview-09-2025"}) {
    EXPECT_TRUE(IsFamilyRest(rest)) << rest;
  }
  for (const std::string_view rest :
       {"", "-", "-99", "-99a", "-preview-tts", "-preview-", "-previews", "-exp-image-generation",
        "-latest-2", "-v", "-v1:", "-vx", "-mini", "latest", "-pro"}) {
    EXPECT_FALSE(IsFamilyRest(rest)) << rest;
  }
}

TEST(ModelKeyTest, Globs) {
  EXPECT_TRUE(MatchesGlob("my-*", "my-model"));
  EXPECT_TRUE(MatchesGlob("*", ""));
  EXPECT_TRUE(MatchesGlob("a*b*c", "axxbyybzc"));
  EXPECT_TRUE(MatchesGlob("a**c", "ac"));
  EXPECT_FALSE(MatchesGlob("my-*", "not-my-model"));
  EXPECT_FALSE(MatchesGlob("a*b", "abc"));
  EXPECT_FALSE(MatchesGlob("", "a"));
  EXPECT_FALSE(MatchesGlob("*a*a*a*a*b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace sonde::pricing
