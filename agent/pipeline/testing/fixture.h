// A pipeline with a test price book that keeps what it hears, and the conversations of two APIs.
#ifndef SONDE_AGENT_PIPELINE_TESTING_FIXTURE_H_
#define SONDE_AGENT_PIPELINE_TESTING_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/calls/testing/fake_price_book.h"
#include "agent/flow/testing/conversation.h"
#include "agent/pipeline/pipeline.h"

namespace sonde::pipeline::testing {

/// Every field of a call that a person or an exporter can see, one line each.
std::string Describe(const calls::Call& call);

/// What must not depend on how calls interleave: all but numbers and ids.
std::string DescribeFacts(const calls::Call& call);

class Listener : public calls::CallSink {
 public:
  void OnCall(const calls::Call& call) override { calls.push_back(call); }
  void OnNotice(const calls::Notice& notice) override { notices.push_back(notice); }
  std::vector<calls::Call> calls;
  std::vector<calls::Notice> notices;
};

inline constexpr int64_t kWallMinusMono = 1'700'000'000'000'000'000;

/// A pipeline, what it says, and the process everything happens in.
class Bench {
 public:
  explicit Bench(PipelineOptions options = {}, std::string seed = "seed") {
    options.id_seed = std::move(seed);
    if (!options.price_book) {
      options.price_book = std::make_shared<calls::testing::FakePriceBook>();
    }
    pipeline = std::make_unique<Pipeline>(options, std::vector<calls::CallSink*>{&heard}, nullptr);
    pipeline->OnEvent(events::ClockOffset{.ns = 1, .wall_minus_mono_ns = kWallMinusMono});
    pipeline->OnEvent(events::ProcessStarted{.process = {.pid = 100, .start_ns = 1},
                                             .ns = 1,
                                             .executable = "/usr/bin/python3.11",
                                             .command_line = "python agent.py"});
  }
  Bench& Play(const std::vector<events::Event>& events) {
    for (const events::Event& event : events) pipeline->OnEvent(event);
    return *this;
  }
  Bench& Play(const flow::testing::Conversation& talk) { return Play(talk.events()); }

  Listener heard;
  std::unique_ptr<Pipeline> pipeline;
};

// ---- OpenAI chat completions.

inline std::string ChatRequest(bool stream = false, bool include_usage = true,
                               std::string_view text = "say hello to everybody") {
  std::string body = "{\"model\":\"gpt-test\",\"messages\":[{\"role\":\"user\",\"content\":\"" +
                     std::string(text) + "\"}]";
  if (stream) body += ",\"stream\":true";
  if (stream && include_usage) body += ",\"stream_options\":{\"include_usage\":true}";
  return body + "}";
}

inline constexpr char kChatUsage[] =
    "{\"prompt_tokens\":19,\"completion_tokens\":7,\"total_tokens\":26,"
    "\"prompt_tokens_details\":{\"cached_tokens\":4},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":2}}";

inline std::string ChatReply() {
  return std::string(
             "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,"
             "\"model\":\"gpt-test\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
             "\"message\":{\"role\":\"assistant\",\"content\":\"Hello all\"}}],\"usage\":") +
         kChatUsage + "}";
}

inline std::string ChatDelta(std::string_view delta, std::string_view finish = "null") {
  return "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
         "\"model\":\"gpt-test\",\"choices\":[{\"index\":0,\"delta\":" +
         std::string(delta) + ",\"finish_reason\":" + std::string(finish) + "}]}\n\n";
}

/// Role, then `words`, then the finish reason, then usage when asked, then [DONE].
inline std::vector<std::string> ChatEvents(const std::vector<std::string>& words,
                                           bool usage = true) {
  std::vector<std::string> events = {ChatDelta("{\"role\":\"assistant\",\"content\":\"\"}")};
  for (const std::string& word : words) {
    events.push_back(ChatDelta("{\"content\":\"" + word + "\"}"));
  }
  events.push_back(ChatDelta("{}", "\"stop\""));
  if (usage) {
    events.push_back(
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
        "\"model\":\"gpt-test\",\"choices\":[],\"usage\":" +
        std::string(kChatUsage) + "}\n\n");
  }
  events.push_back("data: [DONE]\n\n");
  return events;
}

// ---- Anthropic messages.

inline std::string MessagesRequest(bool stream = true) {
  return std::string(
             "{\"model\":\"claude-test\",\"max_tokens\":64,\"messages\":[{\"role\":"
             "\"user\",\"content\":\"say hello\"}]") +
         (stream ? ",\"stream\":true}" : "}");
}

inline std::vector<std::string> MessagesEvents() {
  return {
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
      "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-test\",\"content\":[],"
      "\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":6,"
      "\"cache_read_input_tokens\":5,\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,"
      "\"ephemeral_1h_input_tokens\":2},\"output_tokens\":1}}}\n\n",
      "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
      "\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
      "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
      "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}}\n\n",
      "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"};
}

/// A whole streamed exchange, one chunk per event.
inline void Stream(flow::testing::Conversation& talk, const std::string& request,
                   const std::vector<std::string>& events) {
  talk.Send(request).Receive(flow::testing::StreamHead());
  for (const std::string& event : events) talk.Receive(flow::testing::Chunk(event));
  talk.Receive(flow::testing::kLastChunk);
}

inline std::string MessagesPost(bool stream = true) {
  return flow::testing::Request(MessagesRequest(stream), "/v1/messages",
                                "x-api-key: sk-ant-api03-test\r\nanthropic-version: 2023-06-01\r\n",
                                "api.anthropic.test");
}

inline std::string ChatPost(const std::string& body, std::string_view headers = "") {
  return flow::testing::Request(body, "/v1/chat/completions",
                                "Authorization: Bearer sk-test\r\n" + std::string(headers));
}

}  // namespace sonde::pipeline::testing

#endif  // SONDE_AGENT_PIPELINE_TESTING_FIXTURE_H_
