#include "decoders/dialects/anthropic_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "decoders/dialects/test_support.h"

namespace sonde::dialects {
namespace {

using testing::DumpAll;
using ::testing::ElementsAre;
using testing::Exchange;
using ::testing::IsEmpty;
using testing::Replay;
using ::testing::SizeIs;

/// Requests whose cache_control asks for nothing, 5m, 1h, or both.
const char kAsksNothing[] = R"({"model":"claude","max_tokens":9,"messages":[]})";
const char kAsks5m[] =
    R"({"model":"claude","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]})";
const char kAsks1h[] =
    R"({"model":"claude","max_tokens":9,"cache_control":{"type":"ephemeral","ttl":"1h"},"messages":[]})";
const char kAsksBoth[] =
    R"({"model":"claude","tools":[{"name":"f","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "messages":[{"content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]})";

/// An event is one line, however its JSON is laid out here.
std::string Event(std::string_view type, std::string_view members) {
  std::string json = "{\"type\":\"" + std::string(type) + "\"";
  if (!members.empty()) json += "," + std::string(members);
  json.erase(std::remove(json.begin(), json.end(), '\n'), json.end());
  return "event: " + std::string(type) + "\ndata: " + json + "}\n\n";
}
std::string Start(std::string_view usage) {
  return Event(
      "message_start",
      R"("message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x-1",)"
      R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":)" +
          std::string(usage) + "}");
}
std::string Delta(std::string_view delta) {
  return Event("content_block_delta", R"("index":0,"delta":)" + std::string(delta));
}
std::string MessageDelta(std::string_view usage, std::string_view reason = "end_turn") {
  return Event("message_delta", R"("delta":{"stop_reason":")" + std::string(reason) +
                                    R"(","stop_sequence":null},"usage":)" + std::string(usage));
}
std::string Stop() { return Event("message_stop", ""); }

Exchange Stream(std::string body, std::string request = kAsksNothing) {
  Exchange exchange;
  exchange.target = "/v1/messages";
  exchange.request = std::move(request);
  exchange.content_type = "text/event-stream; charset=utf-8";
  exchange.response = std::move(body);
  return exchange;
}
Exchange Whole(std::string body, int status = 200, std::string request = kAsksNothing) {
  Exchange exchange = Stream(std::move(body), std::move(request));
  exchange.content_type = "application/json";
  exchange.status = status;
  return exchange;
}
std::string WithUsage(std::string_view usage) {
  return R"({"id":"msg_1","type":"message","model":"claude-x-1","content":[],"stop_reason":"end_turn","usage":)" +
         std::string(usage) + "}";
}

/// Replays whole and cut everywhere from one to seven bytes; the facts must be the same.
std::unique_ptr<ExchangeReader> Read(const Exchange& exchange) {
  auto whole = Replay(exchange);
  for (size_t piece = 1; piece <= 7; ++piece) {
    EXPECT_EQ(DumpAll(*Replay(exchange, piece)), DumpAll(*whole)) << "pieces of " << piece;
  }
  return whole;
}
ResponseFacts Facts(const Exchange& exchange) { return Read(exchange)->response(); }
TokenUsage UsageOf(const std::string& usage, const std::string& request = kAsksNothing) {
  return Facts(Whole(WithUsage(usage), 200, request)).usage;
}

// ---- Requests.

TEST(AnthropicReply, AResponseOfOpenAiIsNone) {
  EXPECT_EQ(RecognizeReply(R"({"id":"msg_1","type":"message","role":"assistant"})"),
            &kAnthropicMessages);
  EXPECT_NE(
      RecognizeReply(R"({"id":"resp_1","object":"response","output":[)"
                     R"({"type":"message","role":"assistant"}],"usage":{"input_tokens":10}})"),
      &kAnthropicMessages);
  EXPECT_NE(RecognizeReply("data: {\"type\":\"response.output_item.added\",\"item\":"
                           "{\"type\":\"message\",\"role\":\"assistant\"}}\n\n"),
            &kAnthropicMessages);
}

TEST(AnthropicRequest, EveryParameter) {
  const RequestFacts facts = Read(Whole("{}", 200, R"({
    "model":"claude-x","max_tokens":1024,"system":"Be brief.","stream":true,
    "messages":[
      {"role":"user","content":"Hi"},
      {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{"type":"tool_result","tool_use_id":"no"}},
        {"type":"web_search_tool_result","tool_use_id":"srv_1","content":[]}]},
      {"role":"user","content":[{"tool_use_id":"toolu_1","type":"tool_result","content":[{"type":"text","text":"42"}]},
        {"type":"tool_result","tool_use_id":"toolu_2","content":"43"}]}],
    "stop_sequences":["END"],"temperature":1,"top_p":0.5,"top_k":3,
    "tools":[{"name":"f","description":"d","input_schema":{"name":"no"}},{"type":"web_search_20250305","name":"web_search"}],
    "thinking":{"type":"enabled","budget_tokens":2048},"output_config":{"effort":"high","format":{"type":"json_schema"}},
    "metadata":{"user_id":"user_a_account_b_session_c"},"service_tier":"standard_only","speed":"fast","inference_geo":"us"})"))
                                 ->request();
  EXPECT_EQ(facts.model, "claude-x");
  EXPECT_EQ(facts.max_tokens, 1024);
  EXPECT_TRUE(facts.stream);
  EXPECT_EQ(facts.message_count, 3u);
  EXPECT_THAT(facts.tool_result_ids, ElementsAre("toolu_1", "toolu_2"));
  EXPECT_THAT(facts.stop_sequences, ElementsAre("END"));
  EXPECT_EQ(facts.temperature, 1);
  EXPECT_EQ(facts.top_p, 0.5);
  EXPECT_EQ(facts.top_k, 3);
  EXPECT_THAT(facts.tool_names, ElementsAre("f", "web_search"));
  EXPECT_EQ(facts.reasoning_level, "high");
  EXPECT_EQ(facts.output_type, "json");
  EXPECT_EQ(facts.user, "user_a_account_b_session_c");
  EXPECT_EQ(facts.service_tier, "standard_only");
  EXPECT_EQ(facts.speed, "fast");
  EXPECT_EQ(facts.inference_geo, "us");
  EXPECT_FALSE(facts.asks_1h_cache);
  EXPECT_FALSE(facts.asks_5m_cache);
}

TEST(AnthropicRequest, CacheControlLifetimes) {
  const auto asks = [](const char* body) {
    const RequestFacts facts = Read(Whole("{}", 200, body))->request();
    return std::string(facts.asks_5m_cache ? "5m" : "") + (facts.asks_1h_cache ? "1h" : "");
  };
  EXPECT_EQ(asks(kAsksNothing), "");
  EXPECT_EQ(asks(kAsks5m), "5m");
  EXPECT_EQ(asks(kAsks1h), "1h");
  EXPECT_EQ(asks(kAsksBoth), "5m1h");
  EXPECT_EQ(
      asks(
          R"({"messages":[{"content":[{"type":"tool_result","content":[{"type":"text","cache_control":{"ttl":"1h","type":"ephemeral"}}]}]}]})"),
      "1h");
  EXPECT_EQ(asks(R"({"cache_control":null})"), "");
}

TEST(AnthropicUsage, TheLifetimeIsUnknownWhenTheRequestWasNotWhole) {
  const Exchange exchange =
      Whole(WithUsage(R"({"input_tokens":3,"cache_creation_input_tokens":10,"output_tokens":5})"));
  for (const bool reply_first : {false, true}) {
    for (const wire::MessageEnd end : {wire::MessageEnd::kComplete, wire::MessageEnd::kTruncated}) {
      auto reader = kAnthropicMessages.open({});
      if (!reply_first) reader->RequestEnd(end);
      reader->ResponseHead({.status = 200});
      reader->ResponseBody(exchange.response, {1, 1});
      reader->ResponseEnd(wire::MessageEnd::kComplete, {1, 1});
      if (reply_first) reader->RequestEnd(end);
      EXPECT_EQ(reader->response().usage.write_split_unknown, end != wire::MessageEnd::kComplete);
    }
  }
}

TEST(AnthropicReply, NothingIsNoReply) {
  for (const int status : {200, 204, 429}) {
    auto reader = kAnthropicMessages.open({});
    reader->RequestEnd();
    reader->ResponseHead({.status = status});
    reader->ResponseEnd(wire::MessageEnd::kComplete, {1, 1});
    EXPECT_EQ(reader->response().malformed, status < 300);
  }
}

// ---- Usage: 2.1 and 2.2.

TEST(AnthropicUsage, InputExcludesCacheReadsAndWrites) {
  const TokenUsage usage = UsageOf(
      R"({"input_tokens":3,"cache_creation_input_tokens":10,"cache_read_input_tokens":20,
          "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},
          "output_tokens":5,"output_tokens_details":{"thinking_tokens":2},
          "server_tool_use":{"web_search_requests":1,"web_fetch_requests":7}})");
  EXPECT_EQ(usage.input_uncached, 3);
  EXPECT_EQ(usage.cache_read, 20);
  EXPECT_EQ(usage.cache_write_5m, 4);
  EXPECT_EQ(usage.cache_write_1h, 6);
  EXPECT_EQ(usage.cache_write_other, std::nullopt);
  EXPECT_EQ(usage.output, 5);
  EXPECT_EQ(usage.reasoning, 2);
  EXPECT_EQ(usage.web_search_requests, 1);
  EXPECT_EQ(usage.total_input(), 33);
  EXPECT_FALSE(usage.inconsistent);
  EXPECT_FALSE(usage.write_split_unknown);
}

TEST(AnthropicUsage, WithoutASplitWritesTakeTheRequestedLifetime) {
  const char usage[] =
      R"({"input_tokens":3,"cache_creation_input_tokens":10,"cache_creation":null,"output_tokens":5})";
  EXPECT_EQ(UsageOf(usage, kAsksNothing).cache_write_5m, 10);
  EXPECT_EQ(UsageOf(usage, kAsks5m).cache_write_5m, 10);
  EXPECT_EQ(UsageOf(usage, kAsks1h).cache_write_1h, 10);
  EXPECT_EQ(UsageOf(usage, kAsks1h).cache_write_5m, std::nullopt);
  EXPECT_FALSE(UsageOf(usage, kAsks1h).write_split_unknown);
  const TokenUsage mixed = UsageOf(usage, kAsksBoth);
  EXPECT_EQ(mixed.cache_write_5m, 10);
  EXPECT_TRUE(mixed.write_split_unknown);
  EXPECT_EQ(mixed.write_split_unknown_tokens, 10);
}

TEST(AnthropicUsage, WritesBeyondTheSplitTakeTheRequestedLifetime) {
  const char usage[] =
      R"({"input_tokens":3,"cache_creation_input_tokens":100,"output_tokens":5,
          "cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":10}})";
  EXPECT_EQ(UsageOf(usage, kAsks5m).cache_write_5m, 90);
  EXPECT_EQ(UsageOf(usage, kAsks5m).cache_write_1h, 10);
  EXPECT_EQ(UsageOf(usage, kAsks1h).cache_write_5m, 30);
  EXPECT_EQ(UsageOf(usage, kAsks1h).cache_write_1h, 70);
  const TokenUsage mixed = UsageOf(usage, kAsksBoth);
  EXPECT_EQ(mixed.total_cache_write(), 100);
  EXPECT_TRUE(mixed.write_split_unknown);
  EXPECT_EQ(mixed.write_split_unknown_tokens, 60);
}

TEST(AnthropicUsage, ASplitGreaterThanTheTotalIsMarked) {
  EXPECT_TRUE(UsageOf(R"({"input_tokens":3,"cache_creation_input_tokens":1,"output_tokens":5,
                          "cache_creation":{"ephemeral_5m_input_tokens":30}})")
                  .inconsistent);
}

TEST(AnthropicUsage, ThinkingGreaterThanOutputIsMarked) {
  EXPECT_TRUE(
      UsageOf(
          R"({"input_tokens":3,"output_tokens":5,"output_tokens_details":{"thinking_tokens":6}})")
          .inconsistent);
}

TEST(AnthropicUsage, BadCountsAreNoValues) {
  const ResponseFacts facts = Facts(Whole(WithUsage(
      R"({"input_tokens":-1,"output_tokens":200000000,"cache_read_input_tokens":12.0})")));
  EXPECT_EQ(facts.usage.input_uncached, std::nullopt);
  EXPECT_EQ(facts.usage.output, std::nullopt);
  EXPECT_EQ(facts.usage.cache_read, 12);
  EXPECT_TRUE(facts.malformed);
}

TEST(AnthropicUsage, TheLastOfRepeatedObjectsReplacesTheFirstWholly) {
  const ResponseFacts facts = Facts(Whole(
      R"({"type":"message","usage":{"input_tokens":1,"cache_read_input_tokens":5},"usage":{"input_tokens":2,"output_tokens":3}})"));
  EXPECT_EQ(facts.usage.input_uncached, 2);
  EXPECT_EQ(facts.usage.cache_read, std::nullopt);
}

// ---- 2.3 note 2: iterations.

TEST(AnthropicIterations, TheSumOverEntriesIsTheUsage) {
  const ResponseFacts facts = Facts(Whole(WithUsage(
      R"({"input_tokens":10,"output_tokens":20,"cache_read_input_tokens":5,"cache_creation_input_tokens":0,
          "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},
          "iterations":[
            {"type":"compaction","input_tokens":100,"output_tokens":30,"cache_read_input_tokens":0,"cache_creation_input_tokens":0},
            {"type":"message","model":"claude-x-1","input_tokens":10,"output_tokens":20,"cache_read_input_tokens":5,"cache_creation_input_tokens":0}]})")));
  EXPECT_EQ(facts.usage.input_uncached, 110);
  EXPECT_EQ(facts.usage.output, 50);
  EXPECT_EQ(facts.usage.cache_read, 5);
  EXPECT_FALSE(facts.usage.inconsistent);
  EXPECT_THAT(facts.usage_by_other_models, IsEmpty());
}

TEST(AnthropicIterations, OtherModelsHaveTheirShares) {
  const ResponseFacts facts = Facts(Whole(WithUsage(
      R"({"input_tokens":10,"output_tokens":20,"iterations":[
            {"type":"message","model":null,"input_tokens":10,"output_tokens":20},
            {"type":"advisor_message","model":"claude-y","input_tokens":7,"output_tokens":2},
            {"type":"advisor_message","model":"claude-y","input_tokens":1,"output_tokens":1}]})")));
  EXPECT_EQ(facts.usage.input_uncached, 18);
  EXPECT_EQ(facts.usage.output, 23);
  ASSERT_THAT(facts.usage_by_other_models, SizeIs(1));
  EXPECT_EQ(facts.usage_by_other_models[0].model, "claude-y");
  EXPECT_EQ(facts.usage_by_other_models[0].usage.input_uncached, 8);
  EXPECT_EQ(facts.usage_by_other_models[0].usage.output, 3);
}

TEST(AnthropicIterations, EntriesThatDisagreeWithTheObjectAreMarked) {
  EXPECT_TRUE(UsageOf(R"({"input_tokens":10,"output_tokens":20,"iterations":[
                          {"type":"message","input_tokens":9,"output_tokens":20}]})")
                  .inconsistent);
}

TEST(AnthropicIterations, AnEmptyOrNullListIsNone) {
  EXPECT_EQ(UsageOf(R"({"input_tokens":10,"output_tokens":20,"iterations":[]})").output, 20);
  EXPECT_EQ(UsageOf(R"({"input_tokens":10,"output_tokens":20,"iterations":null})").output, 20);
}

TEST(AnthropicIterations, ManyEntriesAreBoundedAndMarked) {
  std::string list;
  for (int i = 0; i < 500; ++i) {
    list += (i > 0 ? "," : "") +
            std::string(R"({"type":"message","input_tokens":1,"output_tokens":1})");
  }
  Exchange exchange =
      Whole(WithUsage(R"({"input_tokens":500,"output_tokens":500,"iterations":[)" + list + "]}"));
  const auto reader = Replay(exchange);
  EXPECT_TRUE(reader->response().usage.inconsistent);
  EXPECT_LT(reader->MemoryBytes(), 64u * 1024);
}

TEST(AnthropicIterations, InAMessageDelta) {
  const ResponseFacts facts = Facts(Stream(
      Start(R"({"input_tokens":10,"output_tokens":1})") +
      MessageDelta(
          R"({"output_tokens":20,"iterations":[{"type":"message","input_tokens":10,"output_tokens":20},
                       {"type":"compaction","input_tokens":5,"output_tokens":2}]})") +
      Stop()));
  EXPECT_EQ(facts.usage.input_uncached, 15);
  EXPECT_EQ(facts.usage.output, 22);
}

// ---- Streams: section 3 and 8.3.

TEST(AnthropicStream, DeltasAreCumulativeAndOverwriteWhatIsNotNull) {
  const ResponseFacts facts = Facts(Stream(
      Start(R"({"input_tokens":100,"cache_creation_input_tokens":10,"cache_read_input_tokens":20,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":0},
                "output_tokens":1,"service_tier":"standard","inference_geo":"us"})") +
      Delta(R"({"type":"text_delta","text":"Hi"})") +
      MessageDelta(R"({"input_tokens":null,"cache_read_input_tokens":40,"output_tokens":7})",
                   "pause_turn") +
      MessageDelta(
          R"({"output_tokens":9,"output_tokens_details":{"thinking_tokens":4},"server_tool_use":{"web_search_requests":3}})") +
      Stop()));
  EXPECT_EQ(facts.usage.input_uncached, 100);
  EXPECT_EQ(facts.usage.cache_read, 40);
  EXPECT_EQ(facts.usage.cache_write_5m, 10);
  EXPECT_EQ(facts.usage.output, 9);
  EXPECT_EQ(facts.usage.reasoning, 4);
  EXPECT_EQ(facts.usage.web_search_requests, 3);
  EXPECT_FALSE(facts.usage_is_partial);
  EXPECT_EQ(facts.service_tier, "standard");
  EXPECT_EQ(facts.inference_geo, "us");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("end_turn"));
}

TEST(AnthropicStream, WritesThatGrowBeyondTheFirstSplit) {
  const std::string body =
      Start(R"({"input_tokens":1,"cache_creation_input_tokens":10,"output_tokens":1,
                "cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":10}})") +
      MessageDelta(R"({"cache_creation_input_tokens":25,"output_tokens":9})") + Stop();
  EXPECT_EQ(Facts(Stream(body, kAsks1h)).usage.cache_write_1h, 25);
  EXPECT_EQ(Facts(Stream(body, kAsks5m)).usage.cache_write_5m, 15);
}

TEST(AnthropicStream, ASplitInTheDeltaIsHonoured) {
  const ResponseFacts facts =
      Facts(Stream(Start(R"({"input_tokens":1,"output_tokens":1})") +
                   MessageDelta(R"({"cache_creation_input_tokens":25,"output_tokens":9,
        "cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":20}})") +
                   Stop()));
  EXPECT_EQ(facts.usage.cache_write_5m, 5);
  EXPECT_EQ(facts.usage.cache_write_1h, 20);
}

TEST(AnthropicStream, WithoutAMessageDeltaTheUsageIsPartial) {
  Exchange exchange = Stream(Start(R"({"input_tokens":100,"output_tokens":1})") +
                             Delta(R"({"type":"text_delta","text":"Hi"})"));
  exchange.end = wire::MessageEnd::kTruncated;
  const ResponseFacts facts = Facts(exchange);
  EXPECT_TRUE(facts.usage_is_partial);
  EXPECT_FALSE(facts.terminal_seen);
  EXPECT_EQ(facts.usage.input_uncached, 100);
}

TEST(AnthropicStream, ADeltaWithoutAStopReasonHoldsTotalsSoFar) {
  const std::string begin = Start(R"({"input_tokens":100,"output_tokens":1})") +
                            Delta(R"({"type":"text_delta","text":"Hi"})");
  const std::string interim =
      Event("message_delta", R"("delta":{"stop_reason":null},"usage":{"output_tokens":20})");
  const auto cut = [](const std::string& body) {
    Exchange exchange = Stream(body);
    exchange.end = wire::MessageEnd::kTruncated;
    return Facts(exchange);
  };
  EXPECT_EQ(cut(begin + interim).usage.output, 20);
  EXPECT_TRUE(cut(begin + interim).usage_is_partial);
  const ResponseFacts reasoned = cut(begin + interim + MessageDelta(R"({"output_tokens":30})"));
  EXPECT_EQ(reasoned.usage.output, 30);
  EXPECT_FALSE(reasoned.usage_is_partial);
  EXPECT_FALSE(cut(begin + interim + Stop()).usage_is_partial);
  EXPECT_TRUE(cut(begin + Stop()).usage_is_partial) << "message_start never has the output";
}

TEST(AnthropicStream, MessageStopIsTheEnd) {
  const ResponseFacts facts = Facts(Stream(Start(R"({"input_tokens":1,"output_tokens":1})") +
                                           MessageDelta(R"({"output_tokens":2})") + Stop()));
  EXPECT_TRUE(facts.terminal_seen);
  EXPECT_TRUE(facts.terminal);
  EXPECT_EQ(facts.event_count, 3u);
}

TEST(AnthropicStream, ToolsOfTheClientAndOfTheProvider) {
  const ResponseFacts facts = Facts(Stream(
      Start(R"({"input_tokens":1,"output_tokens":1})") +
      Event(
          "content_block_start",
          R"("index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}})") +
      Delta(R"({"type":"input_json_delta","partial_json":""})") +
      Delta(R"({"type":"input_json_delta","partial_json":"{\"a\":1}"})") +
      Event(
          "content_block_start",
          R"("index":1,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}})") +
      Event(
          "content_block_start",
          R"("index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"x","id":"no","name":"no"}]})") +
      Event(
          "content_block_start",
          R"("index":3,"content_block":{"type":"mcp_tool_use","id":"mcp_1","name":"m","server_name":"s"})") +
      MessageDelta(R"({"output_tokens":2})", "tool_use") + Stop()));
  ASSERT_THAT(facts.tool_calls, SizeIs(3));
  EXPECT_EQ(facts.tool_calls[0].id, "toolu_1");
  EXPECT_EQ(facts.tool_calls[0].name, "f");
  EXPECT_FALSE(facts.tool_calls[0].server_side);
  EXPECT_EQ(facts.tool_calls[1].name, "web_search");
  EXPECT_TRUE(facts.tool_calls[1].server_side);
  EXPECT_TRUE(facts.tool_calls[2].server_side);
}

TEST(AnthropicStream, FirstOutputIsNotTheFirstEvent) {
  wire::RequestHead head;
  const auto reader = kAnthropicMessages.open(head);
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
  uint64_t now = 0;
  for (const std::string& event :
       {Start(R"({"input_tokens":1,"output_tokens":1})"), Event("ping", ""),
        Event("content_block_start",
              R"("index":0,"content_block":{"type":"thinking","thinking":"","signature":""})"),
        Delta(R"({"type":"thinking_delta","thinking":"hm"})"),
        Delta(R"({"type":"signature_delta","signature":"abc"})"),
        Event("content_block_stop", R"("index":0)"),
        Event("content_block_start", R"("index":1,"content_block":{"type":"text","text":""})"),
        Delta(R"({"type":"text_delta","text":"Hi"})"), MessageDelta(R"({"output_tokens":2})"),
        Stop()}) {
    ++now;
    reader->ResponseBody(event, {now * 10, now * 10 + 1});
  }
  reader->ResponseEnd(wire::MessageEnd::kComplete, {999, 999});
  const ResponseFacts& facts = reader->response();
  EXPECT_EQ(facts.first_output->end_ns, 41u);
  EXPECT_EQ(facts.first_text->end_ns, 81u);
  EXPECT_EQ(facts.last_output->end_ns, 81u);
  EXPECT_EQ(facts.terminal->end_ns, 101u);
  EXPECT_EQ(facts.output_event_count, 2u);
  EXPECT_EQ(facts.text.ascii_bytes, 4u);
}

TEST(AnthropicStream, ErrorEvent) {
  const ResponseFacts facts = Facts(Stream(
      Start(R"({"input_tokens":1,"output_tokens":1})") +
      Event("error",
            R"("error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1")")));
  EXPECT_TRUE(facts.error.present);
  EXPECT_TRUE(facts.error.in_stream);
  EXPECT_EQ(facts.error.type, "overloaded_error");
  EXPECT_EQ(facts.error.message, "Overloaded");
  EXPECT_FALSE(facts.terminal_seen);
}

TEST(AnthropicStream, UnknownEventsArePassedOver) {
  const ResponseFacts facts =
      Facts(Stream(Start(R"({"input_tokens":1,"output_tokens":1})") +
                   Event("something_new", R"("x":[1,{"usage":{"output_tokens":99}}])") +
                   MessageDelta(R"({"output_tokens":2})") + Stop()));
  EXPECT_EQ(facts.usage.output, 2);
  EXPECT_FALSE(facts.malformed);
}

// ---- Whole replies and errors.

TEST(Anthropic, WholeReply) {
  const ResponseFacts facts = Facts(Whole(
      R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-x-1","stop_reason":"tool_use","stop_sequence":null,
          "content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},
                     {"type":"tool_use","id":"toolu_1","name":"f","input":{"usage":{"input_tokens":9}}}],
          "usage":{"input_tokens":3,"output_tokens":5,"service_tier":"priority","speed":"fast"}})"));
  EXPECT_EQ(facts.id, "msg_1");
  EXPECT_EQ(facts.model, "claude-x-1");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("tool_use"));
  ASSERT_THAT(facts.tool_calls, SizeIs(1));
  EXPECT_EQ(facts.tool_calls[0].name, "f");
  EXPECT_EQ(facts.usage.input_uncached, 3);
  EXPECT_EQ(facts.service_tier, "priority");
  EXPECT_EQ(facts.speed, "fast");
  EXPECT_TRUE(facts.terminal_seen);
  EXPECT_EQ(facts.text.ascii_bytes, 4u);
}

TEST(Anthropic, ErrorBody) {
  const ResponseFacts facts = Facts(Whole(
      R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down","details":{"error_code":"x"}},"request_id":"req_1"})",
      429));
  EXPECT_TRUE(facts.error.present);
  EXPECT_EQ(facts.error.type, "rate_limit_error");
  EXPECT_EQ(facts.error.code, "x");
  EXPECT_EQ(facts.error.message, "slow down");
  EXPECT_FALSE(facts.error.in_stream);
}

TEST(Anthropic, ManyToolCallsAreBounded) {
  std::string body;
  for (int i = 0; i < 2000; ++i) {
    body += (i > 0 ? "," : "") + std::string(R"({"type":"tool_use","id":"toolu_)") +
            std::to_string(i) + R"(","name":")" + std::string(90, 'n') + R"(","input":{}})";
  }
  const auto reader = Replay(Whole(R"({"type":"message","content":[)" + body + "]}"));
  EXPECT_LE(reader->response().tool_calls.size(), 128u);
  EXPECT_LT(reader->MemoryBytes(), 64u * 1024);
}

// ---- Holes.

TEST(AnthropicHoles, AnUnknownRequestMakesTheLifetimeUnknown) {
  wire::RequestHead head;
  const auto reader = kAnthropicMessages.open(head);
  reader->RequestBody(R"({"model":"claude","mess)");
  reader->RequestGap(100);
  reader->RequestBody(R"("}],"stream":false})");
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "application/json"}}});
  reader->ResponseBody(
      WithUsage(R"({"input_tokens":1,"cache_creation_input_tokens":10,"output_tokens":1})"),
      {1, 1});
  reader->ResponseEnd(wire::MessageEnd::kComplete, {1, 1});
  EXPECT_TRUE(reader->response().usage.write_split_unknown);
}

TEST(AnthropicHoles, FactsAreTheSameOrMarked) {
  const std::string body = Start(R"({"input_tokens":100,"output_tokens":1})") +
                           Delta(R"({"type":"text_delta","text":"Hi"})") +
                           MessageDelta(R"({"output_tokens":9})") + Stop();
  wire::RequestHead head;
  for (size_t from = 0; from < body.size(); ++from) {
    const auto reader = kAnthropicMessages.open(head);
    reader->RequestEnd();
    reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
    reader->ResponseBody(std::string_view(body).substr(0, from), {1, 1});
    reader->ResponseGap(1);
    reader->ResponseBody(std::string_view(body).substr(from + 1), {2, 2});
    reader->ResponseEnd(wire::MessageEnd::kComplete, {3, 3});
    const ResponseFacts& facts = reader->response();
    EXPECT_TRUE(facts.has_gap);
    EXPECT_FALSE(facts.malformed) << from;
    EXPECT_TRUE(!facts.usage.input_uncached || *facts.usage.input_uncached == 100);
    EXPECT_TRUE(!facts.usage.output || *facts.usage.output == 9 || facts.usage_is_partial) << from;
  }
}

}  // namespace
}  // namespace sonde::dialects
