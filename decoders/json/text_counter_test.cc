#include "decoders/json/text_counter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sonde::json {
namespace {

struct Counts {
  uint64_t ascii = 0, wide = 0, runs = 0;
  bool operator==(const Counts&) const = default;
};

/// The definition, byte by byte.
Counts Slowly(std::string_view text) {
  Counts counts;
  uint64_t run = 0;
  const auto end_run = [&] {
    if (run >= TextCounter::kLongRun) counts.runs += run;
    run = 0;
  };
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    counts.ascii += byte < 0x80;
    counts.wide += byte >= 0xc0;
    if (byte <= ' ' || byte >= 0x80) {
      end_run();
    } else {
      ++run;
    }
  }
  end_run();
  return counts;
}

Counts Quickly(std::string_view text, size_t piece) {
  TextCounter counter;
  for (size_t at = 0; at < text.size(); at += piece) counter.Add(text.substr(at, piece));
  return {counter.ascii_bytes(), counter.wide_characters(), counter.unbroken_run_bytes()};
}

TEST(TextCounter, ByScript) {
  EXPECT_EQ(Quickly("hello world", 100), (Counts{11, 0, 0}));
  EXPECT_EQ(Quickly("h\xc3\xa9llo \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", 100),
            (Counts{6, 4, 0}));
}

TEST(TextCounter, RunsOfFortyWithoutABlank) {
  EXPECT_EQ(Quickly(std::string(39, 'A'), 100).runs, 0u);
  EXPECT_EQ(Quickly(std::string(40, 'A'), 100).runs, 40u);
  EXPECT_EQ(Quickly("see " + std::string(40, 'A') + " there", 7).runs, 40u);
  EXPECT_EQ(Quickly(std::string(100000, 'A'), 4096).runs, 100000u);
}

TEST(TextCounter, ABreakEndsARun) {
  TextCounter counter;
  counter.Add(std::string(30, 'A'));
  counter.Break();
  counter.Add(std::string(30, 'A'));
  EXPECT_EQ(counter.unbroken_run_bytes(), 0u);
}

TEST(TextCounter, AnyTextInAnyPiecesIsCountedByTheDefinition) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string text;
    const size_t size = random() % 700;
    const unsigned blanks = 1 + random() % 90;
    while (text.size() < size) {
      const unsigned kind = random() % blanks;
      text += kind == 0 ? ' ' : kind == 1 && random() % 8 == 0 ? '\xc3' : 'a';
    }
    const Counts expected = Slowly(text);
    for (const size_t piece :
         {size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{65}, size_t{999}}) {
      EXPECT_EQ(Quickly(text, piece), expected) << piece << " " << text;
    }
  }
}

}  // namespace
}  // namespace sonde::json
