#include "agent/cli/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sonde::cli {
namespace {

using ::testing::ElementsAre;

TEST(EnvironmentTest, ReadsABlock) {
  const std::string block("A=1\0B=x=y\0broken\0=odd\0C=\0", 25);
  EXPECT_THAT(Environment::FromBlock(block).Words(), ElementsAre("A=1", "B=x=y", "C="));
}

TEST(EnvironmentTest, ReadsABlockWithoutAFinalNul) {
  EXPECT_THAT(Environment::FromBlock("A=1").Words(), ElementsAre("A=1"));
  EXPECT_THAT(Environment::FromBlock("").Words(), ElementsAre());
}

TEST(EnvironmentTest, TheFirstOfTwoDefinitionsHolds) {
  const char* const array[] = {"A=1", "A=2", nullptr};
  EXPECT_EQ(Environment::FromArray(array).Get("A"), "1");
  EXPECT_THAT(Environment::FromArray(nullptr).Words(), ElementsAre());
}

TEST(EnvironmentTest, ChangesKeepTheOrder) {
  Environment environment = Environment::FromBlock("A=1");
  environment.Set("B", "2");
  environment.Set("A", "3");
  EXPECT_THAT(environment.Words(), ElementsAre("A=3", "B=2"));
  environment.Erase("A");
  environment.Erase("missing");
  EXPECT_THAT(environment.Words(), ElementsAre("B=2"));
  EXPECT_EQ(environment.Get("A"), std::nullopt);
}

}  // namespace
}  // namespace sonde::cli
