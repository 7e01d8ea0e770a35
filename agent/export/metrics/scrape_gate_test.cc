#include "agent/export/metrics/scrape_gate.h"

#include <gtest/gtest.h>

namespace sonde::exporter {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(ScrapeGateTest, TheFirstPageShowsZeroAndTheNextTheValue) {
  ScrapeGate gate;
  EXPECT_EQ(gate.Reveal("a", 3, 1 * kSecond), 0U);
  EXPECT_EQ(gate.Reveal("a", 5, 16 * kSecond), 3U);  // 4 and 5 are new: zero first.
  EXPECT_EQ(gate.Reveal("a", 5, 31 * kSecond), 5U);
}

TEST(ScrapeGateTest, BothOfAPairSeeTheZero) {
  ScrapeGate gate;
  for (int i = 0; i < 3; ++i) {
    gate.Reveal("a", 1, (1 + 15 * i) * kSecond);
    gate.Reveal("b", 1, (8 + 15 * i) * kSecond);
  }
  EXPECT_EQ(gate.Reveal("a", 2, 46 * kSecond), 1U);
  EXPECT_EQ(gate.Reveal("a", 2, 47 * kSecond), 1U);  // b has not seen series 2 yet.
  EXPECT_EQ(gate.Reveal("b", 2, 53 * kSecond), 1U);  // Now it sees its zero.
  EXPECT_EQ(gate.Reveal("a", 2, 61 * kSecond), 2U);
  EXPECT_EQ(gate.Reveal("b", 2, 68 * kSecond), 2U);
}

TEST(ScrapeGateTest, AReaderThatIsGoneIsNotWaitedFor) {
  ScrapeGate gate;
  gate.Reveal("gone", 1, 1 * kSecond);
  gate.Reveal("gone", 1, 16 * kSecond);
  gate.Reveal("a", 2, 100 * kSecond);
  EXPECT_EQ(gate.Reveal("a", 2, 115 * kSecond), 2U);
}

TEST(ScrapeGateTest, OneWhoLookedOnceIsNotWaitedFor) {
  ScrapeGate gate;
  gate.Reveal("a", 1, 1 * kSecond);
  gate.Reveal("a", 1, 16 * kSecond);
  gate.Reveal("person", 1, 20 * kSecond);
  gate.Reveal("a", 2, 31 * kSecond);
  EXPECT_EQ(gate.Reveal("a", 2, 46 * kSecond), 2U);
}

TEST(ScrapeGateTest, WhatWasShownNeverFallsBackToZero) {
  ScrapeGate gate;
  gate.Reveal("a", 9, 1 * kSecond);
  gate.Reveal("a", 9, 16 * kSecond);
  EXPECT_EQ(gate.Reveal("new address", 9, 20 * kSecond), 9U);
}

TEST(ScrapeGateTest, ReadersAreBounded) {
  ScrapeGate gate;
  for (int i = 0; i < 1000; ++i) gate.Reveal(std::to_string(i), 1, i * kSecond);
  EXPECT_EQ(gate.readers(), ScrapeGate::kMaxReaders);
}

}  // namespace
}  // namespace sonde::exporter
