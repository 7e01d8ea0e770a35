#include "agent/config/address.h"

#include <gtest/gtest.h>

namespace sonde::config {
namespace {

TEST(ParseListenTest, ReadsAddressAndPort) {
  const auto v4 = ParseListen("127.0.0.1:9464");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 9464);
  EXPECT_EQ(ParseListen("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseListen(":80")->host, "0.0.0.0");
  EXPECT_EQ(ParseListen("localhost:80")->host, "localhost");
}

TEST(ParseListenTest, RefusesWhatIsNone) {
  for (const char* text : {"", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                           "127.0.0.1:http", "example:80", "::1:x"}) {
    EXPECT_FALSE(ParseListen(text).ok()) << text;
  }
}

TEST(NetworkTest, HoldsItsAddresses) {
  const auto ten = Network::Parse("10.1.0.0/15");
  ASSERT_TRUE(ten.ok());
  EXPECT_TRUE(ten->Contains("10.0.0.1"));
  EXPECT_TRUE(ten->Contains("10.1.255.255"));
  EXPECT_FALSE(ten->Contains("10.2.0.0"));
  EXPECT_TRUE(ten->Contains("::ffff:10.1.2.3"));  // As a socket of both families tells it.
  EXPECT_FALSE(ten->Contains("fe80::1"));
  EXPECT_FALSE(ten->Contains("no address"));
  EXPECT_TRUE(Network::Parse("::1")->Contains("::1"));
  EXPECT_FALSE(Network::Parse("::1")->Contains("::2"));
  EXPECT_TRUE(Network::Parse("0.0.0.0/0")->Contains("198.51.100.7"));
  EXPECT_FALSE(Network::Parse("0.0.0.0/0")->Contains("2001:db8::1"));
  EXPECT_TRUE(Network::Parse("::/0")->Contains("2001:db8::1"));
}

TEST(NetworkTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "::1/129", "10.0.0.0/", "a"}) {
    EXPECT_FALSE(Network::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace sonde::config
