#include "agent/flow/ordered_stream.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sonde::flow {
namespace {

/// Writes ranges as they are and holes as "[n]".
class Recorder : public RangeSink {
 public:
  void OnRange(events::Direction, const Range& range) override {
    EXPECT_EQ(range.length, range.bytes.size());
    text += range.bytes;
  }
  void OnHole(events::Direction, uint64_t length, wire::Stamp) override {
    text += "[" + std::to_string(length) + "]";
  }
  std::string text;
};

class OrderedStreamTest : public testing::Test {
 protected:
  static Range At(uint64_t offset, std::string_view bytes) {
    return Range{.offset = offset, .length = bytes.size(), .bytes = bytes, .stamp = {1, 2}};
  }
  Recorder recorder_;
  OrderStats stats_;
  OrderLimits limits_;
  OrderedStream stream_{events::Direction::kOut, limits_, &recorder_, &stats_};
};

TEST_F(OrderedStreamTest, InOrderPassesThrough) {
  stream_.Add(At(0, "abc"), 1);
  stream_.Add(At(3, "def"), 1);
  EXPECT_EQ(recorder_.text, "abcdef");
  EXPECT_FALSE(stream_.deadline());
}

TEST_F(OrderedStreamTest, LaterRangeWaitsForItsPredecessor) {
  stream_.Add(At(3, "def"), 1);
  stream_.Add(At(6, "ghi"), 1);
  EXPECT_EQ(recorder_.text, "");
  EXPECT_TRUE(stream_.deadline());
  stream_.Add(At(0, "abc"), 1);
  EXPECT_EQ(recorder_.text, "abcdefghi");
  EXPECT_FALSE(stream_.deadline());
  EXPECT_EQ(stats_.reordered, 2U);
  EXPECT_EQ(stats_.holes, 0U);
}

TEST_F(OrderedStreamTest, DuplicatesAndOverlapsAreTrimmed) {
  stream_.Add(At(0, "abcd"), 1);
  stream_.Add(At(0, "abcd"), 1);
  stream_.Add(At(2, "cdef"), 1);
  stream_.Add(At(3, "d"), 1);
  EXPECT_EQ(recorder_.text, "abcdef");
  EXPECT_EQ(stats_.duplicate_bytes, 7U);
}

TEST_F(OrderedStreamTest, OverlapOfWaitingRanges) {
  stream_.Add(At(2, "cdef"), 1);
  stream_.Add(At(4, "efgh"), 1);
  stream_.Add(At(0, "abc"), 1);
  EXPECT_EQ(recorder_.text, "abcdefgh");
}

TEST_F(OrderedStreamTest, MissingPieceBecomesAHoleAfterTheWait) {
  stream_.Add(At(0, "ab"), 1000);
  stream_.Add(At(5, "fg"), 1000);
  stream_.Expire(1000 + limits_.wait_ns - 1);
  EXPECT_EQ(recorder_.text, "ab");
  ASSERT_TRUE(stream_.deadline());
  EXPECT_EQ(*stream_.deadline(), 1000 + limits_.wait_ns);
  stream_.Expire(1000 + limits_.wait_ns);
  EXPECT_EQ(recorder_.text, "ab[3]fg");
  EXPECT_EQ(stats_.hole_bytes, 3U);
  stream_.Add(At(2, "cde"), 2000);
  EXPECT_EQ(recorder_.text, "ab[3]fg") << "what came after its hole was told is dropped";
}

TEST_F(OrderedStreamTest, ProgressRestartsTheWait) {
  stream_.Add(At(2, "c"), 100);
  stream_.Add(At(4, "e"), 100);
  stream_.Add(At(0, "ab"), 100 + limits_.wait_ns / 2);
  EXPECT_EQ(recorder_.text, "abc");
  stream_.Expire(100 + limits_.wait_ns);
  EXPECT_EQ(recorder_.text, "abc");
  stream_.Expire(100 + limits_.wait_ns / 2 + limits_.wait_ns);
  EXPECT_EQ(recorder_.text, "abc[1]e");
}

TEST_F(OrderedStreamTest, UncapturedRestIsAHoleBeforeTheNextRange) {
  stream_.Add(Range{.offset = 0, .length = 10, .bytes = "abc", .stamp = {1, 2}}, 1);
  EXPECT_EQ(recorder_.text, "abc");
  stream_.Add(At(10, "xyz"), 1);
  EXPECT_EQ(recorder_.text, "abc[7]xyz");
}

TEST_F(OrderedStreamTest, TailInsideTheUncapturedRestShortensTheHole) {
  stream_.Add(Range{.offset = 0, .length = 10, .bytes = "abc", .stamp = {1, 2}}, 1);
  Range tail = At(8, "yz");
  tail.after_gap = true;
  stream_.Add(tail, 1);
  EXPECT_EQ(recorder_.text, "abc[5]yz");
  EXPECT_EQ(stream_.expected(), 10U);
}

TEST_F(OrderedStreamTest, TailOfTheSameInvocationNeedsNoWait) {
  Range head = At(0, "abc");
  head.stamp = {7, 9};
  head.tid = 4;
  stream_.Add(head, 1);
  Range tail = At(8, "yz");
  tail.stamp = {7, 9};
  tail.tid = 4;
  tail.after_gap = true;
  stream_.Add(tail, 1);
  EXPECT_EQ(recorder_.text, "abc[5]yz");
}

TEST_F(OrderedStreamTest, TailOfAnotherInvocationWaits) {
  Range head = At(0, "abc");
  head.stamp = {7, 9};
  stream_.Add(head, 1);
  Range tail = At(8, "yz");
  tail.stamp = {10, 12};
  tail.after_gap = true;
  stream_.Add(tail, 1);
  EXPECT_EQ(recorder_.text, "abc");
}

TEST_F(OrderedStreamTest, UncapturedRestAtTheEndIsToldAfterTheWait) {
  stream_.Add(Range{.offset = 0, .length = 10, .bytes = "abc", .stamp = {1, 2}}, 1);
  stream_.Expire(1 + limits_.wait_ns);
  EXPECT_EQ(recorder_.text, "abc[7]");
}

TEST_F(OrderedStreamTest, LengthsOnlyAreAHole) {
  stream_.Add(At(0, "ab"), 1);
  stream_.Add(Range{.offset = 2, .length = 5, .stamp = {1, 2}}, 1);
  stream_.Add(At(7, "c"), 1);
  EXPECT_EQ(recorder_.text, "ab[5]c");
}

TEST_F(OrderedStreamTest, TotalShowsWhatWasLostAtTheEnd) {
  stream_.Add(At(0, "ab"), 1);
  stream_.Add(At(4, "ef"), 1);
  stream_.Finish(9);
  EXPECT_EQ(recorder_.text, "ab[2]ef[3]");
  EXPECT_FALSE(stream_.deadline());
}

TEST_F(OrderedStreamTest, TotalBelowWhatWasSeenChangesNothing) {
  stream_.Add(At(0, "ab"), 1);
  stream_.Finish(0);
  EXPECT_EQ(recorder_.text, "ab");
}

TEST_F(OrderedStreamTest, WaitingBytesAreBounded) {
  const std::string piece(1000, 'x');
  for (int i = 1; i <= 1000; ++i) stream_.Add(At(2000 * i, piece), 1);
  EXPECT_LE(stream_.MemoryBytes(), limits_.waiting_bytes + 64 * 1024);
  EXPECT_GT(stats_.holes, 900U);
}

TEST_F(OrderedStreamTest, WaitingRangesAreBounded) {
  for (int i = 1; i <= 10'000; ++i) stream_.Add(At(10 * i, "x"), 1);
  EXPECT_LE(stream_.MemoryBytes(), 32U * 1024);
}

TEST_F(OrderedStreamTest, RangesThatCannotBeTrueAreRefused) {
  stream_.Add(Range{.offset = ~uint64_t{0}, .length = 2, .bytes = "ab"}, 1);
  stream_.Add(Range{.offset = 0, .length = 1, .bytes = "ab"}, 1);
  EXPECT_EQ(recorder_.text, "");
  EXPECT_EQ(stats_.refused, 2U);
  stream_.Add(At(0, "ok"), 1);
  EXPECT_EQ(recorder_.text, "ok");
}

TEST_F(OrderedStreamTest, StartsInTheMiddle) {
  stream_.StartAt(500);
  stream_.Add(At(500, "abc"), 1);
  EXPECT_EQ(recorder_.text, "abc");
}

/// Any slicing, any order within the bound, with duplicates: the same bytes come out.
TEST(OrderedStreamPropertyTest, AnyOrderGivesTheSameBytes) {
  std::mt19937 random(20261121);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 600; ++i) text += static_cast<char>('a' + random() % 26);
    std::vector<std::pair<uint64_t, std::string>> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 40;
      pieces.emplace_back(at, text.substr(at, size));
      if (random() % 5 == 0) pieces.push_back(pieces.back());
      at += size;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    Recorder recorder;
    OrderStats stats;
    OrderedStream stream(events::Direction::kIn, {.waiting_ranges = 1000}, &recorder, &stats);
    for (const auto& [offset, bytes] : pieces) {
      stream.Add(Range{.offset = offset, .length = bytes.size(), .bytes = bytes}, 1);
    }
    EXPECT_EQ(recorder.text, text);
    EXPECT_EQ(stats.holes, 0U);
  }
}

}  // namespace
}  // namespace sonde::flow
