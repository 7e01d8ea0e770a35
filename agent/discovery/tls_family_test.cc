#include "agent/discovery/tls_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace sonde::discovery {
namespace {

using ::testing::HasSubstr;

TEST(InspectFileTest, ProbesWhatAFileHas) {
  const auto finding = InspectFile("/usr/lib/libtiny.so", SONDE_TINY_SHARED);
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->family, "openssl");
  EXPECT_EQ(finding->rung, ".dynsym");
  EXPECT_EQ(finding->problem, "");
  std::multiset<std::string> functions;
  for (const Probe& probe : finding->probes) functions.insert(probe.function);
  EXPECT_EQ(functions,
            (std::multiset<std::string>{"SSL_read", "SSL_read", "SSL_write", "SSL_write"}));
}

TEST(InspectFileTest, AProgramWithOpensslInside) {
  const auto finding = InspectFile("/usr/bin/tiny", SONDE_TINY_PROGRAM);
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->family, "openssl");
  EXPECT_EQ(finding->rung, ".symtab");
}

TEST(InspectFileTest, ALibsslWithoutNamesIsToldNotProbed) {
  const auto finding = InspectFile("/opt/x/libssl.so.3", SONDE_TINY_EMPTY);
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->family, "openssl");
  EXPECT_TRUE(finding->probes.empty());
  EXPECT_THAT(finding->problem, HasSubstr("no names"));
}

TEST(InspectFileTest, OtherLibrariesAreToldByName) {
  const auto finding = InspectFile("/usr/lib/libgnutls.so.30.34.3", SONDE_TINY_EMPTY);
  ASSERT_TRUE(finding.has_value());
  EXPECT_EQ(finding->family, "gnutls");
  EXPECT_THAT(finding->problem, HasSubstr("not supported yet"));
  EXPECT_FALSE(InspectFile("/usr/lib/libz.so.1", SONDE_TINY_EMPTY).has_value());
  EXPECT_FALSE(InspectFile("/etc/passwd", "/etc/passwd").has_value());
}

TEST(TlsFamilyTest, EveryReturnStandsBeforeItsEntry) {
  for (const TlsFamily* family : TlsFamilies()) {
    std::set<std::string_view> returns;
    for (const ProbeSpec& spec : family->probes) {
      if (spec.at_return) {
        returns.insert(spec.function);
        continue;
      }
      for (const ProbeSpec& other : family->probes) {
        if (other.at_return && other.function == spec.function) {
          EXPECT_TRUE(returns.contains(spec.function)) << spec.function;
        }
      }
    }
    EXPECT_FALSE(returns.empty());
  }
}

}  // namespace
}  // namespace sonde::discovery
