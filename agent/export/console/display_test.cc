#include "agent/export/console/display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sonde::exporter::console {
namespace {

using ::testing::ElementsAre;

TEST(SanitizeTest, NothingMovesTheCursor) {
  EXPECT_EQ(Sanitize("gpt\x1b[31m-5\x07\r\n\t\x7f"), "gpt?[31m-5?????");
  EXPECT_EQ(Sanitize("\xc2\x9b"
                     "31m"),
            "?31m");  // C1 control sequence introducer.
  EXPECT_EQ(Sanitize("a\xe2\x80\xae"
                     "b\xe2\x80\x8b"),
            "a?b?");  // Right-to-left override, ZWSP.
  EXPECT_EQ(Sanitize("a\xff"
                     "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(Sanitize(std::string_view("a\0b", 3)), "a?b");
}

TEST(SanitizeTest, KeepsLettersOfAllScripts) {
  EXPECT_EQ(Sanitize("qwen-通义"), "qwen-通义");
  EXPECT_EQ(Sanitize("modèle"), "modèle");
}

TEST(SanitizeTest, IsBounded) { EXPECT_LE(Sanitize(std::string(10'000, 'x'), 128).size(), 128U); }

TEST(DisplayWidthTest, CountsColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3U);
  EXPECT_EQ(DisplayWidth("通义"), 4U);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1U);
  EXPECT_EQ(DisplayWidth(""), 0U);
}

TEST(FitTest, CutsAtCharacters) {
  EXPECT_EQ(Fit("gpt-5-mini", 10), "gpt-5-mini");
  EXPECT_EQ(Fit("gpt-5-mini", 9), "gpt-5-m..");
  EXPECT_EQ(Fit("通义千问", 7), "通义..");
  EXPECT_EQ(Fit("abc", 1), ".");
  EXPECT_EQ(Fit("abc", 0), "");
}

TEST(WrapTest, BreaksAtBlanks) {
  EXPECT_THAT(Wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(Wrap("", 5), ElementsAre(""));
  EXPECT_THAT(Wrap("通义千问", 4), ElementsAre("通义", "千问"));
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1204), "1,204");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-1234), "-1,234");
  EXPECT_EQ(FormatCount(-123), "-123");
}

TEST(FormatTest, Durations) {
  EXPECT_EQ(FormatDuration(0), "0ms");
  EXPECT_EQ(FormatDuration(380'499'999), "380ms");
  EXPECT_EQ(FormatDuration(999'499'999), "999ms");
  EXPECT_EQ(FormatDuration(999'500'000), "1.0s");
  EXPECT_EQ(FormatDuration(2'100'000'000), "2.1s");
  EXPECT_EQ(FormatDuration(754'000'000'000), "754s");
  EXPECT_EQ(FormatDuration(1'234'000'000'000), "20m34s");
  EXPECT_EQ(FormatDuration(11'100'000'000'000), "3h05m");
  EXPECT_EQ(FormatElapsed(410'000'000), "0.41s");
  EXPECT_EQ(FormatElapsed(1'234'000'000'000), "20m34s");
}

TEST(FormatTest, Plurals) {
  EXPECT_EQ(Plural(1, "call"), "1 call");
  EXPECT_EQ(Plural(2, "process"), "2 processes");
}

TEST(PaintTest, OnlyWhenOn) {
  EXPECT_EQ(Paint("x", Colour::kRed, false), "x");
  EXPECT_EQ(Paint("x", Colour::kRed, true), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Paint("x", Colour::kNone, true), "x");
}

}  // namespace
}  // namespace sonde::exporter::console
