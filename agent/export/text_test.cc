#include "agent/export/text.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace sonde::exporter {
namespace {

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
constexpr char kBad[] = "\xEF\xBF\xBD";

TEST(CleanUtf8, KeepsWellFormedText) {
  const std::string text =
      "a\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEF\xBF\xBF\xF0\x90\x80\x80"
      "\xF4\x8F\xBF\xBF";
  EXPECT_EQ(CleanUtf8(text, kNoLimit), text);
}

TEST(CleanUtf8, ReplacesIllFormedBytes) {
  EXPECT_EQ(CleanUtf8("\xC0\xAF", kNoLimit), std::string(kBad) + kBad);   // Overlong.
  EXPECT_EQ(CleanUtf8("\xE0\x9F\x80", kNoLimit).substr(0, 3), kBad);      // Overlong.
  EXPECT_EQ(CleanUtf8("\xED\xA0\x80", kNoLimit).substr(0, 3), kBad);      // Surrogate.
  EXPECT_EQ(CleanUtf8("\xF0\x8F\x80\x80", kNoLimit).substr(0, 3), kBad);  // Overlong.
  EXPECT_EQ(CleanUtf8("\xF4\x90\x80\x80", kNoLimit).substr(0, 3), kBad);  // Above U+10FFFF.
  EXPECT_EQ(CleanUtf8("\xF5", kNoLimit), kBad);
  EXPECT_EQ(CleanUtf8("x\xE2\x82", kNoLimit), "x" + std::string(kBad) + kBad);  // Cut short.
  EXPECT_EQ(CleanUtf8("\xE2\x82y", kNoLimit), std::string(kBad) + kBad + "y");
}

TEST(CleanUtf8, CutsAtACharacter) {
  EXPECT_EQ(CleanUtf8("ab\xE2\x82\xAC", 4), "ab");
  EXPECT_EQ(CleanUtf8("ab\xE2\x82\xAC", 5), "ab\xE2\x82\xAC");
  EXPECT_EQ(CleanUtf8("\xFF\xFF", 5), kBad);
  EXPECT_EQ(CleanUtf8("abc", 0), "");
}

TEST(MaskSecrets, MasksKeysAndKeepsNames) {
  EXPECT_EQ(MaskSecrets("Incorrect API key provided: sk-ab12****************7890."),
            "Incorrect API key provided: [masked].");
  EXPECT_EQ(MaskSecrets("Authorization: Bearer abc"), "Authorization: Bearer [masked]");
  EXPECT_EQ(MaskSecrets("key=0123456789abcdef0123"), "[masked]");
  EXPECT_EQ(MaskSecrets("token 0123456789abcdef0123456789abcdef!"), "token [masked]!");
  const std::string plain =
      "model claude-sonnet-4-5-20250929 or gpt-4o-mini-2024-07-18 is overloaded. Try later.";
  EXPECT_EQ(MaskSecrets(plain), plain);
  EXPECT_EQ(MaskSecrets("uninterruptedlongwordsonly stay"), "uninterruptedlongwordsonly stay");
  EXPECT_EQ(MaskSecrets(""), "");
  EXPECT_EQ(MaskSecrets("..."), "...");
}

TEST(HashUser, IsStableAndSalted) {
  // printf 'sonde.user/1:0:alice' | sha256sum
  EXPECT_EQ(HashUser("alice", ""), "92706cc88650acaa737d911caa2eccd5");
  EXPECT_NE(HashUser("alice", ""), HashUser("alice", "s"));
  EXPECT_NE(HashUser("bob", "a"), HashUser("ob", "ab"));
}

TEST(Rfc3339, KeepsNanoseconds) {
  EXPECT_EQ(Rfc3339(1'700'000'000'123'456'789), "2023-11-14T22:13:20.123456789Z");
  EXPECT_EQ(Rfc3339(1'700'000'000'000'000'001), "2023-11-14T22:13:20.000000001Z");
}

TEST(Hex, IsLowerCase) {
  const uint8_t bytes[] = {0x00, 0xAB, 0xFF};
  EXPECT_EQ(Hex(bytes), "00abff");
}

}  // namespace
}  // namespace sonde::exporter
