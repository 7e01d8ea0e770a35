#include "agent/export/http/access.h"

#include <gtest/gtest.h>

namespace sonde::exporter {
namespace {

constexpr char kBasic[] = "Basic b3BzOm1hZGUtdXA=";  // ops:made-up

TEST(AccessTest, WithoutRulesEverybodyMayRead) {
  EXPECT_EQ(Access({}).Ask("192.0.2.1", "", false), Verdict::kAllow);
}

TEST(AccessTest, CredentialsAreAskedFor) {
  const Access access({.basic = {{"ops", "made-up"}}, .bearer = {"token-1", "token-2"}});
  EXPECT_EQ(access.Ask("::1", "", false), Verdict::kNoCredentials);
  EXPECT_EQ(access.Ask("::1", kBasic, false), Verdict::kAllow);
  EXPECT_EQ(access.Ask("::1", "basic b3BzOm1hZGUtdXA=", false), Verdict::kAllow);
  EXPECT_EQ(access.Ask("::1", "Bearer token-2", false), Verdict::kAllow);
  EXPECT_EQ(access.Ask("::1", "Bearer TOKEN-2", false), Verdict::kNoCredentials);
  EXPECT_EQ(access.Ask("::1", "Bearer token-", false), Verdict::kNoCredentials);
  EXPECT_EQ(access.Ask("::1", "token-2", false), Verdict::kNoCredentials);
}

TEST(AccessTest, HealthIsOpenUnlessClosed) {
  EXPECT_EQ(Access({.bearer = {"t"}}).Ask("::1", "", true), Verdict::kAllow);
  EXPECT_EQ(Access({.bearer = {"t"}, .health_open = false}).Ask("::1", "", true),
            Verdict::kNoCredentials);
}

TEST(AccessTest, AForeignAddressIsRefusedEvenWithCredentials) {
  const Access access({.basic = {{"ops", "made-up"}},
                       .address = [](std::string_view peer) { return peer == "10.0.0.1"; }});
  EXPECT_EQ(access.Ask("10.0.0.2", kBasic, false), Verdict::kForbidden);
  EXPECT_EQ(access.Ask("10.0.0.2", "", true), Verdict::kForbidden);
  EXPECT_EQ(access.Ask("10.0.0.1", kBasic, false), Verdict::kAllow);
}

}  // namespace
}  // namespace sonde::exporter
