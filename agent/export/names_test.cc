#include "agent/export/names.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

namespace sonde::exporter {
namespace {

std::set<std::string> ListedNames() {
  std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/agent/export/testdata/semconv-1.41-names.txt");
  std::set<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') names.insert(line);
  }
  return names;
}

TEST(Names, ProfileOneFortyOneUsesOnlyListedNames) {
  const std::set<std::string> listed = ListedNames();
  ASSERT_GT(listed.size(), 30u);
  std::set<std::string> used;
  for (const NameRow& row : NameTable()) {
    const Spelling spelling = SpellingOf(Profile::kSemconv141, row.attribute);
    EXPECT_TRUE(spelling.alias.empty());
    if (spelling.name.empty()) continue;
    const std::string name(spelling.name);
    EXPECT_TRUE(used.insert(name).second) << name << " stands twice";
    const bool own = name.starts_with(kOwnPrefix) || name.starts_with("gen_ai.usage.cost");
    EXPECT_TRUE(own || listed.contains(name)) << name;
  }
  for (const std::string& name : listed) EXPECT_TRUE(used.contains(name)) << name << " unused";
}

TEST(Names, NoProfileSaysOneNameTwice) {
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    std::set<std::string_view> used;
    for (const NameRow& row : NameTable()) {
      const Spelling spelling = SpellingOf(profile, row.attribute);
      for (const std::string_view name : {spelling.name, spelling.alias}) {
        if (name.empty()) continue;
        EXPECT_TRUE(used.insert(name).second) << name;
      }
    }
  }
}

TEST(Names, MainRenamesCacheWrites) {
  EXPECT_EQ(SpellingOf(Profile::kSemconv141, Attribute::kCacheWriteTokens).name,
            "gen_ai.usage.cache_creation.input_tokens");
  EXPECT_EQ(SpellingOf(Profile::kMain, Attribute::kCacheWriteTokens).name,
            "gen_ai.usage.cache_write.input_tokens");
  EXPECT_EQ(SpellingOf(Profile::kMain, Attribute::kRequestReasoningLevel).name,
            "gen_ai.request.reasoning.level");
  EXPECT_EQ(SpellingOf(Profile::kMain, Attribute::kRequestModel).name, "gen_ai.request.model");
}

TEST(Names, SeedAddsTheOlderNames) {
  const Spelling cost = SpellingOf(Profile::kSeed, Attribute::kCostAmount);
  EXPECT_EQ(cost.name, "gen_ai.usage.cost.amount");
  EXPECT_EQ(cost.alias, "llm.cost.total_usd");
  EXPECT_EQ(SpellingOf(Profile::kSeed, Attribute::kTokensTotal).alias, "llm.tokens.total");
  EXPECT_EQ(SpellingOf(Profile::kSeed, Attribute::kTokensTotal).name, "");
}

TEST(Names, ProfilesAreNamed) {
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    const auto parsed = ParseProfile(ProfileName(profile));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, profile);
  }
  EXPECT_EQ(SchemaUrl(Profile::kSemconv141), "https://opentelemetry.io/schemas/1.41.1");
  const auto unknown = ParseProfile("1.36");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("1.36"), absl::string_view::npos);
}

}  // namespace
}  // namespace sonde::exporter
