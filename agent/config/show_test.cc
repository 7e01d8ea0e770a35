#include "agent/config/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/config/read.h"

namespace sonde::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* NoVariables(const char*) { return nullptr; }

TEST(ShowConfigTest, ReadsBackToItself) {
  const Loaded first = ReadConfig(
      "select: [{command: 'a\\.py', user: '0'}]\n"
      "otlp: [{endpoint: 'http://x', timeout: 250ms, headers: {}}]\n"
      "prices: {providers: {'gw.example:8443': openai}}\n"
      "limits: {memory: 100MiB}\nnames: main\n",
      NoVariables);
  ASSERT_NE(first.config, nullptr);
  const std::string shown = ShowConfig(*first.config);
  const Loaded second = ReadConfig(shown, NoVariables);
  ASSERT_NE(second.config, nullptr) << shown << second.problems.all().at(0).text;
  EXPECT_EQ(ShowConfig(*second.config), shown);
  EXPECT_EQ(second.config->otlp.at(0).timeout, absl::Milliseconds(250));
  EXPECT_EQ(second.config->limits.memory.count, 100U << 20);
  EXPECT_EQ(second.config->prices.providers.at("gw.example:8443"), "openai");
}

TEST(ShowConfigTest, HidesSecrets) {
  const Loaded loaded = ReadConfig(
      "otlp: [{endpoint: 'http://x', headers: {x-key: very-secret}}]\nhttp: {bearer: [t0ken]}\n",
      NoVariables);
  ASSERT_NE(loaded.config, nullptr);
  const std::string shown = ShowConfig(*loaded.config);
  EXPECT_THAT(shown, HasSubstr("x-key: \"********\""));
  EXPECT_THAT(shown, Not(HasSubstr("very-secret")));
  EXPECT_THAT(shown, Not(HasSubstr("t0ken")));
}

TEST(ConfigSchemaTest, NamesEveryKeyAndRefusesOthers) {
  const auto schema = nlohmann::json::parse(ConfigSchema());
  EXPECT_EQ(schema["additionalProperties"], false);
  const auto& otlp = schema["properties"]["otlp"]["items"];
  EXPECT_EQ(otlp["additionalProperties"], false);
  EXPECT_EQ(otlp["properties"]["temporality"]["enum"][1], "delta");
  EXPECT_EQ(otlp["properties"]["metrics_interval"]["default"], "30s");
  EXPECT_EQ(schema["properties"]["sampling"]["properties"]["ratio"]["maximum"], 1);
  EXPECT_FALSE(schema["properties"]["http"]["properties"]["listen"]["description"].empty());
}

}  // namespace
}  // namespace sonde::config
