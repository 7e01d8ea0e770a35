#include "agent/capture/file/masker.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "agent/capture/file/capture_reader.h"
#include "agent/capture/file/capture_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sonde::capture {
namespace {

using events::ConnectionId;
using events::Data;
using events::Direction;
using events::Event;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kDropped = '\1';  ///< Stands for a byte of which only the place is stored.

/// Puts each direction together again and checks that no byte moved.
class Assembler : public events::EventSink {
 public:
  void OnEvent(const Event& event) override {
    events.push_back(event);
    const auto* data = std::get_if<Data>(&event);
    if (data == nullptr) return;
    ASSERT_LE(data->bytes.size(), data->length);
    std::string& text = stream[static_cast<size_t>(data->direction)];
    if (text.size() < data->offset + data->length) {
      text.resize(data->offset + data->length, kDropped);
    }
    text.replace(data->offset, data->bytes.size(), data->bytes);
    if (ordered) {
      ASSERT_EQ(data->offset, next[static_cast<size_t>(data->direction)]);
    }
    next[static_cast<size_t>(data->direction)] = data->offset + data->length;
  }
  const std::string& out() const { return stream[0]; }
  const std::string& in() const { return stream[1]; }

  std::vector<Event> events;
  std::string stream[2];
  uint64_t next[2] = {0, 0};
  bool ordered = true;
};

ConnectionId Connection(events::Transport transport = events::Transport::kTls) {
  return {.process = {.pid = 7}, .transport = transport, .handle = 1, .generation = 1};
}

/// Feeds one connection.
class Feeder {
 public:
  explicit Feeder(bool text = false, events::Transport transport = events::Transport::kTls,
                  bool mid_stream = false)
      : masker_(text, &result_), id_(Connection(transport)) {
    masker_.OnEvent(events::ConnectionOpened{.connection = id_, .mid_stream = mid_stream});
  }
  void Send(Direction direction, std::string_view bytes, uint64_t hole = 0) {
    uint64_t& offset = offset_[static_cast<size_t>(direction)];
    masker_.OnEvent(Data{.connection = id_,
                         .direction = direction,
                         .offset = offset,
                         .length = bytes.size() + hole,
                         .bytes = bytes});
    offset += bytes.size() + hole;
  }
  void Out(std::string_view bytes, uint64_t hole = 0) { Send(Direction::kOut, bytes, hole); }
  void In(std::string_view bytes, uint64_t hole = 0) { Send(Direction::kIn, bytes, hole); }
  const std::string& out() const { return result_.out(); }
  const std::string& in() const { return result_.in(); }
  Assembler& result() { return result_; }
  Masker& masker() { return masker_; }

 private:
  Assembler result_;
  Masker masker_;
  ConnectionId id_;
  uint64_t offset_[2] = {0, 0};
};

std::string MaskOut(std::string_view bytes, bool text = false) {
  Feeder feeder(text);
  feeder.Out(bytes);
  return feeder.out();
}

std::string Dropped(size_t n) { return std::string(n, kDropped); }

constexpr std::string_view kRequest =
    "POST /v1/chat/completions?api_key=abc123SECRET&x=1 HTTP/1.1\r\n"
    "Host: api.openai.com\r\n"
    "Authorization: Bearer sk-proj-SECRETSECRET\r\n"
    "OpenAI-Organization: org-acme\r\n"
    "X-Api-Key:sk-ant-api03-SECRET\r\n"
    "Cookie: a=SECRET; b=SECRET\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "Content-Length: 15\r\n"
    "\r\n"
    "{\"model\":\"gpt\"}";
constexpr std::string_view kMaskedRequest =
    "POST /v1/chat/completions?api_key=xxxxxxxxxxxx&x=1 HTTP/1.1\r\n"
    "Host: api.openai.com\r\n"
    "Authorization: Bearer sk-proj-xxxxxxxxxxxx\r\n"
    "OpenAI-Organization: org-acme\r\n"
    "X-Api-Key:sk-ant-api03-xxxxxx\r\n"
    "Cookie: xxxxxxxxxxxxxxxxxx\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "Content-Length: 15\r\n"
    "\r\n"
    "{\"model\":\"gpt\"}";

TEST(MaskerTest, MasksARequestAtEqualLength) { EXPECT_EQ(MaskOut(kRequest), kMaskedRequest); }

/// Equal, but that a scheme or kind which a cut went through may be masked as well.
void ExpectSameUpToKinds(const std::string& got, const std::string& whole, size_t split) {
  ASSERT_EQ(got.size(), whole.size()) << split;
  size_t differing = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == whole[i]) continue;
    ASSERT_EQ(got[i], 'x') << split << ": " << got;
    ++differing;
  }
  ASSERT_LE(differing, std::string_view("sk-ant-api03-").size()) << split << ": " << got;
}

TEST(MaskerTest, NoSplitLetsASecretThrough) {
  const std::string two = std::string(kRequest) + std::string(kRequest);
  const std::string masked = std::string(kMaskedRequest) + std::string(kMaskedRequest);
  for (size_t split = 0; split <= two.size(); ++split) {
    Feeder feeder;
    feeder.Out(std::string_view(two).substr(0, split));
    feeder.Out(std::string_view(two).substr(split));
    ExpectSameUpToKinds(feeder.out(), masked, split);
  }
  Feeder bytewise;
  for (const char c : two) bytewise.Out({&c, 1});
  EXPECT_THAT(bytewise.out(), HasSubstr("\r\nAuthorization: xxxxxx xxxxxxxxxxxxxxxxxxxx\r\n"));
  EXPECT_THAT(bytewise.out(), Not(HasSubstr("SECRET")));
  EXPECT_EQ(bytewise.masker().counters().dropped_bytes, 0U);
}

struct HeaderCase {
  std::string line, masked;
};

TEST(MaskerTest, Headers) {
  const HeaderCase cases[] = {
      {"authorization: Basic dXNlcjpwYXNz", "authorization: Basic xxxxxxxxxxxx"},
      {"AUTHORIZATION:\tbearer eyJhbGciOi.eyJzdWIi.c2ln",
       "AUTHORIZATION:\tbearer xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"Authorization : secretsecret", "Authorization : xxxxxxxxxxxx"},
      {"Authorization: AWS4-HMAC-SHA256 Credential=AKID/2026, Signature=ab",
       "Authorization: AWS4-HMAC-SHA256 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {"Proxy-Authorization: Basic YTpi", "Proxy-Authorization: Basic xxxx"},
      {"api-key: 0123456789abcdef", "api-key: xxxxxxxxxxxxxxxx"},
      {"x-goog-api-key: AIzaSyAbc", "x-goog-api-key: AIzaxxxxx"},
      {"Ocp-Apim-Subscription-Key: 0123", "Ocp-Apim-Subscription-Key: xxxx"},
      {"X-Amz-Security-Token: FwoGZX", "X-Amz-Security-Token: xxxxxx"},
      {"x-auth-token: abc", "x-auth-token: xxx"},
      {"helicone-auth: Bearer sk-helicone-abc", "helicone-auth: Bearer sk-xxxxxxxxxxxx"},
      {"x-anything: sk-abcdef", "x-anything: sk-xxxxxx"},
      {"x-forwarded-for-user: Bearer abcdef", "x-forwarded-for-user: Bearer xxxxxx"},
      {"Referer: https://a.test/?token=abc&b=1", "Referer: https://a.test/?token=xxx&b=1"},
      {"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-abc, v1",
       "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-xxx, v1"},
      {"x-portkey-virtual-key: openai-ab12", "x-portkey-virtual-key: xxxxxxxxxxx"},
      {"X-Secret-Key: abc", "X-Secret-Key: xxx"},
      {"x-private-key: abc", "x-private-key: xxx"},
      {"x-api-secret-key: abc", "x-api-secret-key: xxx"},
      {"x-signature: ab/12=", "x-signature: xxxxxx"},
      {"idempotency-key: retry-1", "idempotency-key: xxxxxxx"},
      {R"(x-portkey-config: {"provider":"openai","api_key":"ab\"c","retry":{"attempts":3}})",
       R"(x-portkey-config: {"provider":"openai","api_key":"xxxxx","retry":{"attempts":3}})"},
      {R"(x-config:  {"targets":[{"apiKey": "ab", "weight": 1},{"virtual_key":["a","b"],"x":"y"}]})",
       R"(x-config:  {"targets":[{"apiKey": "xx", "weight": 1},{"virtual_key":["x","x"],"x":"y"}]})"},
      {R"(x-config: {"a":"sk-abc","b":"c"})", R"(x-config: {"a":"sk-xxx","b":"c"})"},
      // Facts that only look alike.
      {"x-ratelimit-remaining-tokens: 149984", "x-ratelimit-remaining-tokens: 149984"},
      {"anthropic-ratelimit-tokens-limit: 8", "anthropic-ratelimit-tokens-limit: 8"},
      {"x-request-id: req_abc", "x-request-id: req_abc"},
      {"anthropic-version: 2023-06-01", "anthropic-version: 2023-06-01"},
      {"anthropic-beta: token-counting-2024-11-01", "anthropic-beta: token-counting-2024-11-01"},
      {"x-amzn-bedrock-input-token-count: 12", "x-amzn-bedrock-input-token-count: 12"},
      {"openai-project: proj_1", "openai-project: proj_1"},
      {"user-agent: OpenAI/Python 1.2", "user-agent: OpenAI/Python 1.2"},
      {"content-type: application/json", "content-type: application/json"},
  };
  for (const HeaderCase& c : cases) {
    const std::string head = "GET / HTTP/1.1\r\n";
    EXPECT_EQ(MaskOut(head + c.line + "\r\n\r\n"), head + c.masked + "\r\n\r\n");
    EXPECT_EQ(MaskOut(head + c.line + "\n\n"), head + c.masked + "\n\n");
  }
}

TEST(MaskerTest, FoldedSecretsStayMasked) {
  EXPECT_EQ(MaskOut("GET / HTTP/1.1\r\nCookie: a=1\r\n b=2\r\nHost: h\r\n\r\n"),
            "GET / HTTP/1.1\r\nCookie: xxx\r\n xxx\r\nHost: h\r\n\r\n");
}

TEST(MaskerTest, Queries) {
  const auto target = [](const std::string& text) {
    const std::string all = MaskOut("GET " + text + " HTTP/1.1\r\n\r\n");
    return all.substr(4, all.size() - 4 - 13);
  };
  EXPECT_EQ(target("/?key=AIzaSyX&alt=sse"), "/?key=AIzaxxx&alt=sse");
  EXPECT_EQ(target("/?alt=sse&access_token=abc"), "/?alt=sse&access_token=xxx");
  EXPECT_EQ(target("/?X-Amz-Signature=ab12&X-Amz-Date=1"), "/?X-Amz-Signature=xxxx&X-Amz-Date=1");
  EXPECT_EQ(target("/?%6bey=abc"), "/?%6bey=xxx");
  EXPECT_EQ(target("/?sv=1&sig=a%2Bb"), "/?sv=1&sig=xxxxx");
  EXPECT_EQ(target("/?monkey=abc&key"), "/?monkey=abc&key");
  EXPECT_EQ(target("http://user:pass@h.test/p?key=v"), "http://xxxxxxxxx@h.test/p?key=x");
  EXPECT_EQ(target("http://h.test:80/a@b"), "http://h.test:80/a@b");
}

TEST(TextMaskerTest, ValuesOfQueriesAreText) {
  EXPECT_EQ(MaskOut("GET /v1/files?q=tax+return&limit HTTP/1.1\r\nReferer: /a?b=c\r\n\r\n", true),
            "GET /v1/files?q=xxxxxxxxxx&limit HTTP/1.1\r\nReferer: /a?b=x\r\n\r\n");
}

TEST(MaskerTest, ReplyHeadsAndKeepAlive) {
  Feeder feeder;
  const std::string reply =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nSet-Cookie: __cf=SECRET\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Auth-Token: SECRET\r\n\r\n"
      "HTTP/1.1 204 No Content\r\nset-cookie: SECRET\r\n\r\n"
      "HTTP/1.1 200 OK\r\nset-cookie: SECRET\r\n\r\nuntil the end HTTP/1.1";
  feeder.In(reply);
  EXPECT_EQ(feeder.in(),
            "HTTP/1.1 100 Continue\r\n\r\n"
            "HTTP/1.1 200 OK\r\nSet-Cookie: xxxxxxxxxxx\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Auth-Token: xxxxxx\r\n\r\n"
            "HTTP/1.1 204 No Content\r\nset-cookie: xxxxxx\r\n\r\n"
            "HTTP/1.1 200 OK\r\nset-cookie: xxxxxx\r\n\r\nuntil the end HTTP/1.1");
  EXPECT_EQ(feeder.masker().counters().dropped_bytes, 0U);
}

// RFC 9112, section 7.1.1: extensions are legal; their form is kept, their text is not.
TEST(MaskerTest, ChunkExtensionsAreFollowed) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const size_t cut : {1u, 2u, 3u, 7u, 14u, 4096u}) {
    Feeder feeder;
    feeder.In(head);
    const std::string body = "3;ext=1\r\nabc\r\n3 ;k=\"v\"\r\ndef\r\n0;last\r\n\r\n";
    for (size_t at = 0; at < body.size(); at += cut) feeder.In(body.substr(at, cut));
    EXPECT_EQ(feeder.in(), head + "3;xxxxx\r\nabc\r\n3 ;xxxxx\r\ndef\r\n0;xxxx\r\n\r\n") << cut;
    EXPECT_EQ(feeder.masker().counters().dropped_bytes, 0U) << cut;
  }
}

TEST(MaskerTest, RepliesToHeadHaveNoBody) {
  Feeder feeder;
  feeder.Out("HEAD / HTTP/1.1\r\n\r\n");
  feeder.In("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n");
  feeder.In("HTTP/1.1 200 OK\r\nset-cookie: SECRET\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(feeder.in(), Not(HasSubstr("SECRET")));
}

TEST(MaskerTest, AHeadWhereFramingSaysBodyIsStillMasked) {
  // The reply to HEAD came before its request: framing is misled.
  Feeder feeder;
  feeder.In("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n");
  feeder.In("HTTP/1.1 200 OK\r\nset-cookie: SECRET\r\n\r\n");
  EXPECT_THAT(feeder.in(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(feeder.in(), HasSubstr("set-cookie: xxxxxx"));
}

TEST(MaskerTest, HolesInsideAKnownLengthLoseNothing) {
  Feeder feeder;
  feeder.Out("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
  feeder.Out(std::string(10, 'a'), 80);
  feeder.Out(std::string(10, 'b') + "GET / HTTP/1.1\r\nCookie: SECRET\r\n\r\n");
  EXPECT_THAT(feeder.out(), HasSubstr("bbbbbbbbbbGET / HTTP/1.1\r\nCookie: xxxxxx\r\n\r\n"));
  EXPECT_EQ(feeder.masker().counters().lost_directions, 0U);
}

TEST(MaskerTest, AfterAHoleInAHeadNothingIsStoredUntilTheNext) {
  Feeder feeder;
  feeder.Out("POST / HTTP/1.1\r\nAuthoriz", 5);
  feeder.Out("Bearer SECRET\r\n\r\n");
  feeder.Out(": SECRET\r\n\r\n");
  feeder.Out("POST / HTTP/1.1\r\nCookie: SECRET\r\n\r\n");
  const std::string head = "POST / HTTP/1.1\r\nAuthoriz";
  EXPECT_EQ(feeder.out(),
            head + Dropped(5 + 17 + 12) + "POST / HTTP/1.1\r\nCookie: xxxxxx\r\n\r\n");
  EXPECT_EQ(feeder.masker().counters().lost_directions, 1U);
  EXPECT_EQ(feeder.masker().counters().dropped_bytes, 29U);
}

TEST(MaskerTest, AHoleAcrossChunksLosesTheDirection) {
  Feeder feeder;
  feeder.In("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", 20);
  feeder.In("rest\r\n0\r\n\r\n");
  EXPECT_THAT(feeder.in(), Not(HasSubstr("rest")));
  Feeder inside;
  inside.In("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh", 3);
  inside.In("o\r\n0\r\n\r\n");
  EXPECT_THAT(inside.in(), HasSubstr("o\r\n0\r\n\r\n"));
}

TEST(MaskerTest, MidStreamConnectionsWaitForAHead) {
  Feeder feeder(false, events::Transport::kTls, true);
  feeder.Out("zation: Bearer SECRET\r\n\r\n");
  EXPECT_EQ(feeder.out(), Dropped(25));
  feeder.Out("POST / HTTP/1.1\r\nCookie: SECRET\r\n\r\n");
  EXPECT_THAT(feeder.out(), HasSubstr("Cookie: xxxxxx"));
}

TEST(MaskerTest, AConnectionThatWasNeverAnnouncedIsMidStream) {
  Assembler result;
  Masker masker(false, &result);
  masker.OnEvent(Data{.connection = Connection(), .offset = 0, .length = 6, .bytes = "SECRET"});
  EXPECT_EQ(result.out(), Dropped(6));
}

TEST(MaskerTest, LateAndConcurrentBytesAreNotStored) {
  Feeder feeder;
  feeder.Out("POST / HTTP/1.1\r\nCoo");
  feeder.result().ordered = false;
  feeder.masker().OnEvent(
      Data{.connection = Connection(), .offset = 3, .length = 6, .bytes = "SECRET"});
  EXPECT_THAT(feeder.out(), Not(HasSubstr("SECRET")));
  feeder.masker().OnEvent(Data{.connection = Connection(),
                               .offset = 20,
                               .length = 6,
                               .bytes = "SECRET",
                               .concurrent = true});
  EXPECT_THAT(feeder.out(), Not(HasSubstr("SECRET")));
}

TEST(MaskerTest, AnOverflowingEventIsNotStored) {
  class Count : public events::EventSink {
   public:
    void OnEvent(const Event& event) override { bytes += std::get<Data>(event).bytes.size(); }
    size_t bytes = 0;
  } count;
  Masker other(true, &count);
  other.OnEvent(
      Data{.connection = Connection(), .offset = UINT64_MAX - 2, .length = 6, .bytes = "GET / "});
  other.OnEvent(
      Data{.connection = Connection(), .offset = 0, .length = 2, .bytes = "GET / "});  // Lies.
  EXPECT_EQ(count.bytes, 0U);
}

TEST(MaskerTest, Http2KeepsItsPrefaceOnly) {
  Feeder feeder;
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  feeder.Out(preface + std::string("\0\0\x12\4\0\0\0\0\0SECRET", 15));
  feeder.Out("SECRET");
  feeder.Out("GET / HTTP/1.1\r\n\r\n");  // Could be a frame's payload.
  EXPECT_EQ(feeder.out(), preface + Dropped(15 + 6 + 18));
  feeder.In(std::string("\0\0\x12\4\0\0\0\0\0SECRET", 15));
  EXPECT_EQ(feeder.in(), Dropped(15));
}

TEST(MaskerTest, WhatIsNoHttpIsNotStored) {
  Feeder feeder;
  feeder.Out("*2\r\n$4\r\nAUTH\r\n$6\r\nSECRET\r\n");
  EXPECT_THAT(feeder.out(), Not(HasSubstr("AUTH")));
  Feeder words;
  words.Out("SECRETS ARE HERE\r\nSECRET");
  EXPECT_THAT(words.out(), Not(HasSubstr("\r\nSECRET")));
}

TEST(MaskerTest, ATlsHelloIsKeptAndNothingBehindIt) {
  Feeder feeder(false, events::Transport::kSocket);
  const std::string hello = std::string("\x16\x03\x01\x00\x04", 5) + "HELO";
  feeder.Out(hello.substr(0, 3));
  feeder.Out(hello.substr(3) + "\x17\x03\x03SECRET");
  EXPECT_EQ(feeder.out(), hello + Dropped(9));
  Feeder plaintext;  // Of a TLS library: no TLS inside.
  plaintext.Out(hello);
  EXPECT_EQ(plaintext.out(), Dropped(hello.size()));
}

TEST(MaskerTest, ConnectTunnelsAreFollowed) {
  Feeder feeder(false, events::Transport::kSocket);
  feeder.Out("CONNECT api.openai.com:443 HTTP/1.1\r\nProxy-Authorization: Basic SECRET\r\n\r\n");
  feeder.In("HTTP/1.1 200 Connection established\r\n\r\n");
  const std::string hello = std::string("\x16\x03\x01\x00\x02", 5) + "hi";
  feeder.Out(hello + "SECRET");
  feeder.In(hello + "SECRET");
  EXPECT_THAT(feeder.out(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(feeder.out(), HasSubstr(hello));
  EXPECT_THAT(feeder.in(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(feeder.in(), HasSubstr(hello));
}

TEST(MaskerTest, ContradictingLengthsLoseTheDirection) {
  for (const std::string framing :
       {"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -1\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length: 0x10\r\n",
        "Content-Length: \r\n"}) {
    Feeder feeder;
    feeder.Out("POST / HTTP/1.1\r\n" + framing + "\r\n");
    feeder.Out("SECRET");
    EXPECT_THAT(feeder.out(), Not(HasSubstr("SECRET"))) << framing;
  }
}

TEST(MaskerTest, OtherEventsPassAndCommandLinesAreMasked) {
  Assembler result;
  Masker masker(false, &result);
  masker.OnEvent(events::Tick{.ns = 5});
  masker.OnEvent(
      events::ProcessStarted{.comm = "curl", .command_line = "curl -H x-api-key:abcdef"});
  ASSERT_EQ(result.events.size(), 2U);
  EXPECT_EQ(std::get<events::Tick>(result.events[0]).ns, 5U);
  EXPECT_EQ(std::get<events::ProcessStarted>(result.events[1]).command_line,
            "curl -H x-api-key:xxxxxx");
  EXPECT_EQ(std::get<events::ProcessStarted>(result.events[1]).comm, "curl");
}

TEST(MaskerTest, AReplyIsReadAfterAShutdown) {
  Feeder feeder;
  feeder.In("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
  feeder.masker().OnEvent(events::ConnectionClosed{.connection = Connection(),
                                                   .reason = events::CloseReason::kShutdown});
  feeder.In("cd");
  EXPECT_THAT(feeder.in(), HasSubstr("abcd"));
}

TEST(MaskerTest, TooManyConnectionsForgetTheOldest) {
  Assembler result;
  Masker masker(false, &result);
  for (uint64_t i = 0; i < Masker::kMostConnections + 10; ++i) {
    ConnectionId id = Connection();
    id.handle = i;
    masker.OnEvent(events::ConnectionOpened{.connection = id});
  }
  EXPECT_EQ(masker.counters().evicted, 10U);
}

TEST(MaskerTest, PromptsOfCommandLinesAreText) {
  const std::pair<std::string, std::string> cases[] = {
      {"python -u agent.py Tell me --about=x", "python -u agent.py xxxx xx xxxxxxxxx"},
      {"python -m pkg.tool --prompt hello", "python -m pkg.tool xxxxxxxx xxxxx"},
      {"python -c import os; ask('me')", "python -c xxxxxx xxx xxxxxxxxx"},
      {"curl -sS --data={\"a\":1} -d {\"b\": 2} https://h",
       "curl -sS --data=xxxxxxx -d xxxxx xx xxxxxxxxx"},
      {"llm Tell me  more", "llm xxxx xx  xxxx"},
      {"true", "true"},
      {"", ""},
  };
  for (const auto& [line, masked] : cases) EXPECT_EQ(MaskCommandText(line), masked);
  // In a recording only where text is to be masked.
  const Event started = events::ProcessStarted{.command_line = "llm Tell me"};
  for (const bool text : {false, true}) {
    struct Keep : events::EventSink {
      void OnEvent(const Event& event) override {
        line = std::get<events::ProcessStarted>(event).command_line;
      }
      std::string line;
    } keep;
    Masker masker(text, &keep);
    masker.OnEvent(started);
    EXPECT_EQ(keep.line, text ? "llm xxxx xx" : "llm Tell me");
  }
}

TEST(MaskerTest, CommandLines) {
  const std::pair<std::string, std::string> cases[] = {
      {"python a.py --api-key abc123 --max-tokens 100",
       "python a.py --api-key xxxxxx --max-tokens 100"},
      {"python a.py --api-key=sk-proj-abc123", "python a.py --api-key=sk-proj-xxxxxx"},
      {"env OPENAI_API_KEY=abc MODE=x python", "env OPENAI_API_KEY=xxx MODE=x python"},
      {"curl -H Authorization: Bearer abcdefgh https://h/p",
       "curl -H Authorization: Bearer xxxxxxxx https://h/p"},
      {"curl https://h/p?key=abc&x=1", "curl https://h/p?key=xxx&x=1"},
      {"curl https://u:p@h/p", "curl https://xxx@h/p"},
      {"curl -u user:pass https://h", "curl -u xxxxxxxxx https://h"},
      {"tool sk-ant-api03-0123456789abcdef", "tool sk-ant-api03-xxxxxxxxxxxxxxxx"},
      {"tool eyJhbGciOiJIUzI1NiJ9.e30.abc", "tool xxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {"python -m pytest tests/key_test.py -k monkey",
       "python -m pytest tests/key_test.py -k monkey"},
      {"node server.js --port 8080", "node server.js --port 8080"},
      {"", ""},
  };
  for (const auto& [line, masked] : cases) {
    EXPECT_EQ(MaskCommandLine(line), masked);
    EXPECT_EQ(MaskCommandLine(line).size(), line.size());
  }
}

std::string WithBody(const std::string& type, const std::string& body) {
  return "POST / HTTP/1.1\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// The body after masking.
std::string MaskBody(const std::string& type, const std::string& body) {
  const std::string request = WithBody(type, body);
  const std::string masked = MaskOut(request, true);
  EXPECT_EQ(masked.size(), request.size());
  return masked.substr(masked.size() - body.size());
}

TEST(TextMaskerTest, KeepsFactsAndStructure) {
  EXPECT_EQ(
      MaskBody(
          "application/json",
          R"({"model":"gpt-5","messages":[{"role":"user","name":"Ann","content":"Hi \"you\" é漢😀"}],)"
          R"("temperature":0.5,"stream":true,"stop":["END"],"user":"u-1","metadata":{"topic":"tax"},)"
          R"("tools":[{"type":"function","function":{"name":"get_weather","description":"of a city",)"
          R"("parameters":{"type":"object","properties":{"city":{"type":"string","maximum":42}}}}}]})"),
      R"({"model":"gpt-5","messages":[{"role":"user","name":"xxx","content":"xx \"xxx\" ×一😀"}],)"
      R"("temperature":0.5,"stream":true,"stop":["xxx"],"user":"u-1","metadata":{"topic":"xxx"},)"
      R"("tools":[{"type":"function","function":{"name":"get_weather","description":"xx x xxxx",)"
      R"("parameters":{"type":"xxxxxx","properties":{"city":{"type":"xxxxxx","maximum":11}}}}}]})");
}

TEST(TextMaskerTest, RepliesKeepUsageIdsAndToolNames) {
  EXPECT_EQ(
      MaskBody(
          "application/json; charset=utf-8",
          R"({"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[)"
          R"({"type":"text","text":"Secret plan"},{"type":"tool_use","id":"toolu_1","name":"bash",)"
          R"("input":{"id":"John","n":987,"command":"rm -rf"}}],"stop_reason":"tool_use",)"
          R"("usage":{"input_tokens":10,"service_tier":"standard"}})"),
      R"({"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[)"
      R"({"type":"text","text":"xxxxxx xxxx"},{"type":"tool_use","id":"toolu_1","name":"bash",)"
      R"("input":{"id":"xxxx","n":111,"command":"xx xxx"}}],"stop_reason":"tool_use",)"
      R"("usage":{"input_tokens":10,"service_tier":"standard"}})");
}

TEST(TextMaskerTest, EscapesStayEscapesOfTheSameWidth) {
  EXPECT_EQ(MaskBody("application/json", R"({"a":"\n\t\u0041\u00e9\u4e2d\ud83d\ude00\\x\/\q"})"),
            R"({"a":"\n\t\u0078\u00e9\u4e00\ud800\udc00\\x\/\n"})");
}

TEST(TextMaskerTest, OnlyAnErrorsCodeIsAFact) {
  EXPECT_EQ(
      MaskBody("application/json", R"({"output":[{"type":"code_interpreter_call","code":"a=1"}]})"),
      R"({"output":[{"type":"code_interpreter_call","code":"xxx"}]})");
}

TEST(TextMaskerTest, ErrorsKeepTheirKind) {
  EXPECT_EQ(
      MaskBody(
          "application/json",
          R"({"error":{"message":"No tax plan","type":"invalid","code":"c_1","param":"tax"},"message":"hi"})"),
      R"({"error":{"message":"xx xxx xxxx","type":"invalid","code":"c_1","param":"xxx"},"message":"xx"})");
}

TEST(TextMaskerTest, EventStreams) {
  const std::string stream =
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi "
      "you\"}}\n\n"
      ": a comment\r\n"
      "id: 7\r\n"
      "data: {\"id\":\"c1\",\r\n"
      "data: \"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
      "data:[DONE]\n\n"
      "data: plain SECRET\n\n"
      "SECRET: x\n";
  EXPECT_EQ(
      MaskBody("text/event-stream", stream),
      "event: content_block_delta\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"xx "
      "xxx\"}}\n\n"
      ":xxxxxxxxxx\r\n"
      "id:xx\r\n"
      "data: {\"id\":\"c1\",\r\n"
      "data: \"choices\":[{\"delta\":{\"content\":\"xx\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
      "data:[DONE]\n\n"
      "data: xxxxxxxxxxxx\n\n"
      "xxxxxxxxx\n");
}

TEST(TextMaskerTest, BrokenJsonIsMaskedWhole) {
  EXPECT_EQ(MaskBody("application/json", R"({"a":1} SECRET {"id":"SECRET"})"),
            R"({"a":1} )" + std::string(22, 'x'));
  EXPECT_EQ(MaskBody("application/json", "nullSECRET"), "null" + std::string(6, 'x'));
  EXPECT_THAT(MaskBody("application/json", std::string(500, '[') + "\"SECRET\""),
              Not(HasSubstr("SECRET")));
  EXPECT_THAT(MaskBody("application/json", R"("SECRET")"), Not(HasSubstr("SECRET")));
  EXPECT_THAT(MaskBody("application/json", "{\"" + std::string(99, 'k') + "\":\"SECRET\"}"),
              Not(HasSubstr("SECRET")));
}

TEST(TextMaskerTest, OtherBodiesAreLengths) {
  EXPECT_EQ(MaskBody("text/plain", "SECRET"), Dropped(6));
  EXPECT_EQ(MaskBody("multipart/form-data; boundary=x", "--x\r\n\r\nSECRET"), Dropped(13));
  const std::string encoded =
      "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
      "Content-Length: 6\r\n\r\n";
  EXPECT_EQ(MaskOut(encoded + "SECRET" + std::string(kRequest), true).substr(0, encoded.size() + 6),
            encoded + Dropped(6));
  EXPECT_THAT(MaskOut(encoded + "SECRET" + std::string(kRequest), true),
              HasSubstr("Bearer sk-proj-xxxxxxxxxxxx"));
  const std::string untyped = "POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n";
  EXPECT_EQ(MaskOut(untyped + "{\"a\":\"b\""), untyped + "{\"a\":\"b\"");
  EXPECT_EQ(MaskOut(untyped + "{\"a\":\"b\"", true), untyped + "{\"a\":\"x\"");
  EXPECT_EQ(MaskOut(untyped + "SECRETSE", true), untyped + Dropped(8));
}

TEST(TextMaskerTest, EverySplitGivesTheSame) {
  const std::string request =
      WithBody("application/json",
               R"({"model":"m","messages":[{"role":"user","content":"a漢\u4e2d\n b"}]})");
  const std::string whole = MaskOut(request, true);
  for (size_t split = 0; split <= request.size(); ++split) {
    Feeder feeder(true);
    feeder.Out(std::string_view(request).substr(0, split));
    feeder.Out(std::string_view(request).substr(split));
    ASSERT_EQ(feeder.out(), whole) << split;
  }
}

TEST(TextMaskerTest, AfterAHoleTheRestOfTheBodyIsALength) {
  Feeder feeder(true);
  const std::string head =
      "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n";
  feeder.Out(head + "{\"a\":\"b", 10);
  feeder.Out("SECRETSECRETX" + std::string(kRequest));
  EXPECT_EQ(feeder.out().substr(0, head.size() + 30), head + "{\"a\":\"x" + Dropped(23));
  EXPECT_THAT(feeder.out(), HasSubstr("Bearer sk-proj-xxxxxxxxxxxx"));
}

/// Random bytes and pieces of real messages, in random cuts: lengths and order hold, and a marked
/// secret that stood in a credential's place never comes out.
TEST(MaskerTest, RandomTrafficKeepsEveryLength) {
  std::mt19937_64 random(11);
  const std::string pieces[] = {std::string(kRequest),
                                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                "0\r\n\r\n",
                                "\r\n",
                                "Cookie: SECRET\r\n",
                                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                "{\"a\":[1,\"b\",{}]}",
                                "data: {\"x\":\"y\"}\n\n",
                                std::string("\x16\x03\x01\x00\x02hi", 7),
                                std::string("\0\xff\x80", 3)};
  for (int round = 0; round < 3000; ++round) {
    std::string traffic;
    for (int i = 0; i < 6; ++i) traffic += pieces[random() % std::size(pieces)];
    Feeder feeder(random() % 2 == 0,
                  random() % 2 == 0 ? events::Transport::kTls : events::Transport::kSocket,
                  random() % 2 == 0);
    std::string_view rest = traffic;
    uint64_t sent = 0;
    while (!rest.empty()) {
      const size_t take = std::min<size_t>(rest.size(), 1 + random() % 60);
      const uint64_t hole = random() % 8 == 0 ? random() % 50 : 0;
      feeder.Out(rest.substr(0, take), hole);
      sent += take + hole;
      rest.remove_prefix(take);
    }
    ASSERT_EQ(feeder.out().size(), sent);
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    ASSERT_THAT(feeder.out(), Not(HasSubstr("Bearer sk-proj-S")));
  }
}

TEST(MaskerTest, NoSecretReachesTheFile) {
  std::string path = ::testing::TempDir() + "/masked.XXXXXX";
  close(mkstemp(path.data()));
  {
    auto writer = CaptureWriter::Create(path, {}, true);
    ASSERT_TRUE(writer.ok()) << writer.status();
    Masker masker(true, writer->get());
    masker.OnEvent(events::ConnectionOpened{.connection = Connection()});
    masker.OnEvent(events::ProcessStarted{.command_line = "x --token SECRETSECRET"});
    masker.OnEvent(Data{.connection = Connection(), .length = kRequest.size(), .bytes = kRequest});
    ASSERT_TRUE((*writer)->Flush().ok());
  }
  // What the reader hands out is what the decompressed frames hold.
  class Collect : public events::EventSink {
   public:
    void OnEvent(const Event& event) override {
      if (const auto* data = std::get_if<Data>(&event)) text += data->bytes;
      if (const auto* started = std::get_if<events::ProcessStarted>(&event)) {
        text += started->command_line;
      }
    }
    std::string text;
  } collect;
  auto reader = CaptureReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE((*reader)->ReadAll(&collect).ok());
  EXPECT_THAT(collect.text, HasSubstr("POST /v1/chat/completions"));
  EXPECT_THAT(collect.text, Not(HasSubstr("SECRET")));
  unlink(path.c_str());
}

}  // namespace
}  // namespace sonde::capture
