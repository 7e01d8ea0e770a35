// How fast decoding is on one core, beside a memcpy of the same bytes, and how much an open stream
// keeps. Everything goes the whole way: HTTP/1.x, events, JSON, dialect.
#include <benchmark/benchmark.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "decoders/dialects/dialect.h"
#include "decoders/wire/http1_connection.h"

namespace {

using sonde::dialects::ExchangeReader;
using sonde::dialects::Recognize;
using sonde::wire::Http1Connection;
using sonde::wire::MessageEnd;
using sonde::wire::RequestHead;
using sonde::wire::ResponseHead;
using sonde::wire::Side;
using sonde::wire::Stamp;

constexpr size_t kReadBytes = size_t{16} * 1024;  // What a TLS library hands over at most.

/// A connection's exchanges, read by their dialects.
class Reading final : public sonde::wire::HttpSink {
 public:
  void OnRequestHead(uint64_t, const RequestHead& head, Stamp) override {
    const sonde::dialects::Dialect* dialect = Recognize(head);
    reader = dialect != nullptr ? dialect->open(head) : nullptr;
  }
  void OnRequestBody(uint64_t, std::string_view bytes, Stamp) override {
    reader->RequestBody(bytes);
  }
  void OnRequestGap(uint64_t, uint64_t length) override { reader->RequestGap(length); }
  void OnRequestEnd(uint64_t, MessageEnd, Stamp) override { reader->RequestEnd(); }
  void OnResponseHead(uint64_t, const ResponseHead& head, Stamp) override {
    reader->ResponseHead(head);
  }
  void OnResponseBody(uint64_t, std::string_view bytes, Stamp stamp) override {
    reader->ResponseBody(bytes, stamp);
  }
  void OnResponseGap(uint64_t, uint64_t length) override { reader->ResponseGap(length); }
  void OnResponseEnd(uint64_t, MessageEnd end, Stamp stamp) override {
    reader->ResponseEnd(end, stamp);
  }
  void OnProtocol(sonde::wire::Protocol, Stamp) override {}
  void OnUnmatched(Side, uint64_t, Stamp) override {}

  std::unique_ptr<ExchangeReader> reader;
};

std::string Event(int i) {
  return R"(data: {"id":"chatcmpl-BxK3kq2mX8Zr7vQ","object":"chat.completion.chunk","created":1763700000,)"
         R"("model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":"fp_1a2b3c4d",)"
         R"("choices":[{"index":0,"delta":{"content":" word)" +
         std::to_string(i) +
         R"("},"logprobs":null,"finish_reason":null}],"usage":null})"
         "\n\n";
}

std::string Events(int count) {
  std::string body;
  for (int i = 0; i < count; ++i) body += Event(i);
  body += R"(data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":200,)"
          R"("total_tokens":209}})"
          "\n\ndata: [DONE]\n\n";
  return body;
}

std::string AnthropicEvents(int count) {
  std::string body =
      "event: message_start\ndata: "
      R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",)"
      R"("model":"claude-x","content":[],"usage":{"input_tokens":3,"output_tokens":1}}})"
      "\n\n";
  for (int i = 0; i < count; ++i) {
    body +=
        "event: content_block_delta\ndata: "
        R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word)" +
        std::to_string(i) +
        R"("}})"
        "\n\n";
  }
  return body + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

std::string Chunk(std::string_view bytes) {
  char size[16];
  snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

/// Each event in a chunk of its own, as servers flush them.
std::string ChunkedEvents(int count) {
  std::string body;
  for (int i = 0; i < count; ++i) body += Chunk(Event(i));
  return body + Chunk("data: [DONE]\n\n") + "0\r\n\r\n";
}

/// Long prose in few strings.
std::string ProseBody(size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += "The quick brown fox jumps over the lazy dog again and again. ";
  return R"({"id":"c","object":"chat.completion","model":"gpt-5","choices":[{"index":0,"message":)"
         R"({"role":"assistant","content":")" +
         text +
         R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,)"
         R"("total_tokens":3}})";
}

/// A conversation as agents send it: messages of some hundred bytes, some tool calls.
std::string ConversationRequest(int messages) {
  std::string body = R"({"messages":[{"role":"system","content":"Be brief."})";
  for (int i = 0; i < messages; ++i) {
    std::string text;
    for (int line = 0; line < 8; ++line) {
      text.append("Line ").append(std::to_string(line)).append(" of message ");
      text.append(std::to_string(i));
      text += R"( says something about the matter at hand, with a \"quote\" in it.\n)";
    }
    body += R"(,{"role":"user","content":")" + text + R"("},{"role":"assistant","content":")" +
            text + R"(","tool_calls":[{"id":"call_)" + std::to_string(i % 9) +
            R"(","type":"function","function":{"name":"look","arguments":"{\"item\":17}"}}]})";
  }
  return body + R"(],"model":"gpt-5","stream":false})";
}

/// Nothing but short strings, tool calls and schemas: the worst a real client sends.
std::string DenseRequest(int messages) {
  std::string body = R"({"messages":[)";
  for (int i = 0; i < messages; ++i) {
    if (i > 0) body += ",";
    body +=
        R"({"role":"user","content":"Please look at item )" + std::to_string(i) +
        R"( and say what it is worth,\nthen compare it with the others of its kind."},)"
        R"({"role":"assistant","content":null,"tool_calls":[{"id":"call_)" +
        std::to_string(i % 9) +
        R"(","type":"function","function":{"name":"look","arguments":"{\"item\":17,\"deep\":true}"}}]},)"
        R"({"role":"tool","tool_call_id":"call_1","content":"{\"price\": 12.5, \"kind\": \"chair\"}"})";
  }
  body += R"(],"model":"gpt-5","tools":[)";
  for (int i = 0; i < messages / 4; ++i) {
    if (i > 0) body += ",";
    body += R"({"type":"function","function":{"name":"tool)" + std::to_string(i) +
            R"(","description":"Does a thing.","parameters":{"type":"object","properties":)"
            R"({"item":{"type":"integer","description":"Which one"},"deep":{"type":"boolean"}},)"
            R"("required":["item"],"additionalProperties":false}}})";
  }
  return body + R"(],"stream":false})";
}

std::string Gzip(std::string_view bytes, bool flush_each_event) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out;
  const auto deflate_part = [&](std::string_view part, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    stream.avail_in = static_cast<uInt>(part.size());
    char buffer[4096];
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer);
      stream.avail_out = sizeof(buffer);
      deflate(&stream, flush);
      out.append(buffer, sizeof(buffer) - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  while (flush_each_event && !bytes.empty()) {
    const size_t end = bytes.find("\n\n");
    const size_t size = end == std::string_view::npos ? bytes.size() : end + 2;
    deflate_part(bytes.substr(0, size), Z_SYNC_FLUSH);
    bytes.remove_prefix(size);
  }
  deflate_part(bytes, Z_FINISH);
  deflateEnd(&stream);
  return out;
}

struct Conversation {
  std::string request;
  std::string response;
  size_t counted = 0;  ///< Bytes that the rate speaks of.
};

std::string Post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

void Run(benchmark::State& state, const Conversation& conversation, size_t piece) {
  size_t open_bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    Reading reading;
    Http1Connection connection({}, false, &reading);
    const auto feed = [&](Side side, std::string_view bytes, size_t step) {
      for (size_t at = 0; at < bytes.size(); at += step) {
        connection.Feed(side, bytes.substr(at, step), {at, at + 1});
      }
    };
    feed(Side::kRequest, conversation.request, kReadBytes);
    const std::string_view response = conversation.response;
    const size_t middle = response.size() / 2;
    feed(Side::kResponse, response.substr(0, middle), piece);
    open_bytes = connection.MemoryBytes() + reading.reader->MemoryBytes();
    feed(Side::kResponse, response.substr(middle), piece);
    benchmark::DoNotOptimize(reading.reader->response().terminal_seen);
    if (!reading.reader->response().terminal_seen) state.SkipWithError("no terminal event");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * conversation.counted));
  state.counters["state_bytes"] = static_cast<double>(open_bytes);
}

void Memcpy(benchmark::State& state) {
  const std::string from = Events(4000);
  std::string to(from.size(), '\0');
  for ([[maybe_unused]] auto _ : state) {
    memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * from.size()));
}
BENCHMARK(Memcpy);

Conversation Stream(const std::string& headers, const std::string& body, size_t counted) {
  Conversation made;
  made.request = Post("/v1/chat/completions", R"({"model":"gpt-5-mini","stream":true})");
  made.response =
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + headers + "\r\n" + body;
  made.counted = counted;
  return made;
}

void SseChunked(benchmark::State& state) {
  const std::string body = ChunkedEvents(4000);
  Run(state, Stream("transfer-encoding: chunked\r\n", body, body.size()), kReadBytes);
}
BENCHMARK(SseChunked);

/// One read per event, as a live stream comes.
void SseChunkedOneReadPerEvent(benchmark::State& state) {
  const std::string body = ChunkedEvents(4000);
  Run(state, Stream("transfer-encoding: chunked\r\n", body, body.size()),
      Chunk(Event(1000)).size());
}
BENCHMARK(SseChunkedOneReadPerEvent);

void SseLength(benchmark::State& state) {
  const std::string body = Events(4000);
  Run(state, Stream("content-length: " + std::to_string(body.size()) + "\r\n", body, body.size()),
      kReadBytes);
}
BENCHMARK(SseLength);

void SseAnthropic(benchmark::State& state) {
  const std::string body = AnthropicEvents(4000);
  Conversation made =
      Stream("content-length: " + std::to_string(body.size()) + "\r\n", body, body.size());
  made.request = Post("/v1/messages", R"({"model":"claude-x","max_tokens":9,"stream":true})");
  Run(state, made, kReadBytes);
}
BENCHMARK(SseAnthropic);

/// The rate is of decoded bytes.
void SseGzip(benchmark::State& state) {
  const std::string body = Events(4000);
  const std::string coded = Gzip(body, true);
  Run(state,
      Stream("content-encoding: gzip\r\ncontent-length: " + std::to_string(coded.size()) + "\r\n",
             coded, body.size()),
      kReadBytes);
}
BENCHMARK(SseGzip);

void PlainProse(benchmark::State& state) {
  const std::string body = ProseBody(1 << 20);
  Conversation made;
  made.request = Post("/v1/chat/completions", R"({"model":"gpt-5"})");
  made.response = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body;
  made.counted = body.size();
  Run(state, made, kReadBytes);
}
BENCHMARK(PlainProse);

void RunRequest(benchmark::State& state, const std::string& body) {
  Conversation made;
  made.request = Post("/v1/chat/completions", body);
  made.response =
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
      "12\r\n\r\n{\"id\":\"abc\"}";
  made.counted = body.size();
  Run(state, made, kReadBytes);
}

void PlainConversation(benchmark::State& state) { RunRequest(state, ConversationRequest(500)); }
BENCHMARK(PlainConversation);

void PlainDenseRequest(benchmark::State& state) { RunRequest(state, DenseRequest(1000)); }
BENCHMARK(PlainDenseRequest);

void PlainGzip(benchmark::State& state) {
  const std::string body = ProseBody(1 << 20);
  const std::string coded = Gzip(body, false);
  Conversation made;
  made.request = Post("/v1/chat/completions", R"({"model":"gpt-5"})");
  made.response =
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
      "content-length: " +
      std::to_string(coded.size()) + "\r\n\r\n" + coded;
  made.counted = body.size();
  Run(state, made, kReadBytes);
}
BENCHMARK(PlainGzip);

}  // namespace

BENCHMARK_MAIN();
