#include "agent/daemon/sampler.h"

#include <gtest/gtest.h>

#include <random>

namespace sonde::daemon {
namespace {

calls::Call CallWith(std::mt19937_64& random) {
  calls::Call call;
  for (uint8_t& byte : call.trace_id) byte = static_cast<uint8_t>(random());
  return call;
}

double KeptShare(const config::Sampling& settings) {
  std::mt19937_64 random(11);
  const Sampler sampler(settings);
  int kept = 0;
  for (int i = 0; i < 20000; ++i) kept += sampler.Keeps(CallWith(random)) ? 1 : 0;
  return kept / 20000.0;
}

TEST(SamplerTest, KeepsTheRatioOfTraces) {
  EXPECT_EQ(KeptShare({.ratio = 1}), 1);
  EXPECT_EQ(KeptShare({.ratio = 0}), 0);
  EXPECT_NEAR(KeptShare({.ratio = 0.25}), 0.25, 0.02);
}

TEST(SamplerTest, ATraceIsKeptOrNotAsAWhole) {
  std::mt19937_64 random(3);
  const Sampler quarter({.ratio = 0.25});
  const Sampler half({.ratio = 0.5});
  for (int i = 0; i < 1000; ++i) {
    const calls::Call call = CallWith(random);
    EXPECT_EQ(quarter.Keeps(call), quarter.Keeps(call));
    if (quarter.Keeps(call)) {
      EXPECT_TRUE(half.Keeps(call));
    }
  }
}

TEST(SamplerTest, ErrorsAndDearCallsAreKept) {
  calls::Call call;
  const Sampler sampler({.ratio = 0, .keep_errors = true, .keep_above_usd = 0.5});
  EXPECT_FALSE(sampler.Keeps(call));
  call.quote.total = 499'999'999'999;
  EXPECT_FALSE(sampler.Keeps(call));
  call.quote.total = 500'000'000'000;
  EXPECT_TRUE(sampler.Keeps(call));
  call.quote.total.reset();
  call.error = calls::ErrorClass::kServer;
  EXPECT_TRUE(sampler.Keeps(call));
  EXPECT_FALSE(Sampler({.ratio = 0, .keep_errors = false}).Keeps(call));
}

}  // namespace
}  // namespace sonde::daemon
