// What must hold for any slicing, order and loss of the same conversations.
#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/calls/billing.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/testing/fixture.h"
#include "gtest/gtest.h"

namespace sonde::pipeline {
namespace {

using calls::Call;
using events::CloseReason;
using flow::testing::Chunk;
using flow::testing::Conversation;
using flow::testing::Id;
using flow::testing::Reply;
using flow::testing::StreamHead;
using testing::Bench;
using testing::ChatEvents;
using testing::ChatPost;
using testing::ChatReply;
using testing::ChatRequest;
using testing::Describe;
using testing::DescribeFacts;
using testing::MessagesEvents;
using testing::MessagesPost;
using testing::Stream;

/// One of each kind, with bodies that tell them apart.
std::vector<Conversation> Conversations() {
  std::vector<Conversation> talks;
  uint64_t handle = 1;
  for (int round = 0; round < 3; ++round) {
    const std::string text = "question number " + std::to_string(round);
    Conversation plain(Id(handle++));
    plain.Open().Name("api.openai.test");
    for (int i = 0; i < 3; ++i) {
      plain.Send(ChatPost(ChatRequest(false, false, text))).Receive(Reply(ChatReply()));
    }
    plain.Close();
    talks.push_back(std::move(plain));

    Conversation stream(Id(handle++));
    stream.Open(events::Role::kUnknown);
    Stream(stream, ChatPost(ChatRequest(true, true, text)), ChatEvents({"Hello", " to", " all"}));
    Stream(stream, ChatPost(ChatRequest(true, false, text)), ChatEvents({"Hello", " all"}, false));
    stream.PeerEnds().Close();
    talks.push_back(std::move(stream));

    Conversation messages(Id(handle++));
    messages.Open();
    Stream(messages, MessagesPost(), MessagesEvents());
    messages.Send(MessagesPost()).Receive(StreamHead()).Receive(Chunk(MessagesEvents()[0]));
    messages.Close(CloseReason::kShutdown).Close();
    talks.push_back(std::move(messages));

    Conversation failing(Id(handle++));
    failing.Open().Send(ChatPost(ChatRequest(false, false, text + "!")));
    failing.Receive(Reply("{\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}", 500));
    failing.Send(ChatPost(ChatRequest(false, false, text + "!"))).PeerEnds(true).Close();
    talks.push_back(std::move(failing));
  }
  return talks;
}

std::vector<std::string> SortedFacts(const Bench& bench) {
  std::vector<std::string> facts;
  for (const Call& call : bench.heard.calls) facts.push_back(DescribeFacts(call));
  std::sort(facts.begin(), facts.end());
  return facts;
}

TEST(PipelineProperty, AnySlicingAndInterleavingGivesTheSameCalls) {
  const std::vector<Conversation> talks = Conversations();
  Bench whole;
  for (const Conversation& talk : talks) whole.Play(talk);
  const std::vector<std::string> expected = SortedFacts(whole);
  ASSERT_EQ(expected.size(), 3U * (3 + 2 + 2 + 2));
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::vector<events::Event>> sources;
    for (const Conversation& talk : talks) {
      sources.push_back(flow::testing::Slice(talk.events(), random));
      flow::testing::SwapNeighbours(sources.back(), random);
    }
    Bench bench;
    bench.Play(flow::testing::Interleave(std::move(sources), random));
    ASSERT_EQ(SortedFacts(bench), expected) << "round " << round;
    EXPECT_EQ(bench.pipeline->stats().flow.order.holes, 0U);
  }
}

TEST(PipelineProperty, ReplayIsIdentical) {
  const std::vector<Conversation> talks = Conversations();
  std::vector<std::vector<events::Event>> sources;
  for (const Conversation& talk : talks) sources.push_back(talk.events());
  std::mt19937 random(2);
  const std::vector<events::Event> events = flow::testing::Interleave(std::move(sources), random);
  const auto play = [&events] {
    Bench bench;
    bench.Play(events);
    bench.pipeline->Finish();
    std::string text;
    for (const Call& call : bench.heard.calls) text += Describe(call);
    for (const calls::Notice& notice : bench.heard.notices) text += notice.key + notice.text;
    return text;
  };
  const std::string first = play();
  EXPECT_EQ(first, play());
  EXPECT_NE(first.find("usage not sent"), std::string::npos);
}

/// Takes `length` bytes at `at` of the `which`-th data event out, as a record that was lost.
std::vector<events::Event> WithHole(const std::vector<events::Event>& events, size_t which,
                                    uint64_t at, uint64_t length) {
  std::vector<events::Event> holed;
  size_t seen = 0;
  for (const events::Event& event : events) {
    const auto* data = std::get_if<events::Data>(&event);
    if (data == nullptr || seen++ != which) {
      holed.push_back(event);
      continue;
    }
    events::Data before = *data;
    before.bytes = data->bytes.substr(0, at);
    before.length = before.bytes.size();
    events::Data after = *data;
    const uint64_t skip = std::min<uint64_t>(at + length, data->bytes.size());
    after.bytes = data->bytes.substr(skip);
    after.offset = data->offset + skip;
    after.length = after.bytes.size();
    if (before.length > 0) holed.push_back(before);
    if (after.length > 0) holed.push_back(after);
  }
  return holed;
}

/// A call that lost bytes says so, or lost nothing that matters. Of a request's own facts,
/// body_has_gap says that some may be absent; none may be wrong, and the money is the same.
void ExpectHonest(const Conversation& talk, size_t data_events) {
  Bench whole;
  whole.Play(talk);
  ASSERT_EQ(whole.heard.calls.size(), 1U);
  const Call& truth = whole.heard.calls[0];
  Conversation other(Id(99));
  other.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply())).Close();
  size_t marked = 0;
  for (size_t which = 0; which < data_events; ++which) {
    for (uint64_t at = 0;; ++at) {
      for (const uint64_t length : {1U, 7U, 60U}) {
        const std::vector<events::Event> events = WithHole(talk.events(), which, at, length);
        Bench bench;
        bench.Play(events).Play(other);
        bench.pipeline->Finish();
        ASSERT_FALSE(bench.heard.calls.empty()) << "the other connection's call";
        EXPECT_GT(
            bench.pipeline->stats().flow.order.holes + bench.pipeline->stats().flow.unmatched_bytes,
            0U);
        for (const Call& call : bench.heard.calls) {
          if (call.connection.handle == 99) {
            EXPECT_TRUE(call.incomplete.empty());
            continue;
          }
          marked += call.incomplete.empty() ? 0 : 1;
          if (!call.incomplete.empty()) continue;
          Call told = call;
          if (told.request.body_has_gap && told.request.model.empty()) {
            told.request.model = truth.request.model;
          }
          // Which tier was asked for may have been lost: the same money, said to be a lower bound.
          if (told.request.body_has_gap && told.quote.reason == calls::kTierNotStated) {
            EXPECT_EQ(told.quote.status, pricing::CostStatus::kPartial);
            told.quote.status = truth.quote.status;
            told.quote.reason = truth.quote.reason;
          }
          EXPECT_EQ(DescribeFacts(told), DescribeFacts(truth))
              << "unmarked: " << length << " bytes at " << at << " of piece " << which;
        }
      }
      size_t seen = 0;
      uint64_t size = 0;
      for (const events::Event& event : talk.events()) {
        const auto* data = std::get_if<events::Data>(&event);
        if (data != nullptr && seen++ == which) size = data->length;
      }
      if (at + 1 >= size) break;
    }
  }
  EXPECT_GT(marked, 0U);
}

TEST(PipelineProperty, HoleAnywhereInAChatCompletion) {
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply())).Close();
  ExpectHonest(talk, 2);
}

TEST(PipelineProperty, HoleAnywhereInAStream) {
  Conversation talk(Id(7));
  talk.Open();
  Stream(talk, ChatPost(ChatRequest(true)), ChatEvents({"Hello", " all"}));
  talk.Close();
  ExpectHonest(talk, 9);
}

TEST(PipelineProperty, HoleAnywhereInMessages) {
  Conversation talk(Id(7));
  talk.Open();
  Stream(talk, MessagesPost(), MessagesEvents());
  talk.Close();
  ExpectHonest(talk, 9);
}

TEST(PipelineProperty, DamagedBytesNeverHarmTheNextConnection) {
  const std::vector<Conversation> talks = Conversations();
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Bench bench;
    const Conversation& talk = talks[random() % talks.size()];
    std::vector<events::Event> events = talk.events();
    std::deque<std::string> damaged;
    for (events::Event& event : events) {
      auto* data = std::get_if<events::Data>(&event);
      if (data == nullptr) continue;
      damaged.emplace_back(data->bytes);
      for (unsigned i = random() % 4; i > 0; --i) {
        damaged.back()[random() % damaged.back().size()] = static_cast<char>(random());
      }
      data->bytes = damaged.back();
    }
    Conversation other(Id(99));
    other.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply())).Close();
    bench.Play(events).Play(other);
    bench.pipeline->Finish();
    ASSERT_FALSE(bench.heard.calls.empty());
    const auto found = std::find_if(bench.heard.calls.begin(), bench.heard.calls.end(),
                                    [](const Call& c) { return c.connection.handle == 99; });
    ASSERT_NE(found, bench.heard.calls.end());
    EXPECT_TRUE(found->incomplete.empty());
    EXPECT_EQ(found->response.usage.output, 7);
    EXPECT_EQ(bench.pipeline->stats().calls.open_calls, 0U);
  }
}

TEST(PipelineProperty, TenThousandOpenStreamsStayWithinTheirMemory) {
  constexpr uint64_t kMany = 10'000;
  Bench bench;
  const std::vector<std::string> events = ChatEvents({"Hello"});
  for (uint64_t handle = 1; handle <= kMany; ++handle) {
    Conversation talk(Id(handle));
    talk.Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead());
    talk.Receive(Chunk(events[0])).Receive(Chunk(events[1]).substr(0, 50));
    bench.Play(talk);
  }
  const PipelineStats stats = bench.pipeline->stats();
  EXPECT_EQ(stats.calls.open_calls, kMany);
  const size_t each = (stats.flow.memory_bytes + stats.calls.memory_bytes) / kMany;
  EXPECT_LE(each, 64U * 1024);
  RecordProperty("bytes_per_open_stream", static_cast<int>(each));
  bench.pipeline->Finish();
  EXPECT_EQ(bench.heard.calls.size(), kMany);
}

TEST(PipelineProperty, LongStreamCostsNoMoreMemoryThanAShortOne) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead());
  bench.Play(talk);
  const std::string chunk = Chunk(testing::ChatDelta("{\"content\":\"word \"}"));
  uint64_t offset = StreamHead().size();
  size_t after_ten = 0;
  for (int i = 0; i < 20'000; ++i) {
    bench.pipeline->OnEvent(events::Data{.connection = Id(7),
                                         .direction = events::Direction::kIn,
                                         .offset = offset,
                                         .length = chunk.size(),
                                         .bytes = chunk,
                                         .entry_ns = talk.now() + i,
                                         .exit_ns = talk.now() + i});
    offset += chunk.size();
    const PipelineStats stats = i == 9 || i == 19'999 ? bench.pipeline->stats() : PipelineStats{};
    if (i == 9) after_ten = stats.flow.memory_bytes + stats.calls.memory_bytes;
    if (i == 19'999) {
      EXPECT_LE(stats.flow.memory_bytes + stats.calls.memory_bytes, after_ten + 1024);
    }
  }
}

}  // namespace
}  // namespace sonde::pipeline
