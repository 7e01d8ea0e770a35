#include "decoders/dialects/openai_chat.h"

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

constexpr std::string_view kEventStream = "text/event-stream; charset=utf-8";

/// An event is one line, however its JSON is laid out here.
std::string OneLine(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
  return text;
}
std::string Data(std::string_view json) { return "data: " + OneLine(std::string(json)) + "\n\n"; }
std::string Delta(std::string_view delta, std::string_view finish = "null", int index = 0) {
  return Data(
      R"({"id":"c1","object":"chat.completion.chunk","model":"gpt-x","choices":[{"index":)" +
      std::to_string(index) + R"(,"delta":)" + std::string(delta) +
      R"(,"logprobs":null,"finish_reason":)" + std::string(finish) +
      R"(}],"usage":null,"obfuscation":"aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdefgh"})");
}
const char kUsage[] =
    R"({"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})";
const char kDone[] = "data: [DONE]\n\n";

Exchange Stream(std::string body) {
  Exchange exchange;
  exchange.request = R"({"model":"gpt","stream":true,"messages":[]})";
  exchange.content_type = kEventStream;
  exchange.response = std::move(body);
  return exchange;
}
Exchange Whole(std::string body, int status = 200) {
  Exchange exchange;
  exchange.request = R"({"model":"gpt","messages":[]})";
  exchange.response = std::move(body);
  exchange.status = status;
  return exchange;
}

/// Replays whole and cut everywhere from one to seven bytes; the facts must be the same.
ResponseFacts Facts(const Exchange& exchange) {
  const auto whole = Replay(exchange);
  for (size_t piece = 1; piece <= 7; ++piece) {
    EXPECT_EQ(DumpAll(*Replay(exchange, piece)), DumpAll(*whole)) << "pieces of " << piece;
  }
  return whole->response();
}
RequestFacts RequestFactsOf(std::string body) {
  Exchange exchange;
  exchange.request = std::move(body);
  const auto whole = Replay(exchange);
  for (size_t piece = 1; piece <= 7; ++piece) {
    EXPECT_EQ(DumpAll(*Replay(exchange, piece)), DumpAll(*whole)) << "pieces of " << piece;
  }
  return whole->request();
}

// ---- Requests.

TEST(OpenAiChatRequest, EveryParameter) {
  const RequestFacts facts = RequestFactsOf(R"({
    "messages":[
      {"role":"developer","content":"Be brief."},
      {"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"data:x"}}]},
      {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"call_1","content":"42"},
      {"role":"tool","tool_call_id":"call_2","content":"43"}],
    "model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},
    "max_tokens":100,"max_completion_tokens":200,"temperature":0.5,"top_p":0.9,"top_k":40,
    "frequency_penalty":-1,"presence_penalty":1.5,"seed":7,"n":2,"stop":["END","STOP"],
    "response_format":{"type":"json_schema","json_schema":{"name":"x","type":"text"}},
    "reasoning_effort":"low","service_tier":"flex","user":"u-1","safety_identifier":"s-1",
    "tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{"name":"no"}}},
             {"type":"custom","custom":{"name":"g"}}]})");
  EXPECT_EQ(facts.model, "gpt-5-mini");
  EXPECT_TRUE(facts.stream);
  EXPECT_EQ(facts.include_usage, true);
  EXPECT_EQ(facts.max_tokens, 200);
  EXPECT_EQ(facts.temperature, 0.5);
  EXPECT_EQ(facts.top_p, 0.9);
  EXPECT_EQ(facts.top_k, 40);
  EXPECT_EQ(facts.frequency_penalty, -1);
  EXPECT_EQ(facts.presence_penalty, 1.5);
  EXPECT_EQ(facts.seed, 7);
  EXPECT_EQ(facts.choice_count, 2);
  EXPECT_THAT(facts.stop_sequences, ElementsAre("END", "STOP"));
  EXPECT_EQ(facts.output_type, "json");
  EXPECT_EQ(facts.reasoning_level, "low");
  EXPECT_EQ(facts.service_tier, "flex");
  EXPECT_EQ(facts.user, "u-1");
  EXPECT_THAT(facts.tool_names, ElementsAre("f", "g"));
  EXPECT_THAT(facts.tool_result_ids, ElementsAre("call_1", "call_2"));
  EXPECT_EQ(facts.message_count, 5u);
  EXPECT_GT(facts.text.ascii_bytes, 15u);
  EXPECT_FALSE(facts.model_after_gap);
}

TEST(OpenAiChatRequest, OtherSpellings) {
  EXPECT_THAT(RequestFactsOf(R"({"stop":"END"})").stop_sequences, ElementsAre("END"));
  EXPECT_EQ(RequestFactsOf(R"({"max_tokens":5})").max_tokens, 5);
  EXPECT_EQ(RequestFactsOf(R"({"reasoning":{"effort":"high"}})").reasoning_level, "high");
  EXPECT_EQ(RequestFactsOf(R"({"random_seed":3})").seed, 3);
  EXPECT_EQ(RequestFactsOf(R"({"safety_identifier":"s"})").user, "s");
  EXPECT_EQ(RequestFactsOf(R"({"response_format":{"type":"text"}})").output_type, "text");
  EXPECT_EQ(RequestFactsOf(R"({"response_format":{"type":"json_object"}})").output_type, "json");
  EXPECT_THAT(RequestFactsOf(R"({"functions":[{"name":"old"}]})").tool_names, ElementsAre("old"));
  EXPECT_EQ(RequestFactsOf("{}").include_usage, std::nullopt);
  EXPECT_EQ(RequestFactsOf(R"({"stream_options":{"include_usage":false}})").include_usage, false);
}

TEST(OpenAiChatRequest, OnlyRealStructureCounts) {
  const RequestFacts facts = RequestFactsOf(
      R"({"messages":[{"role":"user","content":"\"model\":\"fake\",\"stream\":true}],","model":"no"}],)"
      R"("metadata":{"model":"no","stream":true},"model":"real"})");
  EXPECT_EQ(facts.model, "real");
  EXPECT_FALSE(facts.stream);
}

TEST(OpenAiChatRequest, CacheControlLifetimes) {
  EXPECT_TRUE(
      RequestFactsOf(
          R"({"messages":[{"content":[{"text":"x","cache_control":{"type":"ephemeral"}}]}]})")
          .asks_5m_cache);
  EXPECT_TRUE(RequestFactsOf(R"({"messages":[{"content":[{"cache_control":{"ttl":"1h"}}]}]})")
                  .asks_1h_cache);
}

TEST(OpenAiChatRequest, RepeatedMessagesReplaceTheFirst) {
  const RequestFacts facts = RequestFactsOf(
      R"({"messages":[{"role":"tool","tool_call_id":"a","content":"x"},{}],"messages":[{"content":"hey"}]})");
  EXPECT_EQ(facts.message_count, 1u);
  EXPECT_THAT(facts.tool_result_ids, IsEmpty());
  EXPECT_EQ(facts.text.ascii_bytes, 3u);
}

TEST(OpenAiChatRequest, ListsAreBounded) {
  std::string body = R"({"tools":[)";
  for (int i = 0; i < 1000; ++i) {
    body += (i > 0 ? "," : "") + std::string(R"({"function":{"name":")") + std::string(100, 'n') +
            std::to_string(i) + "\"}}";
  }
  Exchange exchange;
  exchange.request = body + "]}";
  const auto reader = Replay(exchange);
  EXPECT_LE(reader->request().tool_names.size(), 64u);
  EXPECT_LT(reader->MemoryBytes(), 16u * 1024);
}

TEST(OpenAiChatRequest, EqualBodiesHaveEqualHashes) {
  const std::string body = R"({"model":"m","messages":[{"content":"hello"}]})";
  const uint64_t hash = RequestFactsOf(body).body_hash;
  EXPECT_EQ(RequestFactsOf(body).body_hash, hash);
  EXPECT_EQ(hash, 16497965666239677908u)
      << "must be the same in every build: other runs compare it";
  for (size_t at = 0; at < body.size(); ++at) {
    std::string other = body;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_NE(RequestFactsOf(other).body_hash, hash) << at;
  }
  EXPECT_NE(RequestFactsOf(body + " ").body_hash, hash);
}

// ---- Requests with holes.

TEST(OpenAiChatHoles, TheTailTellsWhatStandsBehindTheHole) {
  const std::string body =
      R"({"messages":[{"role":"user","content":"a long, long question"}],"model":"gpt-5","stream":true,)"
      R"("tools":[{"type":"function","function":{"name":"f"}}]})";
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/v1/chat/completions";
  size_t behind = 0;
  for (size_t from = 0; from < body.size(); ++from) {
    for (size_t length = 1; from + length <= body.size(); length += 9) {
      const auto reader = kOpenAiChat.open(head);
      reader->RequestBody(std::string_view(body).substr(0, from));
      reader->RequestGap(length);
      reader->RequestBody(std::string_view(body).substr(from + length));
      reader->RequestEnd();
      const RequestFacts& facts = reader->request();
      ASSERT_TRUE(facts.body_has_gap);
      ASSERT_TRUE(facts.model.empty() || facts.model == "gpt-5") << facts.model;
      ASSERT_TRUE(facts.tool_names.empty() || facts.tool_names[0] == "f");
      if (facts.model_after_gap) ++behind;
      if (from + length < body.find("}],\"model")) {
        ASSERT_EQ(facts.model, "gpt-5") << from << "+" << length;
        ASSERT_TRUE(facts.model_after_gap);
        ASSERT_TRUE(facts.stream);
      }
    }
  }
  EXPECT_GT(behind, 100u);
}

TEST(OpenAiChatHoles, TheEndOfACutBodyIsNotTakenForItsEnd) {
  wire::RequestHead head;
  const auto reader = kOpenAiChat.open(head);
  reader->RequestBody(R"({"messages":[{"role":"user",)");
  reader->RequestGap(50);
  reader->RequestBody(R"("x":1,"model":"inner"})");
  reader->RequestEnd(wire::MessageEnd::kTruncated);
  EXPECT_EQ(reader->request().model, "");
  EXPECT_TRUE(reader->request().body_has_gap);
}

TEST(OpenAiChatHoles, AHoleInAWholeReplyLeavesItsUsage) {
  const std::string body =
      R"({"id":"c1","model":"gpt-x","choices":[{"index":0,"message":{"content":")" +
      std::string(500, 'x') +
      R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})";
  wire::RequestHead head;
  const auto reader = kOpenAiChat.open(head);
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "application/json"}}});
  reader->ResponseBody(std::string_view(body).substr(0, 100), {1, 1});
  reader->ResponseGap(100);
  reader->ResponseBody(std::string_view(body).substr(200), {2, 2});
  reader->ResponseEnd(wire::MessageEnd::kComplete, {3, 3});
  EXPECT_TRUE(reader->response().has_gap);
  EXPECT_EQ(reader->response().id, "c1");
  EXPECT_EQ(reader->response().usage.input_uncached, 9);
  EXPECT_EQ(reader->response().usage.output, 3);
}

TEST(OpenAiChatHoles, AHoleInAStreamLosesTheEventsItTouches) {
  const std::string body = Delta(R"({"content":"a"})") + Delta(R"({"content":"b"})") +
                           Delta("{}", "\"stop\"") + Data(kUsage) + kDone;
  wire::RequestHead head;
  for (size_t from = 0; from < body.size(); from += 3) {
    const auto reader = kOpenAiChat.open(head);
    reader->RequestEnd();
    reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
    reader->ResponseBody(std::string_view(body).substr(0, from), {1, 1});
    reader->ResponseGap(3);
    reader->ResponseBody(std::string_view(body).substr(std::min(from + 3, body.size())), {2, 2});
    reader->ResponseEnd(wire::MessageEnd::kComplete, {3, 3});
    const ResponseFacts& facts = reader->response();
    EXPECT_TRUE(facts.has_gap);
    EXPECT_FALSE(facts.malformed) << from;
    EXPECT_TRUE(!facts.usage.output || *facts.usage.output == 3) << from;
  }
}

// ---- Whole replies.

TEST(OpenAiChat, WholeReply) {
  const ResponseFacts facts = Facts(Whole(
      R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-x-2025","service_tier":"default",
        "system_fingerprint":"fp","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant",
        "content":null,"refusal":null,"tool_calls":[
          {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
          {"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}}]}}],
        "usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}})"));
  EXPECT_EQ(facts.id, "chatcmpl-1");
  EXPECT_EQ(facts.model, "gpt-x-2025");
  EXPECT_EQ(facts.service_tier, "default");
  EXPECT_EQ(facts.system_fingerprint, "fp");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("tool_calls"));
  ASSERT_THAT(facts.tool_calls, SizeIs(2));
  EXPECT_EQ(facts.tool_calls[0].id, "call_1");
  EXPECT_EQ(facts.tool_calls[0].name, "f");
  EXPECT_EQ(facts.tool_calls[1].name, "g");
  EXPECT_EQ(facts.usage.output, 3);
  EXPECT_TRUE(facts.terminal_seen);
  EXPECT_FALSE(facts.is_stream);
  EXPECT_FALSE(facts.first_output);
  EXPECT_FALSE(facts.error.present);
}

TEST(OpenAiChat, ChoicesInOrderOfIndex) {
  const ResponseFacts facts = Facts(Whole(
      R"({"choices":[{"index":1,"finish_reason":"length","message":{"content":"b"}},
                     {"finish_reason":"stop","index":0,"message":{"content":"a"}}]})"));
  EXPECT_THAT(facts.finish_reasons, ElementsAre("stop", "length"));
}

TEST(OpenAiChat, LegacyFunctionCall) {
  const ResponseFacts facts = Facts(Whole(
      R"({"choices":[{"index":0,"finish_reason":"function_call","message":{"content":null,
          "function_call":{"name":"f","arguments":"{}"}}}]})"));
  ASSERT_THAT(facts.tool_calls, SizeIs(1));
  EXPECT_EQ(facts.tool_calls[0].name, "f");
  EXPECT_EQ(facts.tool_calls[0].id, "");
}

TEST(OpenAiChat, BlanksBeforeTheBody) {  // DeepSeek under load.
  const ResponseFacts facts = Facts(Whole(std::string(9000, '\n') + R"({"id":"d1","choices":[]})"));
  EXPECT_EQ(facts.id, "d1");
  EXPECT_FALSE(facts.malformed);
}

TEST(OpenAiChat, GroqUsageOfAWholeReplyIsNotTokens) {
  const ResponseFacts facts = Facts(Whole(
      R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12},
          "x_groq":{"id":"r","usage":{"dram_cached_tokens":5,"sram_cached_tokens":1}}})"));
  EXPECT_EQ(facts.usage.input_uncached, 9);
}

TEST(OpenAiChat, LlamaCppTimingsWhereThereIsNoUsage) {
  const ResponseFacts facts = Facts(Whole(
      R"({"choices":[{"index":0,"finish_reason":"stop"}],"timings":{"prompt_n":5,"cache_n":20,"predicted_n":7}})"));
  EXPECT_EQ(facts.usage.input_uncached, 5);
  EXPECT_EQ(facts.usage.cache_read, 20);
  EXPECT_EQ(facts.usage.output, 7);
}

TEST(OpenAiChat, CutReply) {
  Exchange exchange = Whole(R"({"id":"c1","usage":{"prompt_tokens":9,"completion_tokens":3)");
  exchange.end = wire::MessageEnd::kTruncated;
  const ResponseFacts facts = Facts(exchange);
  EXPECT_EQ(facts.id, "c1");
  EXPECT_TRUE(facts.usage.empty());
  EXPECT_FALSE(facts.terminal_seen);
  EXPECT_FALSE(facts.malformed);
}

TEST(OpenAiChat, ReplyThatIsNoJson) {
  EXPECT_TRUE(Facts(Whole("{\"id\":")).malformed);
  EXPECT_TRUE(Facts(Whole("{\"id\":1}}")).malformed);
  EXPECT_TRUE(Facts(Whole("<html>")).malformed);
  EXPECT_TRUE(Facts(Whole("")).malformed) << "a reply was due";
}

// ---- Streams.

TEST(OpenAiChatStream, TheUsualOrder) {
  const ResponseFacts facts =
      Facts(Stream(Delta(R"({"role":"assistant","content":"","refusal":null})") +
                   Delta(R"({"content":"Hello"})") + Delta(R"({"content":" there"})") +
                   Delta("{}", "\"stop\"") + Data(kUsage) + kDone));
  EXPECT_TRUE(facts.is_stream);
  EXPECT_EQ(facts.id, "c1");
  EXPECT_EQ(facts.model, "gpt-x");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("stop"));
  EXPECT_EQ(facts.usage.input_uncached, 9);
  EXPECT_EQ(facts.usage.output, 3);
  EXPECT_FALSE(facts.usage_is_partial);
  EXPECT_EQ(facts.event_count, 6u);
  EXPECT_EQ(facts.output_event_count, 2u);
  EXPECT_EQ(facts.text.ascii_bytes, 11u);  // Obfuscation is no output.
  EXPECT_TRUE(facts.terminal_seen);
  EXPECT_FALSE(facts.malformed);
}

/// Feeds one event per stamp 1, 2, ... and returns the facts.
ResponseFacts Timed(const std::vector<std::string>& events) {
  wire::RequestHead head;
  const auto reader = kOpenAiChat.open(head);
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
  uint64_t now = 0;
  for (const std::string& event : events) {
    ++now;
    reader->ResponseBody(event, {now * 10, now * 10 + 1});
  }
  reader->ResponseEnd(wire::MessageEnd::kTruncated, {999, 999});
  return reader->response();
}

TEST(OpenAiChatStream, FirstOutputIsNotTheFirstEvent) {
  const ResponseFacts facts = Timed({
      Data(R"({"id":"","model":"","prompt_filter_results":[{"prompt_index":0}],"choices":[]})"),
      ": keep-alive\n\n",
      Delta(R"({"role":"assistant","content":""})"),
      Delta(R"({"reasoning_content":"hm"})"),
      Delta(R"({"content":"Hi"})"),
      Delta(R"({"content":"!"})"),
      Delta("{}", "\"stop\""),
      kDone,
  });
  EXPECT_EQ(facts.first_output->end_ns, 41u);
  EXPECT_EQ(facts.first_text->end_ns, 51u);
  EXPECT_EQ(facts.last_output->end_ns, 61u);
  EXPECT_EQ(facts.terminal->end_ns, 81u);
  EXPECT_EQ(facts.output_event_count, 3u);
}

TEST(OpenAiChatStream, WhatCountsAsOutput) {
  const auto counts = [](const std::string& delta) {
    return Timed({Delta(delta)}).output_event_count == 1;
  };
  EXPECT_TRUE(counts(R"({"content":"x"})"));
  EXPECT_TRUE(counts(R"({"content":[{"type":"text","text":"x"}]})"));
  EXPECT_TRUE(
      counts(R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]}]})"));
  EXPECT_TRUE(counts(R"({"refusal":"no"})"));
  EXPECT_TRUE(counts(R"({"reasoning":"x"})"));
  EXPECT_TRUE(counts(R"({"reasoning_content":"x"})"));
  EXPECT_TRUE(
      counts(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]})"));
  EXPECT_TRUE(counts(R"({"tool_calls":[{"index":0,"function":{"arguments":"{"}}]})"));
  EXPECT_FALSE(counts(R"({"role":"assistant"})"));
  EXPECT_FALSE(counts(R"({"role":"assistant","content":""})"));
  EXPECT_FALSE(counts(R"({"content":null})"));
  EXPECT_FALSE(counts(R"({"tool_calls":[{"index":0,"function":{"arguments":""}}]})"));
  EXPECT_FALSE(counts("{}"));
}

TEST(OpenAiChatStream, AnEventCompletesWithTheReadThatBringsItsEnd) {
  const std::string event = Delta(R"({"content":"Hi"})");
  const ResponseFacts facts = Timed({event.substr(0, 50), event.substr(50, 40), event.substr(90)});
  EXPECT_EQ(facts.first_output->end_ns, 31u);
}

TEST(OpenAiChatStream, ToolCallsJoinByIndexPerChoice) {
  const ResponseFacts facts = Facts(Stream(
      Delta(
          R"({"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]})") +
      Delta(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]})") +
      Delta(
          R"({"tool_calls":[{"index":1,"id":"call_b","function":{"name":"g","arguments":"{}"}}]})") +
      Delta(R"({"tool_calls":[{"index":0,"id":"call_c","function":{"name":"h"}}]})", "null", 1) +
      Delta("{}", "\"tool_calls\"", 1) + Delta("{}", "\"tool_calls\"") + kDone));
  ASSERT_THAT(facts.tool_calls, SizeIs(3));
  EXPECT_EQ(facts.tool_calls[0].id, "call_a");
  EXPECT_EQ(facts.tool_calls[0].name, "f");
  EXPECT_EQ(facts.tool_calls[1].id, "call_b");
  EXPECT_EQ(facts.tool_calls[2].id, "call_c");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("tool_calls", "tool_calls"));
}

TEST(OpenAiChatStream, WholeCallsThatAllSayIndexZero) {
  const ResponseFacts facts = Facts(Stream(
      Delta(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})") +
      Delta(R"({"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]})") +
      kDone));
  ASSERT_THAT(facts.tool_calls, SizeIs(2));
  EXPECT_EQ(facts.tool_calls[1].id, "b");
}

TEST(OpenAiChatStream, LegacyFunctionCall) {
  const ResponseFacts facts = Facts(Stream(
      Delta(R"({"role":"assistant","function_call":{"name":"f","arguments":""}})") +
      Delta(R"({"function_call":{"arguments":"{}"}})") + Delta("{}", "\"function_call\"") + kDone));
  ASSERT_THAT(facts.tool_calls, SizeIs(1));
  EXPECT_EQ(facts.tool_calls[0].name, "f");
}

TEST(OpenAiChatStream, SeveralChoices) {
  const ResponseFacts facts =
      Facts(Stream(Delta(R"({"content":"b"})", "\"length\"", 1) +
                   Delta(R"({"content":"a"})", "\"stop\"", 0) + Data(kUsage) + kDone));
  EXPECT_THAT(facts.finish_reasons, ElementsAre("stop", "length"));
}

TEST(OpenAiChatStream, UsageNullIsNoUsage) {
  const ResponseFacts facts = Facts(Stream(Delta(R"({"content":"a"})", "\"stop\"") + kDone));
  EXPECT_TRUE(facts.usage.empty());
  EXPECT_FALSE(facts.usage_is_partial);
}

TEST(OpenAiChatStream, ContinuousUsageKeepsTheLast) {  // vLLM
  std::string body;
  for (int i = 1; i <= 3; ++i) {
    body +=
        Data(R"({"id":"v","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],)"
             R"("usage":{"prompt_tokens":9,"completion_tokens":)" +
             std::to_string(i) + R"(,"total_tokens":)" + std::to_string(9 + i) + "}}");
  }
  Exchange cut = Stream(body);
  cut.end = wire::MessageEnd::kTruncated;
  EXPECT_EQ(Facts(cut).usage.output, 3);
  EXPECT_TRUE(Facts(cut).usage_is_partial);
  EXPECT_FALSE(Facts(Stream(body + kDone)).usage_is_partial);
}

TEST(OpenAiChatStream, ZerosBehindUsageDoNotReplaceIt) {
  const auto usage = [](const std::string& object) {
    return Data(R"({"id":"z","choices":[],"usage":)" + object + "}");
  };
  const std::string real =
      R"({"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"cost":0.5})";
  for (const std::string empty :
       {R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cost":0})",
        R"({"prompt_tokens":0})", R"({"prompt_tokens":null,"completion_tokens":0})",
        R"({"prompt_tokens":null,"completion_tokens":null})", "{}", "null"}) {
    const ResponseFacts facts =
        Facts(Stream(Delta("{}", "\"stop\"") + usage(real) + usage(empty) + kDone));
    EXPECT_EQ(facts.usage.input_uncached, 9) << empty;
    EXPECT_EQ(facts.usage.output, 3) << empty;
    EXPECT_EQ(facts.stated_cost_pico_usd, 500'000'000'000) << empty;
    EXPECT_FALSE(facts.usage_is_partial) << empty;
  }
  const std::string zeros = R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})";
  EXPECT_EQ(Facts(Stream(usage(zeros) + usage(real) + kDone)).usage.output, 3);
  EXPECT_EQ(Facts(Stream(usage(zeros) + kDone)).usage.output, 0) << "stated, and the only word";
}

TEST(OpenAiChatStream, GroqUsageInTheFinalChunk) {
  const ResponseFacts facts = Facts(Stream(
      Delta(R"({"content":"a"})") +
      Data(
          R"({"id":"g","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r",
        "usage":{"queue_time":0.1,"prompt_tokens":18,"completion_tokens":7,"total_tokens":25,
        "prompt_tokens_details":{"cached_tokens":8}}}})") +
      kDone));
  EXPECT_EQ(facts.usage.input_uncached, 10);
  EXPECT_EQ(facts.usage.cache_read, 8);
  EXPECT_EQ(facts.usage.output, 7);
}

TEST(OpenAiChatStream, PerplexitySendsTheMessageBesideEachDelta) {
  const ResponseFacts facts = Facts(Stream(
      Data(
          R"({"id":"p","choices":[{"index":0,"delta":{"content":"ab"},"message":{"content":"ab"},"finish_reason":null}]})") +
      Data(
          R"({"id":"p","choices":[{"index":0,"delta":{"content":"cd"},"message":{"content":"abcd"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})")));
  EXPECT_EQ(facts.text.ascii_bytes, 4u);
  EXPECT_EQ(facts.output_event_count, 2u);
}

TEST(OpenAiChatStream, DoneIsAPrefix) {
  EXPECT_TRUE(Facts(Stream(Delta("{}") + "data: [DONE] bye\n\n")).terminal_seen);
  EXPECT_TRUE(Facts(Stream(Delta("{}") + "data:[DONE]")).terminal_seen);
  const ResponseFacts facts = Facts(Stream(Delta("{}") + "data: [DON\n\n"));
  EXPECT_FALSE(facts.terminal_seen);
  EXPECT_TRUE(facts.malformed);
}

TEST(OpenAiChatStream, AClientThatClosesAfterTheTerminalEventHasAWholeCall) {
  Exchange exchange = Stream(Delta(R"({"content":"a"})", "\"stop\"") + Data(kUsage) + kDone);
  exchange.end = wire::MessageEnd::kTruncated;
  const ResponseFacts facts = Facts(exchange);
  EXPECT_TRUE(facts.terminal_seen);
  EXPECT_EQ(facts.usage.output, 3);
  EXPECT_FALSE(facts.malformed);
}

TEST(OpenAiChatStream, CutInsideAnEvent) {
  const std::string whole = Delta(R"({"content":"a"})") + Delta(R"({"content":"b"})");
  Exchange exchange = Stream(whole.substr(0, whole.size() - 20));
  exchange.end = wire::MessageEnd::kTruncated;
  const ResponseFacts facts = Facts(exchange);
  EXPECT_FALSE(facts.terminal_seen);
  EXPECT_FALSE(facts.malformed);
  EXPECT_EQ(facts.output_event_count, 1u);
}

TEST(OpenAiChatStream, AnEventThatIsNoJsonIsMarkedAndPassedOver) {
  const ResponseFacts facts = Facts(
      Stream(Data("{\"id\":\"bad\",oops}") + Delta(R"({"content":"a"})") + Data(kUsage) + kDone));
  EXPECT_TRUE(facts.malformed);
  EXPECT_EQ(facts.id, "c1");
  EXPECT_EQ(facts.usage.output, 3);
}

TEST(OpenAiChatStream, WithoutItsContentTypeItIsStillAStream) {
  Exchange exchange = Stream(Delta(R"({"content":"a"})") + kDone);
  exchange.content_type = "application/octet-stream";
  EXPECT_TRUE(Facts(exchange).is_stream);
  exchange.response = ": OPENROUTER PROCESSING\n\n" + exchange.response;
  EXPECT_TRUE(Facts(exchange).terminal_seen);
}

TEST(OpenAiChatStream, JsonUnderAStreamsContentTypeIsNoStream) {
  const ResponseFacts facts = Facts(Stream(R"({"error":{"message":"no","type":"t"}})"));
  EXPECT_FALSE(facts.is_stream);
  EXPECT_TRUE(facts.error.present);
}

TEST(OpenAiChatStream, AMillionEventsCostNoMoreThanTen) {
  wire::RequestHead head;
  const auto reader = kOpenAiChat.open(head);
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
  const std::string event = Delta(R"({"content":"word"})");
  for (int i = 0; i < 10; ++i) reader->ResponseBody(event, {1, 1});
  const size_t before = reader->MemoryBytes();
  for (int i = 0; i < 200000; ++i) reader->ResponseBody(event, {1, 1});
  EXPECT_EQ(reader->MemoryBytes(), before);
  EXPECT_LT(before, 8u * 1024);
}

TEST(OpenAiChatStream, AnEventOf30MegabytesCostsNoMemory) {
  wire::RequestHead head;
  const auto reader = kOpenAiChat.open(head);
  reader->RequestEnd();
  reader->ResponseHead({200, "1.1", {{"content-type", "text/event-stream"}}});
  reader->ResponseBody(R"(data: {"id":"big","choices":[{"index":0,"delta":{"content":")", {1, 1});
  const std::string piece(100000, 'x');
  for (int i = 0; i < 300; ++i) reader->ResponseBody(piece, {1, 1});
  EXPECT_LT(reader->MemoryBytes(), 8u * 1024);
  reader->ResponseBody("\"}}]}\n\n", {2, 2});
  EXPECT_EQ(reader->response().text.ascii_bytes, 30000000u);
  EXPECT_EQ(reader->response().id, "big");
}

// ---- Errors.

TEST(OpenAiChatErrors, ErrorObject) {
  const ResponseFacts facts = Facts(Whole(
      R"({"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}})",
      429));
  EXPECT_TRUE(facts.error.present);
  EXPECT_EQ(facts.error.type, "tokens");
  EXPECT_EQ(facts.error.code, "rate_limit_exceeded");
  EXPECT_EQ(facts.error.message, "Rate limit reached");
  EXPECT_FALSE(facts.error.in_stream);
  EXPECT_FALSE(facts.malformed);
}

TEST(OpenAiChatErrors, OtherForms) {
  EXPECT_EQ(Facts(Whole(R"({"error":"model not found"})", 404)).error.message, "model not found");
  EXPECT_EQ(Facts(Whole(R"({"error":{"code":404,"message":"x"}})", 404)).error.code, "404");
  EXPECT_EQ(Facts(Whole(R"({"statusCode":401,"message":"Access denied"})", 401)).error.message,
            "Access denied");
  EXPECT_EQ(
      Facts(Whole(R"({"object":"error","message":"m","type":"t","code":"c"})", 400)).error.type,
      "t");
  EXPECT_EQ(Facts(Whole(R"({"detail":"Not Found"})", 404)).error.message, "Not Found");
  EXPECT_EQ(Facts(Whole(R"({"detail":[{"loc":["a"],"msg":"field required"}]})", 422)).error.message,
            "field required");
}

TEST(OpenAiChatErrors, AtHttp200) {  // OpenRouter
  const ResponseFacts facts = Facts(Whole(
      R"({"error":{"code":502,"message":"Upstream","metadata":{"error_type":"overloaded"}}})"));
  EXPECT_TRUE(facts.error.present);
  EXPECT_EQ(facts.error.code, "502");
  EXPECT_EQ(facts.error.type, "overloaded");
  EXPECT_FALSE(Facts(Whole(R"({"id":"a","error":null,"choices":[]})")).error.present);
}

TEST(OpenAiChatErrors, InAStream) {
  const ResponseFacts facts = Facts(Stream(
      Delta(R"({"content":"a"})") +
      Data(
          R"({"id":"g","error":{"code":"server_error","message":"gone"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})")));
  EXPECT_TRUE(facts.error.present);
  EXPECT_TRUE(facts.error.in_stream);
  EXPECT_EQ(facts.error.code, "server_error");
  EXPECT_THAT(facts.finish_reasons, ElementsAre("error"));
  EXPECT_FALSE(facts.terminal_seen);
}

TEST(OpenAiChatErrors, NamedErrorEvent) {
  const ResponseFacts facts =
      Facts(Stream("event: error\n" + Data(R"({"message":"boom","type":"server_error"})")));
  EXPECT_TRUE(facts.error.present);
  EXPECT_TRUE(facts.error.in_stream);
  EXPECT_EQ(facts.error.message, "boom");
}

TEST(OpenAiChatErrors, GroqErrorString) {
  EXPECT_EQ(Facts(Stream(Data(R"({"choices":[],"x_groq":{"id":"r","error":"over capacity"}})")))
                .error.message,
            "over capacity");
}

TEST(OpenAiChatErrors, PagesOfCdns) {
  Exchange exchange =
      Whole("<html><head><title>502 Bad Gateway</title></head>" + std::string(5000, '.'), 502);
  exchange.content_type = "text/html";
  const ResponseFacts facts = Facts(exchange);
  EXPECT_TRUE(facts.error.present);
  EXPECT_EQ(facts.error.message.size(), 256u);
  EXPECT_EQ(facts.error.message.substr(0, 12), "<html><head>");
}

TEST(OpenAiChatErrors, EmptyBody) {
  const ResponseFacts facts = Facts(Whole("", 503));
  EXPECT_TRUE(facts.error.present);
  EXPECT_EQ(facts.error.message, "");
}

}  // namespace
}  // namespace sonde::dialects
