#include "agent/pipeline/pipeline.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/pipeline/testing/fixture.h"
#include "gtest/gtest.h"

namespace sonde::pipeline {
namespace {

using calls::Call;
using calls::ErrorClass;
using calls::Incomplete;
using events::CloseReason;
using events::Transport;
using flow::testing::Chunk;
using flow::testing::Conversation;
using flow::testing::Id;
using flow::testing::kLastChunk;
using flow::testing::kMillisecond;
using flow::testing::Reply;
using flow::testing::Request;
using flow::testing::StreamHead;
using pricing::CostStatus;
using testing::Bench;
using testing::ChatEvents;
using testing::ChatPost;
using testing::ChatReply;
using testing::ChatRequest;
using testing::Describe;
using testing::MessagesEvents;
using testing::MessagesPost;
using testing::Stream;

constexpr int64_t kChatCost = 15 * 1000 + 4 * 100 + 7 * 8000;

Conversation OneChat(uint64_t handle = 7) {
  Conversation talk(Id(handle));
  talk.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  return talk;
}

TEST(PipelineTest, WholeChatCompletion) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest())).Wait(50 * kMillisecond);
  talk.Receive(Reply(ChatReply(), 200,
                     "x-request-id: req_1\r\nopenai-organization: org-a\r\n"
                     "x-ratelimit-remaining-tokens: 9000\r\n"));
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.number, 1U);
  EXPECT_EQ(call.process->display_name, "agent.py");
  EXPECT_EQ(call.server_address, "api.openai.test");
  EXPECT_EQ(call.server_port, 443);
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.path, "/v1/chat/completions");
  EXPECT_EQ(call.http_status, 200);
  EXPECT_EQ(call.provider, "openai");
  EXPECT_EQ(call.biller, "openai");
  EXPECT_EQ(call.operation, "chat");
  EXPECT_EQ(call.request.model, "gpt-test");
  EXPECT_EQ(call.response.model, "gpt-test");
  EXPECT_EQ(call.response.usage.input_uncached, 15);
  EXPECT_EQ(call.response.usage.cache_read, 4);
  EXPECT_EQ(call.response.usage.output, 7);
  EXPECT_EQ(call.response.usage.reasoning, 2);
  EXPECT_EQ(call.quote.status, CostStatus::kComputed);
  EXPECT_EQ(call.quote.total, kChatCost);
  EXPECT_EQ(call.start_ns, 1001 * kMillisecond);
  EXPECT_EQ(call.request_end_ns, 1001 * kMillisecond + kMillisecond / 2);
  EXPECT_EQ(call.end_ns, 1052 * kMillisecond + kMillisecond / 2);
  EXPECT_EQ(call.start_unix_ns, testing::kWallMinusMono + 1001 * int64_t{kMillisecond});
  EXPECT_FALSE(call.time_to_first_chunk_ns());
  EXPECT_EQ(call.request_id, "req_1");
  EXPECT_EQ(call.billing_scope, "org-a");
  EXPECT_EQ(call.rate_limits.tokens_remaining, 9000);
  EXPECT_EQ(call.billing_mode, calls::BillingMode::kMetered);
  EXPECT_EQ(call.error, ErrorClass::kNone);
  EXPECT_TRUE(call.incomplete.empty());
  EXPECT_EQ(call.attempt, 0U);
}

TEST(PipelineTest, StreamedChat) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open();
  Stream(talk, ChatPost(ChatRequest(true)), ChatEvents({"Hello", " to", " all"}));
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.response.usage.output, 7);
  EXPECT_EQ(call.quote.total, kChatCost);
  EXPECT_TRUE(call.incomplete.empty()) << Describe(call);
  // 1001 request, 1002 head, 1003 role, 1004 "Hello", ... each read returns half a step later.
  EXPECT_EQ(call.time_to_first_chunk_ns(), 3 * kMillisecond + kMillisecond / 2);
  EXPECT_EQ(call.time_to_first_text_ns(), 3 * kMillisecond + kMillisecond / 2);
  EXPECT_EQ(call.response.output_event_count, 3U);
  EXPECT_EQ(call.time_per_output_chunk_ns(), kMillisecond);
  EXPECT_TRUE(call.output_rate());
  EXPECT_TRUE(bench.heard.notices.empty());
}

TEST(PipelineTest, StreamedMessages) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open();
  Stream(talk, MessagesPost(), MessagesEvents());
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.provider, "anthropic");
  EXPECT_EQ(call.response.usage.input_uncached, 11);
  EXPECT_EQ(call.response.usage.cache_read, 5);
  EXPECT_EQ(call.response.usage.cache_write_5m, 4);
  EXPECT_EQ(call.response.usage.cache_write_1h, 2);
  EXPECT_EQ(call.response.usage.output, 9);
  EXPECT_EQ(call.quote.total, 11 * 3000 + 5 * 300 + 4 * 3750 + 2 * 6000 + 9 * 15000);
  EXPECT_TRUE(call.incomplete.empty()) << Describe(call);
}

TEST(PipelineTest, TwoCallsOnOneConnection) {
  Bench bench;
  Conversation talk = OneChat();
  talk.Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply())).Close();
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 2U);
  EXPECT_EQ(bench.heard.calls[0].number, 1U);
  EXPECT_EQ(bench.heard.calls[1].number, 2U);
  EXPECT_EQ(bench.heard.calls[1].quote.total, kChatCost);
  EXPECT_TRUE(bench.heard.calls[1].incomplete.empty());
}

TEST(PipelineTest, PipelinedCalls) {
  Bench bench;
  const std::string post = ChatPost(ChatRequest());
  const std::string reply = Reply(ChatReply());
  bench.Play(Conversation(Id(7)).Open().Send(post + post + post).Receive(reply + reply + reply));
  ASSERT_EQ(bench.heard.calls.size(), 3U);
  for (const Call& call : bench.heard.calls) EXPECT_EQ(call.quote.total, kChatCost);
}

TEST(PipelineTest, ReplyBeforeRequest) {
  Bench bench;
  std::vector<events::Event> events = OneChat().events();
  const Conversation talk = OneChat();
  events = talk.events();
  std::swap(events[1], events[2]);
  bench.Play(events);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_EQ(bench.heard.calls[0].quote.total, kChatCost);
  EXPECT_TRUE(bench.heard.calls[0].incomplete.empty());
}

TEST(PipelineTest, OtherHttpIsNoCall) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open()
                 .Send("GET /v1/models HTTP/1.1\r\nHost: api.openai.test\r\n\r\n")
                 .Receive(Reply("{}"))
                 .Close());
  EXPECT_TRUE(bench.heard.calls.empty());
  EXPECT_EQ(bench.pipeline->stats().calls.exchanges, 1U);
}

TEST(PipelineTest, ServerSideIsNeverPriced) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open(events::Role::kUnknown)
                 .Receive(ChatPost(ChatRequest()))
                 .Send(Reply(ChatReply()))
                 .Close());
  EXPECT_TRUE(bench.heard.calls.empty());
}

TEST(PipelineTest, UnknownHostIsCompatibleAndUnpriced) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open()
                 .Send(Request(ChatRequest(), "/v1/chat/completions", "", "10.0.0.7:8000"))
                 .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.provider, "openai-compatible");
  EXPECT_EQ(call.server_address, "10.0.0.7");
  EXPECT_EQ(call.server_port, 8000);
  EXPECT_EQ(call.quote.status, CostStatus::kUnpriced);
  EXPECT_EQ(call.quote.reason, "unknown_provider");
  EXPECT_FALSE(call.quote.total);
}

TEST(PipelineTest, PlainHttpOnASocket) {
  Bench bench;
  bench.Play(Conversation(Id(7, 1, 100, Transport::kSocket))
                 .Open()
                 .Send(Request(ChatRequest(), "/v1/chat/completions", "", "h.test"))
                 .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_EQ(bench.heard.calls[0].server_port, 80);
}

TEST(PipelineTest, RetryOfARateLimitedCall) {
  Bench bench;
  const std::string error =
      "{\"error\":{\"message\":\"slow\",\"type\":\"tokens\",\"param\":null,"
      "\"code\":\"rate_limit_exceeded\"}}";
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest(), "x-stainless-retry-count: 0\r\n"));
  talk.Receive(Reply(error, 429, "retry-after-ms: 2000\r\n")).Wait(2000 * kMillisecond);
  talk.Send(ChatPost(ChatRequest(), "x-stainless-retry-count: 1\r\n")).Receive(Reply(ChatReply()));
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 2U);
  const Call& failed = bench.heard.calls[0];
  EXPECT_EQ(failed.error, ErrorClass::kRateLimit);
  EXPECT_EQ(failed.error_type, "rate_limit_exceeded");
  EXPECT_EQ(failed.error_message, "slow");
  EXPECT_EQ(failed.retry_after_ns, 2'000'000'000);
  EXPECT_EQ(failed.quote.reason, "not_billed");
  EXPECT_FALSE(failed.quote.total);
  EXPECT_EQ(failed.attempt, 0U);
  const Call& second = bench.heard.calls[1];
  EXPECT_EQ(second.attempt, 1U);
  EXPECT_EQ(second.retry_of, failed.number);
  EXPECT_EQ(second.quote.total, kChatCost);
}

TEST(PipelineTest, ClosedAfterDoneIsComplete) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead());
  for (const std::string& event : ChatEvents({"Hello"})) talk.Receive(Chunk(event));
  const events::MonoNs done = talk.now() - kMillisecond / 2;
  talk.Wait(500 * kMillisecond).Close();
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.error, ErrorClass::kNone);
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.incomplete.empty());
  EXPECT_EQ(call.end_ns, done);
  EXPECT_EQ(call.quote.total, kChatCost);
}

TEST(PipelineTest, ClosedInTheMiddleIsAnAbortWithAnEstimate) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead());
  const std::vector<std::string> events = ChatEvents({"Hello", " to", " all of you"});
  for (int i = 0; i < 3; ++i) talk.Receive(Chunk(events[i]));
  talk.Close(CloseReason::kShutdown).PeerEnds().Close();
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_TRUE(call.client_aborted);
  EXPECT_EQ(call.error, ErrorClass::kClientAbort);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
  EXPECT_EQ(call.quote.status, CostStatus::kEstimated);
  ASSERT_TRUE(call.estimated);
  EXPECT_GT(*call.estimated->output, 0);
  EXPECT_TRUE(call.response.usage.empty());
  EXPECT_TRUE(bench.heard.notices.empty()) << "an aborted stream is no reason for the hint";
}

TEST(PipelineTest, CutMessagesStreamIsPartial) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(MessagesPost()).Receive(StreamHead());
  const std::vector<std::string> events = MessagesEvents();
  for (int i = 0; i < 3; ++i) talk.Receive(Chunk(events[i]));
  talk.PeerEnds(true).Close();
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.error, ErrorClass::kNetwork);
  EXPECT_TRUE(call.response.usage_is_partial);
  EXPECT_EQ(call.quote.status, CostStatus::kPartial);
  EXPECT_EQ(call.response.usage.input_uncached, 11);
}

TEST(PipelineTest, NoReply) {
  Bench bench;
  bench.Play(Conversation(Id(7)).Open().Send(ChatPost(ChatRequest())).PeerEnds().Close());
  bench.Play(
      Conversation(Id(8))
          .Open()
          .Send(ChatPost(ChatRequest(false, false, "other"), "x-stainless-read-timeout: 2\r\n"))
          .Wait(2000 * kMillisecond)
          .Close());
  bench.Play(Conversation(Id(9)).Open().Send(ChatPost(ChatRequest(false, false, "x"))).Close());
  ASSERT_EQ(bench.heard.calls.size(), 3U);
  EXPECT_EQ(bench.heard.calls[0].error, ErrorClass::kNetwork);
  EXPECT_EQ(bench.heard.calls[1].error, ErrorClass::kTimeout);
  EXPECT_EQ(bench.heard.calls[2].error, ErrorClass::kClientAbort);
  for (const Call& call : bench.heard.calls) {
    EXPECT_TRUE(call.has_incomplete(Incomplete::kNoResponse));
    EXPECT_FALSE(call.quote.total);
  }
}

TEST(PipelineTest, StreamWithoutUsageIsEstimatedAndSaidOnce) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open();
  for (int i = 0; i < 3; ++i) {
    Stream(talk, ChatPost(ChatRequest(true, false)), ChatEvents({"Hello", " to all"}, false));
  }
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 3U);
  for (const Call& call : bench.heard.calls) {
    EXPECT_EQ(call.quote.status, CostStatus::kEstimated);
    EXPECT_TRUE(call.quote.total);
    EXPECT_TRUE(call.response.usage.empty());
    EXPECT_TRUE(call.incomplete.empty());
  }
  ASSERT_EQ(bench.heard.notices.size(), 1U);
  EXPECT_EQ(bench.heard.notices[0].text.find("usage not sent: add stream_options.include_usage"),
            0U);
  EXPECT_EQ(bench.pipeline->stats().calls.usage_not_sent, 3U);
}

TEST(PipelineTest, TraceparentBecomesTheParent) {
  Bench bench;
  bench.Play(
      Conversation(Id(7))
          .Open()
          .Send(ChatPost(ChatRequest(),
                         "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n"
                         "tracestate: a=1\r\n"))
          .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  const Call& call = bench.heard.calls[0];
  EXPECT_EQ(call.trace_id[0], 0x4b);
  ASSERT_TRUE(call.parent_span_id);
  EXPECT_EQ((*call.parent_span_id)[7], 0xb7);
  EXPECT_EQ(call.trace_flags, 0);
  EXPECT_EQ(call.trace_state, "a=1");
}

TEST(PipelineTest, IdsComeFromTheSeed) {
  const Conversation talk = OneChat();
  Bench first({}, "a");
  Bench again({}, "a");
  Bench other({}, "b");
  for (Bench* bench : {&first, &again, &other}) bench->Play(talk);
  EXPECT_EQ(first.heard.calls[0].trace_id, again.heard.calls[0].trace_id);
  EXPECT_EQ(first.heard.calls[0].span_id, again.heard.calls[0].span_id);
  EXPECT_NE(first.heard.calls[0].trace_id, other.heard.calls[0].trace_id);
  EXPECT_FALSE(first.heard.calls[0].parent_span_id);
  EXPECT_EQ(first.heard.calls[0].trace_flags, 1);
}

TEST(PipelineTest, OpenCallsKeepTheBookTheyBeganWith) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  talk.Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  bench.Play({talk.events().begin(), talk.events().begin() + 2});
  bench.pipeline->SetPriceBook(std::make_shared<calls::testing::FakePriceBook>("test-2", 10));
  bench.Play({talk.events().begin() + 2, talk.events().end()});
  ASSERT_EQ(bench.heard.calls.size(), 2U);
  EXPECT_EQ(bench.heard.calls[0].quote.book_version, "test-1");
  EXPECT_EQ(bench.heard.calls[0].quote.total, kChatCost);
  EXPECT_EQ(bench.heard.calls[1].quote.book_version, "test-2");
  EXPECT_EQ(bench.heard.calls[1].quote.total, 10 * kChatCost);
}

TEST(PipelineTest, FinishDeliversWhatIsOpen) {
  Bench bench;
  bench.Play(Conversation(Id(7)).Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead()));
  bench.pipeline->Finish();
  bench.pipeline->Finish();
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_EQ(bench.heard.calls[0].incomplete, std::vector<Incomplete>{Incomplete::kOpenAtEnd});
  EXPECT_EQ(bench.heard.calls[0].error, ErrorClass::kNone);
  bench.Play(OneChat());
  EXPECT_EQ(bench.heard.calls.size(), 1U) << "events after the end are ignored";
}

TEST(PipelineTest, GenerationReuseSeparatesCalls) {
  Bench bench;
  bench.Play(Conversation(Id(7, 1)).Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead()));
  bench.Play(Conversation(Id(7, 2), 3000 * kMillisecond)
                 .Open()
                 .Send(ChatPost(ChatRequest()))
                 .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 2U);
  EXPECT_TRUE(bench.heard.calls[0].has_incomplete(Incomplete::kTruncated));
  EXPECT_TRUE(bench.heard.calls[1].incomplete.empty());
  EXPECT_EQ(bench.heard.calls[1].quote.total, kChatCost);
}

TEST(PipelineTest, ServerAnswersBeforeItHasReadEverything) {
  Bench bench;
  const std::string post = ChatPost(ChatRequest());
  Conversation talk(Id(7));
  talk.Open().Send(post.substr(0, post.size() - 10)).Receive(Reply("{}", 413));
  talk.Wait(2000 * kMillisecond);
  bench.Play(talk);
  EXPECT_TRUE(bench.heard.calls.empty()) << "the rest of the request may still come";
  bench.pipeline->OnEvent(events::Tick{talk.now()});
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_EQ(bench.heard.calls[0].error, ErrorClass::kInvalidRequest);
  EXPECT_EQ(bench.pipeline->stats().calls.open_calls, 0U);
}

TEST(PipelineTest, OpenCallsAreBounded) {
  PipelineOptions options;
  options.calls.open_calls = 10;
  Bench bench(options);
  for (uint64_t handle = 1; handle <= 100; ++handle) {
    bench.Play(Conversation(Id(handle)).Open().Send(ChatPost(ChatRequest())));
  }
  const PipelineStats stats = bench.pipeline->stats();
  EXPECT_EQ(stats.calls.open_calls, 10U);
  EXPECT_EQ(stats.calls.evicted, 90U);
  ASSERT_EQ(bench.heard.calls.size(), 90U);
  EXPECT_EQ(bench.heard.calls[0].incomplete, std::vector<Incomplete>{Incomplete::kEvicted});
  EXPECT_EQ(bench.heard.calls[0].number, 1U) << "the oldest goes first";
}

TEST(PipelineTest, ImplausibleUsageIsRefused) {
  const auto reply = [](const char* prompt, const char* completion) {
    return Reply(std::string("{\"id\":\"c\",\"model\":\"gpt-test\",\"choices\":[],\"usage\":{"
                             "\"prompt_tokens\":") +
                 prompt + ",\"completion_tokens\":" + completion + "}}");
  };
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open()
                 .Send(ChatPost(ChatRequest()))
                 .Receive(reply("999999999999", "1"))
                 .Send(ChatPost(ChatRequest()))
                 .Receive(reply("-5", "-6"))
                 .Send(ChatPost(ChatRequest()))
                 .Receive(reply("100000001", "1")));
  ASSERT_EQ(bench.heard.calls.size(), 3U);
  for (const Call& call : bench.heard.calls) {
    EXPECT_FALSE(call.incomplete.empty() && call.quote.status == CostStatus::kComputed)
        << Describe(call);
    EXPECT_LE(call.response.usage.total_input().value_or(0), 100'000'000);
  }
}

TEST(PipelineTest, FirstWholeCallOfAConnectionMetMidStreamIsExact) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open(events::Role::kClient, true)
                 .Receive("data: the rest of an older stream\n\n")
                 .Send(ChatPost(ChatRequest()))
                 .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_TRUE(bench.heard.calls[0].incomplete.empty());
  EXPECT_EQ(bench.heard.calls[0].quote.total, kChatCost);
}

/// What is heard of a stream from its event `from` on: by its framing to its end, or cut.
void ExpectLone(const std::vector<std::string>& events, size_t from, bool chunked,
                Transport transport, const std::function<void(const Call&)>& check) {
  Bench bench;
  Conversation talk(Id(7, 1, 100, transport));
  talk.Open(events::Role::kClient, true).Name("api.openai.test");
  for (size_t i = from; i < events.size(); ++i) {
    talk.Receive(chunked ? flow::testing::Chunk(events[i]) : events[i]);
  }
  if (chunked) talk.Receive(flow::testing::kLastChunk);
  // The next call of the connection is whole.
  talk.Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply())).Close();
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 2U) << from;
  EXPECT_TRUE(bench.heard.calls[1].incomplete.empty());
  EXPECT_EQ(bench.heard.calls[1].quote.total, kChatCost);
  const Call& lone = bench.heard.calls[0];
  EXPECT_TRUE(lone.has_incomplete(Incomplete::kNoRequest)) << Describe(lone);
  EXPECT_TRUE(lone.has_incomplete(Incomplete::kMidStream));
  EXPECT_EQ(lone.error, calls::ErrorClass::kNone) << Describe(lone);
  EXPECT_FALSE(lone.time_to_first_chunk_ns());
  EXPECT_TRUE(bench.pipeline->unseen().empty());
  check(lone);
}

TEST(PipelineTest, AStreamMetInItsMiddleIsBookedWithWhatItStates) {
  for (const Transport transport : {Transport::kTls, Transport::kSocket}) {
    for (const bool chunked : {true, false}) {
      const std::vector<std::string> chat = ChatEvents({"one", "two", "three"});
      for (size_t from = 1; from + 2 < chat.size(); ++from) {
        ExpectLone(chat, from, chunked, transport, [](const Call& call) {
          EXPECT_EQ(call.dialect, "openai.chat");
          EXPECT_EQ(call.quote.status, CostStatus::kPartial);
          EXPECT_EQ(call.quote.total, kChatCost);
        });
      }
      ExpectLone(MessagesEvents(), 2, chunked, transport, [](const Call& call) {
        EXPECT_EQ(call.dialect, "anthropic.messages");
        EXPECT_EQ(call.response.usage.output, 9);
        EXPECT_NE(call.quote.status, CostStatus::kComputed);
      });
    }
  }
}

TEST(PipelineTest, AReplyWhoseRequestWasNotSeenIsBooked) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open(events::Role::kClient, true)
                 .Name("api.openai.test")
                 .Receive(Reply(ChatReply()))
                 .Close());
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_TRUE(bench.heard.calls[0].has_incomplete(Incomplete::kNoRequest));
  EXPECT_EQ(bench.heard.calls[0].quote.status, CostStatus::kPartial);
  EXPECT_EQ(bench.heard.calls[0].quote.total, kChatCost);
}

TEST(PipelineTest, WhatCannotBeReadFromItsMiddleIsUnseen) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open(events::Role::kClient, true)
                 .Name("api.openai.test")
                 .Receive("\x8b\x08 the middle of something compressed")
                 .Close());
  EXPECT_TRUE(bench.heard.calls.empty());
  const std::vector<calls::Unseen> unseen = bench.pipeline->unseen();
  ASSERT_EQ(unseen.size(), 1U);
  EXPECT_EQ(unseen[0].kind, "mid_stream");
  EXPECT_EQ(unseen[0].reason, "met in its middle");
  EXPECT_EQ(unseen[0].connections, 1U);
}

TEST(PipelineTest, ForeignBytesBetweenRequestAndReplyAreMarked) {
  Bench bench;
  bench.Play(Conversation(Id(7))
                 .Open(events::Role::kClient, true)
                 .Send(ChatPost(ChatRequest()))
                 .Receive("data: the rest of an older stream\n\n")
                 .Receive(Reply(ChatReply())));
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_TRUE(bench.heard.calls[0].has_incomplete(Incomplete::kMidStream));
}

TEST(PipelineTest, TwoInvocationsAtOnceMarkTheCall) {
  Bench bench;
  Conversation talk(Id(7));
  talk.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  talk.last_data().concurrent = true;
  talk.Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  bench.Play(talk);
  ASSERT_EQ(bench.heard.calls.size(), 2U);
  EXPECT_TRUE(bench.heard.calls[0].has_incomplete(Incomplete::kOrderUnknown));
}

TEST(PipelineTest, LossesAreCountedByCauseBounded) {
  Bench bench;
  bench.pipeline->OnEvent(events::Loss{.cause = "ring_full", .count = 3, .ns = 5});
  bench.pipeline->OnEvent(events::Loss{.cause = "ring_full", .count = 4, .ns = 6});
  for (int i = 0; i < 1000; ++i) {
    bench.pipeline->OnEvent(events::Loss{.cause = std::to_string(i), .count = 1, .ns = 7});
  }
  const PipelineStats stats = bench.pipeline->stats();
  EXPECT_EQ(stats.losses.at("ring_full"), 7U);
  EXPECT_EQ(stats.lost(), 1007U);
  EXPECT_LE(stats.losses.size(), 65U);
}

TEST(PipelineTest, UnseenTlsToAProvider) {
  Bench bench;
  const events::ProcessId process{.pid = 100, .start_ns = 1};
  const auto socket = [](uint64_t handle) {
    Conversation talk(Id(handle, 1, 100, Transport::kSocket));
    talk.Open().Name("api.openai.test").Send(std::string("\x17\x03\x03\x00\x01x", 6));
    return talk;
  };
  for (uint64_t handle = 1; handle <= 3; ++handle) bench.Play(socket(handle));
  Conversation library(Id(50));
  library.Open().Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  bench.Play(library);
  std::vector<calls::Unseen> unseen = bench.pipeline->unseen();
  ASSERT_EQ(unseen.size(), 1U);
  EXPECT_EQ(unseen[0].kind, "tls");
  EXPECT_EQ(unseen[0].host, "api.openai.test");
  EXPECT_TRUE(unseen[0].provider_host);
  EXPECT_EQ(unseen[0].connections, 2U) << "one of the three gave its plaintext";
  EXPECT_EQ(unseen[0].reason, "TLS library not recognised");

  bench.pipeline->OnEvent(events::LibraryFound{
      .process = process, .path = "/opt/libfoo.so", .family = "openssl", .problem = "no symbols"});
  EXPECT_EQ(bench.pipeline->unseen()[0].reason, "openssl in /opt/libfoo.so: no symbols");
  const std::vector<calls::ProcessCapture> processes = bench.pipeline->processes();
  ASSERT_EQ(processes.size(), 1U);
  EXPECT_EQ(processes[0].tls_sockets, 3U);
  EXPECT_EQ(processes[0].plaintext_connections, 1U);
  EXPECT_EQ(processes[0].unseen_connections, 2U);
  EXPECT_EQ(processes[0].calls, 1U);
}

TEST(PipelineTest, LateAttachIsTold) {
  Bench bench;
  bench.pipeline->OnEvent(events::LibraryFound{.process = {.pid = 100, .start_ns = 1},
                                               .path = "/lib/libssl.so.3",
                                               .family = "openssl",
                                               .rung = ".dynsym",
                                               .attached = true,
                                               .mapped_ns = 900 * kMillisecond,
                                               .attached_ns = 5000 * kMillisecond});
  Conversation talk(Id(1, 1, 100, Transport::kSocket));
  talk.Open().Name("api.openai.test").Send(std::string("\x17\x03\x03\x00\x01x", 6));
  bench.Play(talk);
  EXPECT_EQ(bench.pipeline->unseen()[0].reason, "connected before the probes were in");
  EXPECT_EQ(bench.pipeline->processes()[0].libraries[0].late_ns, 4100 * kMillisecond);
}

TEST(PipelineTest, Http2IsUnseenAndExplainsItsSocket) {
  Bench bench;
  Conversation socket(Id(1, 1, 100, Transport::kSocket));
  socket.Open().Name("api.openai.test").Send(std::string("\x17\x03\x03\x00\x01x", 6));
  Conversation library(Id(2));
  library.Open().Name("api.openai.test").Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  bench.Play(socket).Play(library);
  const std::vector<calls::Unseen> unseen = bench.pipeline->unseen();
  ASSERT_EQ(unseen.size(), 1U);
  EXPECT_EQ(unseen[0].kind, "http/2");
  EXPECT_EQ(unseen[0].reason, "unsupported: http/2");
  EXPECT_EQ(unseen[0].host, "api.openai.test");
}

TEST(PipelineTest, ExitOfTheProcessEndsItsCalls) {
  Bench bench;
  bench.Play(Conversation(Id(7)).Open().Send(ChatPost(ChatRequest(true))).Receive(StreamHead()));
  bench.pipeline->OnEvent(
      events::ProcessExited{.process = {.pid = 100, .start_ns = 1}, .ns = 9000 * kMillisecond});
  ASSERT_EQ(bench.heard.calls.size(), 1U);
  EXPECT_EQ(bench.heard.calls[0].error, ErrorClass::kClientAbort);
  EXPECT_EQ(bench.heard.calls[0].process->display_name, "agent.py");
}

}  // namespace
}  // namespace sonde::pipeline
