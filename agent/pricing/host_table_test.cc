#include "agent/pricing/host_table.h"

#include "gtest/gtest.h"

namespace sonde::pricing {
namespace {

TEST(HostTableTest, ExactSuffixAndLabelPatterns) {
  EXPECT_TRUE(HostFits("api.openai.com", "api.openai.com"));
  EXPECT_FALSE(HostFits("api.openai.com", "eu.api.openai.com"));
  EXPECT_FALSE(HostFits("api.openai.com", "api.openai.com.evil.example"));
  EXPECT_TRUE(HostFits(".api.openai.com", "eu.api.openai.com"));
  EXPECT_TRUE(HostFits(".api.openai.com", "a.b.api.openai.com"));
  EXPECT_FALSE(HostFits(".api.openai.com", "api.openai.com"));
  EXPECT_FALSE(HostFits(".api.openai.com", "evilapi.openai.com"));
  EXPECT_TRUE(HostFits("*-aiplatform.googleapis.com", "us-central1-aiplatform.googleapis.com"));
  EXPECT_FALSE(HostFits("*-aiplatform.googleapis.com", "-aiplatform.googleapis.com"));
  EXPECT_FALSE(HostFits("*-aiplatform.googleapis.com", "a.b-aiplatform.x.googleapis.com"));
  EXPECT_TRUE(
      HostFits("bedrock-runtime.*.amazonaws.com", "bedrock-runtime.us-east-1.amazonaws.com"));
  EXPECT_FALSE(HostFits("bedrock-runtime.*.amazonaws.com", "bedrock-runtime.amazonaws.com"));
  EXPECT_TRUE(HostFits(".bedrock-runtime.*.vpce.amazonaws.com",
                       "vpce-1-2.bedrock-runtime.eu-west-1.vpce.amazonaws.com"));
  EXPECT_TRUE(HostFits("a*b*c.x", "a1b2c.x"));
  EXPECT_FALSE(HostFits("a*b*c.x", "abc.x"));
  EXPECT_FALSE(HostFits("a", ""));
}

TEST(HostTableTest, Precedence) {
  const HostTable table({{.host = ".example.com", .provider = "built-in", .layer = 0},
                         {.host = "api.example.com", .provider = "exact", .layer = 0},
                         {.host = "*.example.com", .provider = "user-pattern", .layer = 1},
                         {.host = "localhost:8443", .provider = "with-port", .layer = 1},
                         {.host = "localhost", .provider = "any-port", .layer = 2},
                         {.host = "[::1]:9000", .provider = "v6", .layer = 1},
                         {.host = "127.0.0.1:1", .provider = "first", .layer = 1},
                         {.host = "127.0.0.1:1", .provider = "later", .layer = 2}});
  EXPECT_EQ(table.Find("api.example.com", 443), "user-pattern");
  EXPECT_EQ(table.Find("a.api.example.com", 443), "built-in");
  EXPECT_EQ(table.Find("LOCALHOST", 8443), "with-port");
  EXPECT_EQ(table.Find("localhost:8443", 0), "with-port");
  EXPECT_EQ(table.Find("localhost", 80), "any-port");
  EXPECT_EQ(table.Find("localhost.", 80), "any-port");
  EXPECT_EQ(table.Find("::1", 9000), "v6");
  EXPECT_EQ(table.Find("[::1]:9000", 0), "v6");
  EXPECT_EQ(table.Find("[::1]", 9000), "v6");
  EXPECT_EQ(table.Find("::1", 9001), "");
  EXPECT_EQ(table.Find("127.0.0.1", 1), "later");
  EXPECT_EQ(table.Find("", 443), "");
  EXPECT_EQ(table.Find("[", 443), "");
  EXPECT_EQ(table.Find(":", 443), "");
  EXPECT_EQ(table.Find(std::string(10000, 'a'), 443), "");
}

}  // namespace
}  // namespace sonde::pricing
