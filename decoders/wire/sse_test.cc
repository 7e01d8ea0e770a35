#include "decoders/wire/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "decoders/wire/test_support.h"

namespace sonde::wire {
namespace {

using ::testing::ElementsAre;
using testing::EventLog;
using ::testing::IsEmpty;

std::vector<std::string> Parse(std::string_view text, size_t piece = 0, bool finish = true) {
  EventLog log;
  SseParser parser(&log);
  const size_t step = piece == 0 ? text.size() + 1 : piece;
  for (size_t at = 0; at < text.size(); at += step) parser.Feed(text.substr(at, step));
  if (finish) parser.Finish();
  return log.events;
}

struct Case {
  const char* name;
  std::string text;
  std::vector<std::string> events;
};

class SseCases : public ::testing::TestWithParam<Case> {};

TEST_P(SseCases, WholeAndInPiecesOfOneToSevenBytes) {
  for (size_t piece = 0; piece <= 7; ++piece) {
    EXPECT_EQ(Parse(GetParam().text, piece), GetParam().events) << "pieces of " << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Whatwg, SseCases,
    ::testing::Values(
        Case{"LineFeeds", "data: a\n\ndata: b\n\n", {":a", ":b"}},
        Case{"CarriageReturns", "data: a\r\rdata: b\r\r", {":a", ":b"}},
        Case{"Both", "data: a\r\n\r\ndata: b\r\n\r\n", {":a", ":b"}},
        Case{"Mixed", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", {":a", ":b", ":c"}},
        Case{"LinesJoin", "data: a\ndata: b\ndata\n\n", {":a\nb\n"}},
        Case{"OneSpaceGoes", "data:a\n\ndata:  b\n\n", {":a", ": b"}},
        Case{"EmptyData", "data\n\ndata:\n\ndata: \n\n", {":", ":", ":"}},
        Case{"Comments", ": OPENROUTER PROCESSING\n\n:\ndata: a\n: x\n\n", {":a"}},
        Case{"Names", "event: ping\ndata: 1\n\ndata: 2\n\n", {"ping:1", ":2"}},
        Case{"NameAfterData", "data: 1\nevent: late\n\n", {"late:1"}},
        Case{"LastNameWins", "event: a\nevent: b\ndata: 1\n\n", {"b:1"}},
        Case{"NameAloneIsNoEvent", "event: ping\n\ndata: 1\n\n", {":1"}},
        Case{"OtherFields", "id: 7\nretry: 5\ndatax: no\ndat: no\nData: no\ndata: 1\n\n", {":1"}},
        Case{"ByteOrderMark",
             "\xef\xbb\xbf"
             "data: a\n\n",
             {":a"}},
        Case{"MarkOnlyAtTheStart",
             "data: a\n\n\xef\xbb\xbf"
             "data: b\n\n",
             {":a"}},
        Case{"LastWithoutBlankLine", "data: a\n\ndata: b\n", {":a", ":b!"}},
        Case{"LastWithoutLineEnd", "data: a\n\ndata: b", {":a", ":b!"}},
        Case{"ColonInValue", "data: {\"a\":1}\n\n", {":{\"a\":1}"}},
        Case{"UnicodeSeparatorsAreText",
             "data: a\xe2\x80\xa8"
             "b\n\n",
             {":a\xe2\x80\xa8"
              "b"}}),
    [](const auto& tested) { return tested.param.name; });

TEST(Sse, WithoutFinishAnOpenEventIsNotHandedOn) {
  EXPECT_THAT(Parse("data: a\n\ndata: b\n", 0, false), ElementsAre(":a"));
}

TEST(Sse, AnEventIsHandedOnWithTheByteThatCompletesIt) {
  EventLog log;
  SseParser parser(&log);
  parser.Feed("data: a\r\n");
  EXPECT_THAT(log.events, IsEmpty());
  parser.Feed("\r");
  EXPECT_THAT(log.events, ElementsAre(":a"));
  parser.Feed("\ndata: b\n\n");
  EXPECT_THAT(log.events, ElementsAre(":a", ":b"));
}

TEST(Sse, AnEventThatLiesWholeInABufferComesInOnePiece) {
  EventLog log;
  SseParser parser(&log);
  parser.Feed("data: {\"choices\":[]}\n\n");
  EXPECT_EQ(log.pieces, 1u);
}

TEST(Sse, AnEventOf30MegabytesCostsNoMemory) {
  EventLog log;
  SseParser parser(&log);
  const std::string piece(size_t{64} * 1024, 'x');
  parser.Feed("event: big\ndata: ");
  for (int i = 0; i < 480; ++i) parser.Feed(piece);
  EXPECT_EQ(parser.MemoryBytes(), 0u);
  parser.Feed("\n\n");
  ASSERT_EQ(log.events.size(), 1u);
  EXPECT_EQ(log.events[0].size(), 480 * piece.size() + 4);
}

TEST(Sse, AnEndlessNameIsCut) {
  const auto events = Parse("event: " + std::string(5000, 'n') + "\ndata: 1\n\n");
  EXPECT_THAT(events, ElementsAre(std::string(SseParser::kMaxNameBytes, 'n') + ":1"));
}

TEST(Sse, AfterAGapTheNextWholeEventIsRead) {
  for (const std::string blank : {"\n\n", "\r\r", "\r\n\r\n"}) {
    for (size_t piece = 1; piece <= 7; ++piece) {
      EventLog log;
      SseParser parser(&log);
      parser.Feed("data: a\n\ndata: lo");
      parser.Gap();
      std::string rest = "st\"}";
      rest.append(blank).append("data: b").append(blank);
      for (size_t at = 0; at < rest.size(); at += piece) parser.Feed(rest.substr(at, piece));
      parser.Finish();
      EXPECT_THAT(log.events, ElementsAre(":a", "dropped", ":b")) << piece;
    }
  }
}

}  // namespace
}  // namespace sonde::wire
