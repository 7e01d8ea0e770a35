#include "agent/text/nearest.h"

#include <gtest/gtest.h>

namespace sonde::text {
namespace {

TEST(NearestTest, FindsTheWordWithFewestEdits) {
  EXPECT_EQ(Nearest("endpiont", {"headers", "endpoint", "end"}), "endpoint");
  EXPECT_EQ(DidYouMean("selct", {"select"}), "; did you mean \"select\"?");
}

TEST(NearestTest, AnotherWordIsNotNear) {
  EXPECT_EQ(DidYouMean("colour", {"endpoint", "headers"}), "");
  EXPECT_EQ(DidYouMean("x", {"y"}), "");
  EXPECT_EQ(DidYouMean("", {"y"}), "");
  EXPECT_EQ(DidYouMean(std::string(65, 'a'), {std::string_view("a")}), "");
}

}  // namespace
}  // namespace sonde::text
