#include "decoders/wire/http1_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "decoders/wire/test_support.h"

namespace sonde::wire {
namespace {

using testing::HttpLog;
using ::testing::IsEmpty;

std::string Deflate(std::string_view bytes, int window_bits, int flush = Z_FINISH) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, flush);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}
std::string Gzip(std::string_view bytes) { return Deflate(bytes, 15 + 16); }

/// A connection under test and what it said.
struct Bench {
  explicit Bench(bool mid_stream = false, Http1Connection::Limits limits = {})
      : connection(limits, mid_stream, &log) {}
  Bench& Out(std::string_view bytes, Stamp stamp = {}) {
    connection.Feed(Side::kRequest, bytes, stamp);
    return *this;
  }
  Bench& In(std::string_view bytes, Stamp stamp = {}) {
    connection.Feed(Side::kResponse, bytes, stamp);
    return *this;
  }
  Bench& HoleOut(uint64_t length) {
    connection.Hole(Side::kRequest, length, {});
    return *this;
  }
  Bench& HoleIn(uint64_t length) {
    connection.Hole(Side::kResponse, length, {});
    return *this;
  }
  Bench& EndBoth() {
    connection.End(Side::kRequest, {});
    connection.End(Side::kResponse, {});
    return *this;
  }
  std::string str() const { return log.str() + (log.violated ? "VIOLATED\n" : ""); }

  HttpLog log;
  Http1Connection connection;
};

std::string Get(std::string_view path = "/a") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}
std::string Ok(std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string Chunked(std::initializer_list<std::string_view> chunks) {
  std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view chunk : chunks) {
    char size[16];
    snprintf(size, sizeof(size), "%zx\r\n", chunk.size());
    out += size + std::string(chunk) + "\r\n";
  }
  return out + "0\r\n\r\n";
}

// ---- Whole conversations, cut in every way.

struct Case {
  const char* name;
  std::string request;
  std::string response;
  std::string expected;
};

class Conversations : public ::testing::TestWithParam<Case> {};

TEST_P(Conversations, WholeAndInPiecesOfOneToSevenBytes) {
  const Case& c = GetParam();
  for (size_t piece = 0; piece <= 7; ++piece) {
    Bench bench;
    const auto feed = [&](Side side, std::string_view bytes) {
      const size_t step = piece == 0 ? bytes.size() + 1 : piece;
      for (size_t at = 0; at < bytes.size(); at += step) {
        bench.connection.Feed(side, bytes.substr(at, step), {});
      }
    };
    feed(Side::kRequest, c.request);
    feed(Side::kResponse, c.response);
    bench.EndBoth();
    EXPECT_EQ(bench.str(), c.expected) << "pieces of " << piece;
    EXPECT_EQ(bench.connection.OpenExchanges(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Framing, Conversations,
    ::testing::Values(
        Case{"ContentLength", "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Ok("world"),
             "0> POST /a {hello} complete\n0< 200 {world} complete\n"},
        Case{"Chunked",
             "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
             Chunked({"he", "llo"}), "0> POST /a {abc} complete\n0< 200 {hello} complete\n"},
        Case{"ChunkExtensionsAndTrailers", Get(),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5;name=value;x\r\nhello\r\n0;last\r\nTrailer: one\r\nOther: two\r\n\r\n",
             "0> GET /a complete\n0< 200 {hello} complete\n"},
        Case{"OddChunkSizes", Get(),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "005  \r\nhello\r\n5 ; a = \"b\"\r\nworld\r\n1\n!\n00\r\n\r\n",
             "0> GET /a complete\n0< 200 {helloworld!} complete\n"},
        Case{"KeepAlive", Get("/a") + Get("/b"), Ok("1") + Chunked({"2"}),
             "0> GET /a complete\n1> GET /b complete\n0< 200 {1} complete\n1< 200 {2} complete\n"},
        Case{"MessageAfterClose", "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n" + Get("/b"),
             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1" + Ok("2"),
             "0> GET /a complete\n1> GET /b complete\n0< 200 {1} complete\n1< 200 {2} complete\n"},
        Case{"InterimResponses", Get(),
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Ok("1"),
             "0> GET /a complete\n0< 200 {1} complete\n"},
        Case{"Head", "HEAD /a HTTP/1.1\r\n\r\n" + Get("/b"),
             "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + Ok("1"),
             "0> HEAD /a complete\n1> GET /b complete\n0< 200 complete\n1< 200 {1} complete\n"},
        Case{"HeadChunked", "HEAD /a HTTP/1.1\r\n\r\n" + Get("/b"),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Ok("1"),
             "0> HEAD /a complete\n1> GET /b complete\n0< 200 complete\n1< 200 {1} complete\n"},
        Case{"NoContent", Get("/a") + Get("/b"),
             "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n" + Ok("1"),
             "0> GET /a complete\n1> GET /b complete\n0< 204 complete\n1< 200 {1} complete\n"},
        Case{"NotModified", Get("/a") + Get("/b"),
             "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + Ok("1"),
             "0> GET /a complete\n1> GET /b complete\n0< 304 complete\n1< 200 {1} complete\n"},
        Case{"CloseDelimited", Get(), "HTTP/1.1 200 OK\r\n\r\nto the end",
             "0> GET /a complete\n0< 200 {to the end} complete\n"},
        Case{"CloseDelimitedHttp10", "GET /a HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nend",
             "0> GET /a complete\n0< 200 {end} complete\n"},
        Case{"ZeroLength", Get("/a") + Get("/b"), Ok("") + Ok("1"),
             "0> GET /a complete\n1> GET /b complete\n0< 200 complete\n1< 200 {1} complete\n"},
        Case{"BlankLinesBetween", "\r\n\r\n" + Get("/a") + "\r\n" + Get("/b"), Ok("1") + Ok("2"),
             "0> GET /a complete\n1> GET /b complete\n0< 200 {1} complete\n1< 200 {2} complete\n"},
        Case{"TransferEncodingOverridesLength",
             "POST /a HTTP/1.1\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n0\r\n\r\n",
             Ok("1"), "0> POST /a {abc} complete\n0< 200 {1} complete\n"},
        Case{"UpgradeNotTaken",
             "GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n" +
                 Get("/b"),
             Ok("1") + Ok("2"),
             "0> GET /a complete\n1> GET /b complete\n0< 200 {1} complete\n1< 200 {2} complete\n"},
        Case{"ConnectRefused", "CONNECT h:443 HTTP/1.1\r\n\r\n" + Get("/b"),
             "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno" + Ok("2"),
             "0> CONNECT h:443 complete\n1> GET /b complete\n0< 407 {no} complete\n"
             "1< 200 {2} complete\n"},
        Case{"ConnectThenHttp", "CONNECT h:80 HTTP/1.1\r\n\r\n" + Get("/b"),
             "HTTP/1.1 200 Connection established\r\n\r\n" + Ok("2"),
             "0> CONNECT h:80 complete\n1> GET /b complete\n0< 200 upgraded\n"
             "1< 200 {2} complete\nprotocol tunnel\n"},
        Case{"ConnectThenTls", "CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03\x01hello",
             "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03world",
             "0> CONNECT h:443 complete\n0< 200 upgraded\nprotocol tunnel\nprotocol tls\n"},
        Case{"WebSocket", "GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
             "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
             "\x81\x05hello",
             "0> GET /a complete\n0< 101 upgraded\nprotocol websocket\n"},
        Case{"Truncated", Get(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
             "0> GET /a complete\n0< 200 {half} truncated\n"},
        Case{"TruncatedChunked", Get(),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
             "0> GET /a complete\n0< 200 {half} truncated\n"},
        Case{"NoResponse", Get(), "", "0> GET /a complete\n0< truncated\n"},
        Case{"HalfAResponseHead", Get(), "HTTP/1.1 200 OK\r\nCont",
             "0> GET /a complete\n0< truncated\n"},
        Case{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n????", "", "protocol http2\n"},
        Case{"TlsFromTheFirstByte", "\x16\x03\x01\x02\x01\x01", "\x16\x03\x03", "protocol tls\n"},
        Case{"SomethingElse", "\x01\x02\x03\x04", "", "protocol unknown\n"}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Codings, Conversations,
    ::testing::Values(
        Case{"Gzip", Get(), Ok(Gzip("hello hello"), "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 {hello hello} complete\n"},
        Case{"GzipUnderAnotherName", Get(), Ok(Gzip("hello"), "Content-Encoding: X-GZip\r\n"),
             "0> GET /a complete\n0< 200 {hello} complete\n"},
        Case{"GzipMembers", Get(), Ok(Gzip("one ") + Gzip("two"), "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 {one two} complete\n"},
        Case{"GzipWithPadding", Get(),
             Ok(Gzip("one") + std::string(8, '\0'), "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 {one} complete\n"},
        Case{"GzipCutShort", Get(),
             Ok(Gzip("hello hello").substr(0, 18), "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 {hello h} garbled\n"},
        Case{"GzipWithoutItsTrailer", Get(),
             Ok(Gzip("hello").substr(0, Gzip("hello").size() - 6), "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 {hello} garbled\n"},
        Case{"GzipOfNothingAtAll", Get(), Ok("", "Content-Encoding: gzip\r\n"),
             "0> GET /a complete\n0< 200 complete\n"},
        Case{"DeflateWithHeader", Get(), Ok(Deflate("hello", 15), "Content-Encoding: deflate\r\n"),
             "0> GET /a complete\n0< 200 {hello} complete\n"},
        Case{"DeflateBare", Get(), Ok(Deflate("hello", -15), "Content-Encoding: deflate\r\n"),
             "0> GET /a complete\n0< 200 {hello} complete\n"},
        Case{"Identity", Get(), Ok("hello", "Content-Encoding: identity\r\n"),
             "0> GET /a complete\n0< 200 {hello} complete\n"},
        Case{"AnUnknownCodingIsAGap", Get(), Ok("12345", "Content-Encoding: compress\r\n"),
             "0> GET /a complete\n0< 200 gap 5 complete\n"},
        Case{"TwoCodingsAreAGap", Get(), Ok("12345", "Content-Encoding: gzip, br\r\n"),
             "0> GET /a complete\n0< 200 gap 5 complete\n"},
        Case{"GzipAsTransferCodingIsAGap", Get(),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
             "0> GET /a complete\n0< 200 gap 3 complete\n"},
        Case{"CodedRequest",
             "POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: " +
                 std::to_string(Gzip("question").size()) + "\r\n\r\n" + Gzip("question"),
             Ok("1"), "0> POST /a {question} complete\n0< 200 {1} complete\n"}),
    [](const auto& tested) { return tested.param.name; });

// ---- Heads.

TEST(Http1Connection, HeadsAreReportedAsSent) {
  Bench bench;
  bench.Out(
      "POST http://proxy.example/v1/x?y=1 HTTP/1.1\r\nHost: api.example:8080\r\nX-Empty:\r\n"
      "X-Mixed: A b\r\nAuthorization: Bearer sk-test-1\r\n\r\n");
  const HttpLog::Message& request = bench.log.requests.at(0);
  EXPECT_EQ(request.head, "POST http://proxy.example/v1/x?y=1");
  EXPECT_EQ(request.authority, "api.example:8080");
  EXPECT_EQ(FindHeader(request.headers, "x-mixed"), "A b");
  EXPECT_EQ(FindHeader(request.headers, "x-empty"), "");
  EXPECT_EQ(request.headers.size(), 4u);
}

TEST(Http1Connection, TheAuthorityComesFromTheTargetWhereNoHostWasSent) {
  Bench bench;
  bench.Out(
      "GET http://user@origin.example:81/x HTTP/1.0\r\n\r\nCONNECT c.example:443 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(bench.log.requests.at(0).authority, "origin.example:81");
  EXPECT_EQ(bench.log.requests.at(1).authority, "c.example:443");
}

TEST(Http1Connection, StampsSpanAMessagesFirstToLastPiece) {
  Bench bench;
  bench.Out("GET /a HT", {10, 11}).Out("TP/1.1\r\n\r\n", {20, 21});
  bench.In("HTTP/1.1 200 OK\r\nContent-Le", {30, 31}).In("ngth: 2\r\n\r\na", {40, 41});
  bench.In("b", {50, 51});
  EXPECT_EQ(bench.log.requests.at(0).head_stamp.begin_ns, 10u);
  EXPECT_EQ(bench.log.requests.at(0).head_stamp.end_ns, 21u);
  EXPECT_EQ(bench.log.responses.at(0).head_stamp.begin_ns, 30u);
  EXPECT_EQ(bench.log.responses.at(0).head_stamp.end_ns, 41u);
  EXPECT_EQ(bench.log.responses.at(0).end_stamp.end_ns, 51u);
}

// ---- Streaming.

TEST(Http1Connection, CompressedEventsComeOutWithTheirBytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Bench bench;
  bench.Out(Get()).In("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
  std::string sent;
  for (int i = 0; i < 5; ++i) {
    std::string event = "data: {\"n\":" + std::to_string(i) + "}\n\n";
    char out[512];
    stream.next_in = reinterpret_cast<Bytef*>(event.data());
    stream.avail_in = static_cast<uInt>(event.size());
    stream.next_out = reinterpret_cast<Bytef*>(out);
    stream.avail_out = sizeof(out);
    deflate(&stream, Z_SYNC_FLUSH);
    bench.In({out, sizeof(out) - stream.avail_out});
    sent += event;
    EXPECT_EQ(bench.log.responses.at(0).body, sent);
  }
  deflateEnd(&stream);
}

TEST(Http1Connection, ADecompressionBombIsCutOff) {
  const std::string bomb = Gzip(std::string(64 << 20, 'a'));
  Bench bench;
  bench.Out(Get()).In(Ok(bomb, "Content-Encoding: gzip\r\n")).EndBoth();
  EXPECT_EQ(bench.log.responses.at(0).end, "garbled");
  EXPECT_LT(bench.log.responses.at(0).body.size(), 32u << 20);
  EXPECT_GT(bench.log.responses.at(0).gap, 0u);
  EXPECT_LT(bench.connection.MemoryBytes(), 64u * 1024);
}

TEST(Http1Connection, UnsupportedCodingsAreNamed) {
  Bench bench;
  bench.Out("POST /a HTTP/1.1\r\nContent-Encoding: compress\r\nContent-Length: 2\r\n\r\nab")
      .In("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(bench.log.requests.at(0).unsupported_coding, "compress");
  EXPECT_EQ(bench.log.responses.at(0).unsupported_coding, "gzip, chunked");
  bench.Out(Get()).In(Ok("{}", "Content-Encoding: identity\r\n"));
  EXPECT_EQ(bench.log.responses.at(1).unsupported_coding, "");
}

TEST(Http1Connection, BytesThatAreNotWhatTheCodingSays) {
  Bench bench;
  bench.Out(Get() + Get("/b")).In(Ok("not gzip", "Content-Encoding: gzip\r\n") + Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "garbled");
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AReplyBeforeTheRequestsEndBelongsToIt) {
  Bench bench;
  bench.Out("POST /a HTTP/1.1\r\nContent-Length: 100\r\n\r\npart")
      .In("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(bench.str(), "0> POST /a {part}\n0< 413 {no} complete\n");
  EXPECT_EQ(bench.connection.OpenExchanges(), 1u);
  bench.EndBoth();
  EXPECT_EQ(bench.str(), "0> POST /a {part} truncated\n0< 413 {no} complete\n");
}

// ---- Order between the sides.

TEST(Http1Connection, AReplyThatIsSeenFirstWaitsForItsRequest) {
  Bench bench;
  bench.In(Ok("1").substr(0, 20), {15, 20}).In(Ok("1").substr(20), {21, 22});
  EXPECT_EQ(bench.str(), "");
  bench.Out(Get(), {10, 12});
  EXPECT_EQ(bench.str(), "0> GET /a complete\n0< 200 {1} complete\n");
  EXPECT_EQ(bench.log.responses.at(0).head_stamp.begin_ns, 15u);
  EXPECT_EQ(bench.log.responses.at(0).end_stamp.end_ns, 22u);
}

TEST(Http1Connection, AReplyReadBeforeTheRequestWasWrittenIsNotItsReply) {
  Bench bench;
  bench.In("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", {1, 2})
      .Out(Get(), {10, 12});
  bench.In(Ok("1"), {20, 21});
  EXPECT_EQ(bench.log.responses.at(0).head, "200");
  EXPECT_GT(bench.log.unmatched_responses, 0u);
}

TEST(Http1Connection, EarlyRepliesAreBounded) {
  Bench bench(false, {.early_reply_bytes = 4096});
  bench.In("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", {5, 6});
  for (int i = 0; i < 200; ++i) {
    bench.In(std::string(1000, 'x'), {7, 8});
    EXPECT_LE(bench.connection.MemoryBytes(), 16u * 1024);
  }
  // The request whose reply was given up does not take the next one's.
  bench.Out(Get("/a") + Get("/b"), {1, 2}).In(Ok("2"), {9, 9});
  EXPECT_EQ(bench.log.responses.at(0).end, "hole");
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, UnansweredRequestsAreBounded) {
  Bench bench(false, {.pipelined_requests = 4});
  for (int i = 0; i < 10; ++i) bench.Out(Get());
  EXPECT_EQ(bench.connection.OpenExchanges(), 4u);
  EXPECT_EQ(bench.log.responses.at(0).end, "hole");
  bench.EndBoth();
  EXPECT_EQ(bench.log.responses.size(), 10u);
  EXPECT_FALSE(bench.log.violated);
}

TEST(Http1Connection, EndOfTheClientsSideLeavesTheReplyRunning) {
  Bench bench;
  bench.Out(Get());
  bench.connection.End(Side::kRequest, {});
  bench.In(Ok("1"));
  EXPECT_EQ(bench.str(), "0> GET /a complete\n0< 200 {1} complete\n");
}

TEST(Http1Connection, WhatFollowsAnUnansweredConnectIsNobodys) {
  Bench bench;
  bench.Out("CONNECT h:443 HTTP/1.1\r\n\r\n").Out(Get()).EndBoth();
  EXPECT_EQ(bench.connection.OpenExchanges(), 0u);
  EXPECT_EQ(bench.log.requests.size(), 1u);
  EXPECT_EQ(bench.log.unmatched_requests, Get().size());
}

// ---- Holes.

TEST(Http1Connection, AHoleInABodyOfKnownLengthIsAGap) {
  Bench bench;
  bench.Out("POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nab").HoleOut(5).Out("xyz" + Get("/b"));
  bench.In(Ok("1") + Ok("2"));
  EXPECT_EQ(bench.str(),
            "0> POST /a {abxyz} gap 5 complete\n1> GET /b complete\n"
            "0< 200 {1} complete\n1< 200 {2} complete\n");
}

TEST(Http1Connection, AHoleToTheEndOfABodyCompletesIt) {
  Bench bench;
  bench.Out(Get() + Get("/b")).In("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab").HoleIn(8);
  bench.In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "complete");
  EXPECT_EQ(bench.log.responses.at(0).gap, 8u);
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AHoleBeyondABodyEndsItAndTheNextStartIsSought) {
  Bench bench;
  bench.Out(Get("/a") + Get("/b") + Get("/c"));
  bench.In("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab").HoleIn(30).In("rest of a reply");
  bench.In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "hole");
  EXPECT_EQ(bench.log.responses.at(0).gap, 8u);
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
  EXPECT_EQ(bench.log.unmatched_responses, 15u);
}

TEST(Http1Connection, AHoleInACloseDelimitedBodyIsAGap) {
  Bench bench;
  bench.Out(Get()).In("HTTP/1.1 200 OK\r\n\r\nab").HoleIn(100).In("cd").EndBoth();
  EXPECT_EQ(bench.str(), "0> GET /a complete\n0< 200 {abcd} gap 100 complete\n");
}

TEST(Http1Connection, AHoleInsideOneChunkIsAGap) {
  Bench bench;
  bench.Out(Get()).In("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01");
  bench.HoleIn(5).In("789\r\n2\r\nxy\r\n0\r\n\r\n");
  EXPECT_EQ(bench.str(), "0> GET /a complete\n0< 200 {01789xy} gap 5 complete\n");
}

TEST(Http1Connection, AHoleAcrossChunksLosesTheMessage) {
  Bench bench;
  bench.Out(Get()).In("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01");
  bench.HoleIn(50).In("data: x\r\n0\r\n\r\n").Out(Get("/b")).In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "hole");
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AHoleInACodedBodyMakesTheRestAGap) {
  const std::string coded = Gzip(std::string(2000, 'a') + "tail");
  Bench bench;
  bench.Out(Get() + Get("/b")).In(Ok(coded, "Content-Encoding: gzip\r\n").substr(0, 75)).HoleIn(4);
  const std::string all = Ok(coded, "Content-Encoding: gzip\r\n");
  bench.In(all.substr(79)).In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "complete");
  EXPECT_EQ(bench.log.responses.at(0).gap, all.size() - 75);
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AHoleInAResponseHeadLosesThatResponseOnly) {
  Bench bench;
  bench.Out(Get() + Get("/b")).In("HTTP/1.1 200 OK\r\nCont").HoleIn(10).In("junk").In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "hole");
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AHoleInARequestHeadLosesThatRequestOnly) {
  Bench bench;
  bench.Out("POST /a HTTP/1.1\r\nCont", {1, 2}).HoleOut(100).Out("{\"tail\":1}", {3, 4});
  bench.In(Ok("1"), {5, 6}).Out(Get("/b"), {7, 8}).In(Ok("2"), {9, 10});
  EXPECT_EQ(bench.log.requests.size(), 1u);
  EXPECT_EQ(bench.log.requests.at(0).head, "GET /b");
  EXPECT_EQ(bench.log.responses.at(0).body, "2");
  EXPECT_EQ(bench.log.unmatched_requests, 10u + 0u);
}

// ---- Met in the middle.

TEST(Http1Connection, MidStreamWaitsForAPlausibleStart) {
  Bench bench(true);
  bench.Out("the end of a body").In("data: x\n\n").In("HTTP/1.1 is a protocol");
  EXPECT_EQ(bench.log.unmatched_requests, 17u);
  EXPECT_EQ(bench.log.unmatched_responses, 31u);
  bench.Out(Get("/b"), {5, 6}).In(Ok("2"), {7, 8});
  EXPECT_EQ(bench.log.requests.at(0).head, "GET /b");
  EXPECT_EQ(bench.log.responses.at(0).body, "2");
}

TEST(Http1Connection, MidStreamAReplyToAnUnseenRequestIsNobodys) {
  Bench bench(true);
  bench.In(Ok("old"), {1, 2}).Out(Get("/b"), {5, 6}).In(Ok("2"), {7, 8});
  EXPECT_EQ(bench.log.responses.at(0).body, "2");
}

// ---- Bad input.

TEST(Http1Connection, GarbageAfterHttpIsGarbledAndTheNextStartIsFound) {
  Bench bench;
  bench.Out(Get("/a") + Get("/b")).In("\x01\x02 garbage").In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).end, "garbled");
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
  EXPECT_THAT(bench.log.protocols, IsEmpty());
}

TEST(Http1Connection, EndlessHeadsAreGarbled) {
  for (const std::string_view unit :
       {"X: y\r\n", "aaaaaaaa", "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyy "}) {
    Bench bench;
    bench.Out(Get()).In("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 20000; ++i) {
      bench.In(unit);
      ASSERT_LE(bench.connection.MemoryBytes(), 256u * 1024);
    }
    EXPECT_EQ(bench.log.responses.at(0).end, "garbled") << unit;
    bench.Out(Get("/b")).In(Ok("2"));
    EXPECT_EQ(bench.log.responses.at(1).body, "2");
  }
}

TEST(Http1Connection, TenThousandHeadersAreGarbled) {
  std::string head = "POST /a HTTP/1.1\r\n";
  for (int i = 0; i < 10000; ++i) head += "a" + std::to_string(i) + ": b\r\n";
  Bench bench;
  bench.Out(Get()).In(Ok("1")).Out(head + "\r\n").Out(Get("/b")).In(Ok("2"));
  EXPECT_EQ(bench.log.requests.size(), 2u);
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, LengthsThatLie) {
  for (const std::string length : {"-1", "99999999999999999999999", "5x", "", "5, 6", "0x10"}) {
    Bench bench;
    bench.Out(Get() + Get("/b"));
    bench.In("HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\nhello").In(Ok("2"));
    EXPECT_EQ(bench.log.responses.at(0).end, "garbled") << length;
    EXPECT_FALSE(bench.log.violated);
    bench.EndBoth();
    EXPECT_EQ(bench.connection.OpenExchanges(), 0u);
  }
  Bench chunks;
  chunks.Out(Get() + Get("/b"));
  chunks.In("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello");
  chunks.In(Ok("2"));
  EXPECT_EQ(chunks.log.responses.at(0).end, "garbled");
  EXPECT_EQ(chunks.log.responses.at(1).body, "2");
}

TEST(Http1Connection, MoreBytesThanTheLengthSaysBelongToNobody) {
  Bench bench;
  bench.Out(Get()).In(Ok("1") + "and more").Out(Get("/b")).In(Ok("2"));
  EXPECT_EQ(bench.log.responses.at(0).body, "1");
  EXPECT_EQ(bench.log.unmatched_responses, 8u);
  EXPECT_EQ(bench.log.responses.at(1).body, "2");
}

TEST(Http1Connection, AfterAnotherProtocolNothingIsReported) {
  Bench bench;
  bench.Out("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").Out(Get()).In(Ok("1")).HoleIn(5).EndBoth();
  EXPECT_EQ(bench.str(), "protocol http2\n");
}

TEST(Http1Connection, AnIdleConnectionIsSmall) {
  Bench bench;
  bench.Out(Get()).In(Ok("1"));
  EXPECT_LT(bench.connection.MemoryBytes(), 4096u);
}

}  // namespace
}  // namespace sonde::wire
