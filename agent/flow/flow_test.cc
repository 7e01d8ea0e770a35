#include "agent/flow/flow.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/flow/testing/conversation.h"
#include "gtest/gtest.h"

namespace sonde::flow {
namespace {

using events::CloseReason;
using events::Role;
using events::Transport;
using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;
using testing::Conversation;
using testing::Id;
using testing::kMillisecond;
using testing::Reply;
using testing::Request;

/// Writes down what it hears: "7.0> POST /x", "7.0> body", "7.0< 200", "7.0<. complete", ...
class Recorder : public ExchangeSink, public VerdictSink {
 public:
  void OnRequestHead(const ConnectionView& c, uint64_t n, const wire::RequestHead& head,
                     wire::Stamp stamp) override {
    Add(c, n, "> ", head.method + " " + head.target + (c.order_unknown ? " ?" : ""));
    first_stamp = stamp;
  }
  void OnRequestBody(const ConnectionView& c, uint64_t n, std::string_view bytes,
                     wire::Stamp) override {
    Add(c, n, ">= ", bytes);
  }
  void OnRequestGap(const ConnectionView& c, uint64_t n, uint64_t length) override {
    Add(c, n, ">[", absl::StrCat(length, "]"));
  }
  void OnRequestEnd(const ConnectionView& c, uint64_t n, wire::MessageEnd end,
                    wire::Stamp) override {
    Add(c, n, ">. ", Name(end));
  }
  void OnResponseHead(const ConnectionView& c, uint64_t n, const wire::ResponseHead& head,
                      wire::Stamp) override {
    Add(c, n, "< ", absl::StrCat(head.status, c.order_unknown ? " ?" : ""));
  }
  void OnResponseBody(const ConnectionView& c, uint64_t n, std::string_view bytes,
                      wire::Stamp) override {
    Add(c, n, "<= ", bytes);
  }
  void OnResponseGap(const ConnectionView& c, uint64_t n, uint64_t length) override {
    Add(c, n, "<[", absl::StrCat(length, "]"));
  }
  void OnResponseEnd(const ConnectionView& c, uint64_t n, wire::MessageEnd end,
                     wire::Stamp) override {
    Add(c, n, "<. ", Name(end));
  }
  void OnProtocol(const ConnectionView& c, wire::Protocol protocol) override {
    lines.push_back(absl::StrCat(c.id.handle, " protocol ", static_cast<int>(protocol)));
  }
  void OnTlsSocket(const ConnectionView& c, const TlsHello& hello) override {
    lines.push_back(absl::StrCat(c.id.handle, " tls ", hello.server_name));
  }
  void OnQuic(const ConnectionView& c) override {
    lines.push_back(absl::StrCat(c.id.handle, " quic ", c.peer_address));
  }
  void OnConnectionEnd(const ConnectionView& c) override {
    ++ended;
    last_local_first = c.local_ended_first();
    last_end = c.flow_end;
  }
  void OnVerdict(const Verdict& verdict) override { verdicts.push_back(verdict); }

  std::vector<std::string> Take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
  std::vector<Verdict> verdicts;
  wire::Stamp first_stamp;
  int ended = 0;
  bool last_local_first = false;
  std::optional<FlowEnd> last_end;

 private:
  static std::string Name(wire::MessageEnd end) {
    constexpr const char* kNames[] = {"complete", "truncated", "garbled", "hole", "upgraded"};
    return kNames[static_cast<int>(end)];
  }
  void Add(const ConnectionView& c, uint64_t exchange, const char* sign, std::string_view text) {
    lines.push_back(absl::StrCat(c.id.handle, ".", exchange, sign, std::string(text)));
  }
};

class FlowTest : public ::testing::Test {
 protected:
  void Play(const Conversation& conversation) {
    for (const events::Event& event : conversation.events()) flow_->OnEvent(event);
  }
  void Restart(const FlowLimits& limits) {
    flow_ = std::make_unique<Flow>(limits, &recorder_, &recorder_);
  }
  bool Heard(const std::string& line) const {
    return std::find(recorder_.lines.begin(), recorder_.lines.end(), line) != recorder_.lines.end();
  }
  Recorder recorder_;
  std::unique_ptr<Flow> flow_ = std::make_unique<Flow>(FlowLimits{}, &recorder_, &recorder_);
};

const std::vector<std::string> kOneExchange = {"7.0> POST /x", "7.0>= ask",    "7.0>. complete",
                                               "7.0< 200",     "7.0<= answer", "7.0<. complete"};

TEST_F(FlowTest, OneExchange) {
  Play(Conversation(Id(7)).Open().Send(Request("ask", "/x")).Receive(Reply("answer")).Close());
  EXPECT_EQ(recorder_.lines, kOneExchange);
  EXPECT_EQ(recorder_.ended, 1);
  EXPECT_TRUE(recorder_.last_local_first);
  EXPECT_EQ(recorder_.first_stamp.begin_ns, 1001 * kMillisecond);
  EXPECT_EQ(flow_->stats().open_connections, 0U);
  EXPECT_EQ(flow_->stats().http1, 1U);
}

TEST_F(FlowTest, UnknownRoleIsToldByTheBytes) {
  Play(
      Conversation(Id(7)).Open(Role::kUnknown).Send(Request("ask", "/x")).Receive(Reply("answer")));
  EXPECT_EQ(recorder_.lines, kOneExchange);
}

TEST_F(FlowTest, WithoutOpenedEvent) {
  Play(Conversation(Id(7)).Send(Request("ask", "/x")).Receive(Reply("answer")));
  EXPECT_EQ(recorder_.lines, kOneExchange);
  EXPECT_EQ(flow_->stats().mid_stream, 0U);
}

TEST_F(FlowTest, ReplyBeforeItsRequest) {
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x")).Receive(Reply("answer"));
  std::vector<events::Event> events = talk.events();
  std::swap(events[1], events[2]);
  for (const events::Event& event : events) flow_->OnEvent(event);
  std::vector<std::string> heard = recorder_.lines;
  std::sort(heard.begin(), heard.end());
  std::vector<std::string> expected = kOneExchange;
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(heard, expected);
  EXPECT_EQ(flow_->stats().unmatched_bytes, 0U);
}

TEST_F(FlowTest, PiecesOfOneByte) {
  Conversation talk(Id(7));
  talk.Open(Role::kUnknown);
  for (const char c : Request("", "/x")) talk.Send(std::string(1, c));
  for (const char c : Reply("")) talk.Receive(std::string(1, c));
  Play(talk);
  EXPECT_EQ(recorder_.lines, (std::vector<std::string>{"7.0> POST /x", "7.0>. complete", "7.0< 200",
                                                       "7.0<. complete"}));
}

TEST_F(FlowTest, PipelinedRequestsAreMatchedInOrder) {
  Play(Conversation(Id(7))
           .Open()
           .Send(Request("a", "/1") + Request("b", "/2"))
           .Receive(Reply("A") + Reply("B", 201)));
  EXPECT_TRUE(Heard("7.0< 200"));
  EXPECT_TRUE(Heard("7.0<= A"));
  EXPECT_TRUE(Heard("7.1< 201"));
  EXPECT_TRUE(Heard("7.1<= B"));
}

TEST_F(FlowTest, ServerSideIsAViewAndMuted) {
  Play(Conversation(Id(7)).Open(Role::kUnknown).Receive(Request("ask")).Send(Reply("answer")));
  EXPECT_TRUE(recorder_.lines.empty());
  EXPECT_EQ(flow_->stats().server_side, 1U);
  ASSERT_EQ(recorder_.verdicts.size(), 1U);
  EXPECT_EQ(recorder_.verdicts[0].wanted, Wanted::kLengths);
  EXPECT_EQ(recorder_.verdicts[0].connection, Id(7));
}

TEST_F(FlowTest, KnownServerRole) {
  Play(Conversation(Id(7)).Open(Role::kServer).Receive(Request("ask")).Send(Reply("answer")));
  EXPECT_TRUE(recorder_.lines.empty());
  EXPECT_EQ(flow_->stats().server_side, 1U);
}

TEST_F(FlowTest, GenerationsOfOneHandleAreApart) {
  Play(Conversation(Id(7, 1)).Open().Send("POST /half HTTP/1.1\r\n"));
  Play(Conversation(Id(7, 2), 2000 * kMillisecond)
           .Open()
           .Send(Request("ask", "/x"))
           .Receive(Reply("answer")));
  EXPECT_EQ(recorder_.lines, kOneExchange);
  EXPECT_EQ(recorder_.ended, 1) << "the handle lives again, so its earlier life is over";
}

TEST_F(FlowTest, LateRecordsOfAClosedConnectionAreCounted) {
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x")).Close();
  Play(talk);
  recorder_.Take();
  flow_->OnEvent(talk.events()[1]);
  EXPECT_TRUE(recorder_.lines.empty());
  EXPECT_EQ(flow_->stats().late_records, 1U);
  EXPECT_EQ(flow_->stats().open_connections, 0U);
}

TEST_F(FlowTest, HoleInABodyOfKnownLength) {
  const std::string request = Request("0123456789", "/x");
  Play(Conversation(Id(7))
           .Open()
           .Send(request.substr(0, request.size() - 8))
           .LoseSent(5)
           .Send("789")
           .Receive(Reply("answer"))
           .Close());
  EXPECT_TRUE(Heard("7.0>[5]"));
  EXPECT_TRUE(Heard("7.0>= 789"));
  EXPECT_TRUE(Heard("7.0>. complete"));
  EXPECT_TRUE(Heard("7.0<. complete"));
  EXPECT_EQ(flow_->stats().order.holes, 1U);
}

TEST_F(FlowTest, HoleIsToldAfterTheWaitWithoutAnotherByte) {
  const std::string reply = Reply("0123456789");
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x")).Receive(reply.substr(0, reply.size() - 4));
  talk.LoseReceived(2).Receive("89");
  Play(talk);
  EXPECT_FALSE(Heard("7.0<[2]"));
  flow_->OnEvent(events::Tick{talk.now() + 300 * kMillisecond});
  EXPECT_TRUE(Heard("7.0<[2]"));
  EXPECT_TRUE(Heard("7.0<. complete"));
}

TEST_F(FlowTest, LostRecordsAtTheEndShowInTheTotals) {
  const std::string reply = Reply("0123456789");
  Play(Conversation(Id(7))
           .Open()
           .Send(Request("ask", "/x"))
           .Receive(reply.substr(0, reply.size() - 4))
           .LoseReceived(4)
           .Close());
  EXPECT_TRUE(Heard("7.0<[4]"));
  EXPECT_TRUE(Heard("7.0<. complete"));
}

TEST_F(FlowTest, LargeInvocationAsHeadHoleTail) {
  const std::string request = Request(std::string(1000, 'x'), "/x");
  Conversation talk(Id(7));
  talk.Open().Send(request.substr(0, 300));
  talk.last_data().length = request.size();
  const events::Data head = talk.last_data();
  for (const events::Event& event : talk.events()) flow_->OnEvent(event);
  events::Data tail = head;
  tail.offset = request.size() - 200;
  tail.length = 200;
  tail.bytes = std::string_view(request).substr(request.size() - 200);
  tail.after_gap = true;
  flow_->OnEvent(tail);
  EXPECT_TRUE(Heard(absl::StrCat("7.0>[", request.size() - 500, "]")));
  EXPECT_TRUE(Heard("7.0>. complete"));
}

TEST_F(FlowTest, MidStreamWaitsForARequest) {
  Play(Conversation(Id(7))
           .Open(Role::kClient, true)
           .Receive("data: rest of an older reply\n\n")
           .Send("the rest of some body")
           .Receive("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")
           .Send(Request("ask", "/x"))
           .Receive(Reply("answer")));
  // Two replies whose requests nobody saw, and then the exchange.
  const std::string lone = absl::StrCat("7.", kLoneExchange);
  std::vector<std::string> expected = {
      lone + ">  ",         lone + ">. complete",
      lone + "< 200",       lone + "<= data: rest of an older reply\n\n",
      lone + "<. complete", lone + ">  ",
      lone + ">. complete", lone + "< 200",
      lone + "<= old",      lone + "<. complete"};
  expected.insert(expected.end(), kOneExchange.begin(), kOneExchange.end());
  EXPECT_EQ(recorder_.lines, expected);
  EXPECT_GT(flow_->stats().unmatched_bytes, 0U);
  EXPECT_EQ(flow_->stats().mid_stream, 1U);
}

TEST_F(FlowTest, MidStreamByOffset) {
  Conversation talk(Id(7));
  talk.LoseSent(5000).LoseReceived(90'000).Send(Request("ask", "/x")).Receive(Reply("answer"));
  Play(talk);
  EXPECT_EQ(recorder_.lines, kOneExchange);
  EXPECT_EQ(flow_->stats().mid_stream, 1U);
  EXPECT_EQ(flow_->stats().order.holes, 0U);
}

TEST_F(FlowTest, LostFirstRecordLosesOnlyItsExchange) {
  const std::string first = Request("one", "/1");
  Conversation talk(Id(7));
  talk.Open().LoseSent(20).Send(first.substr(20)).Receive(Reply("1"));
  talk.Wait(300 * kMillisecond).Send(Request("ask", "/x")).Receive(Reply("answer"));
  Play(talk);
  EXPECT_EQ(recorder_.lines, kOneExchange);
}

TEST_F(FlowTest, MidStreamNeverHoldsMuch) {
  Conversation talk(Id(7));
  talk.Open(Role::kClient, true);
  for (int i = 0; i < 100; ++i) talk.Receive(std::string(4000, 'x'));
  Play(talk);
  EXPECT_LE(flow_->stats().memory_bytes, 64U * 1024);
  EXPECT_GT(flow_->stats().unmatched_bytes, 300'000U);
}

TEST_F(FlowTest, PeerEndsBeforeTheProcessCloses) {
  Play(Conversation(Id(7)).Open().Send(Request("ask", "/x")).PeerEnds(true).Close());
  EXPECT_TRUE(Heard("7.0<. truncated"));
  EXPECT_FALSE(recorder_.last_local_first);
}

TEST_F(FlowTest, ShutdownThenEndOfFileIsALocalEnd) {
  Play(Conversation(Id(7))
           .Open()
           .Send(Request("ask", "/x"))
           .Close(CloseReason::kShutdown)
           .PeerEnds()
           .Close());
  EXPECT_TRUE(recorder_.last_local_first);
  EXPECT_EQ(recorder_.ended, 1);
}

TEST_F(FlowTest, CloseDelimitedBody) {
  Play(Conversation(Id(7))
           .Open()
           .Send(Request("ask", "/x"))
           .Receive("HTTP/1.0 200 OK\r\n\r\nall of it")
           .PeerEnds()
           .Close());
  EXPECT_TRUE(Heard("7.0<= all of it"));
  EXPECT_TRUE(Heard("7.0<. complete"));
}

TEST_F(FlowTest, ExecEndsWhatTheOldImageHad) {
  Play(Conversation(Id(7)).Open().Send(Request("ask", "/x")));
  Play(Conversation(Id(8, 1, 101)).Open().Send(Request("ask", "/y")));
  flow_->OnEvent(events::ProcessStarted{
      .process = {.pid = 100, .start_ns = 1, .exec_generation = 1}, .ns = 1, .by_exec = true});
  EXPECT_EQ(recorder_.ended, 1);
  EXPECT_TRUE(Heard("7.0<. truncated"));
  EXPECT_FALSE(Heard("8.0<. truncated"));
}

TEST_F(FlowTest, ExitEndsAllConnectionsOfTheProcess) {
  for (uint64_t handle = 1; handle <= 5; ++handle) {
    Play(Conversation(Id(handle)).Open().Send(Request("ask", "/x")));
  }
  Play(Conversation(Id(8, 1, 101)).Open().Send(Request("ask", "/y")));
  flow_->OnEvent(events::ProcessExited{.process = {.pid = 100, .start_ns = 1}, .ns = 1});
  EXPECT_EQ(recorder_.ended, 5);
  EXPECT_EQ(flow_->stats().open_connections, 1U);
}

TEST_F(FlowTest, ConcurrentInvocationsMarkTheExchange) {
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x")).Receive(Reply("answer"));
  talk.last_data().concurrent = true;
  talk.Send(Request("ask", "/y")).Receive(Reply("answer")).Send(Request("ask", "/z"));
  Play(talk);
  EXPECT_TRUE(Heard("7.0< 200 ?"));
  EXPECT_TRUE(Heard("7.2> POST /z")) << "a quiet moment ends the doubt";
}

TEST_F(FlowTest, Http2IsNamedOnce) {
  Play(Conversation(Id(7)).Open().Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").Receive("frames"));
  EXPECT_EQ(recorder_.lines, (std::vector<std::string>{absl::StrCat(
                                 "7 protocol ", static_cast<int>(wire::Protocol::kHttp2Preface))}));
  EXPECT_EQ(flow_->stats().http2, 1U);
  EXPECT_FALSE(recorder_.verdicts.empty());
}

TEST_F(FlowTest, WebSocketIsNamedOnce) {
  Play(Conversation(Id(7))
           .Open()
           .Send("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
           .Receive("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
           .Send("\x81\x85....")
           .Receive("\x81\x05....")
           .Close());
  EXPECT_TRUE(Heard(absl::StrCat("7 protocol ", static_cast<int>(wire::Protocol::kWebSocket))));
  EXPECT_EQ(flow_->stats().websocket, 1U);
}

TEST_F(FlowTest, OtherProtocolsAreMuted) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket)).Open().Receive("SSH-2.0-x\r\n").Send("SSH"));
  EXPECT_EQ(flow_->stats().not_http, 1U);
  EXPECT_EQ(recorder_.verdicts.size(), 1U);
}

TEST_F(FlowTest, Quic) {
  events::ConnectionInfo info{.peer_address = "192.0.2.1", .peer_port = 443, .datagram = true};
  Play(Conversation(Id(7, 1, 100, Transport::kSocket)).Open().Info(info).Info(info));
  EXPECT_EQ(recorder_.lines, std::vector<std::string>{"7 quic 192.0.2.1"});
  EXPECT_EQ(flow_->stats().quic, 1U);
}

TEST_F(FlowTest, DnsOverUdpIsNotQuic) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open()
           .Info({.peer_port = 53, .datagram = true}));
  EXPECT_TRUE(recorder_.lines.empty());
}

/// A ClientHello with one extension: the server name.
std::string ClientHello(std::string_view name) {
  const auto be = [](size_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  const std::string entry = "\0"s + be(name.size(), 2) + std::string(name);
  const std::string list = be(entry.size(), 2) + entry;
  const std::string extension = be(0, 2) + be(list.size(), 2) + list;
  const std::string body = "\x03\x03"s + std::string(32, 'r') + "\0"s + be(2, 2) + "\x13\x01"s +
                           "\x01\0"s + be(extension.size(), 2) + extension;
  const std::string handshake = "\x01"s + be(body.size(), 3) + body;
  return "\x16\x03\x01"s + be(handshake.size(), 2) + handshake;
}

TEST_F(FlowTest, TlsSocketGivesItsName) {
  const std::string hello = ClientHello("api.openai.test");
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open()
           .Send(hello.substr(0, 2))
           .Send(hello.substr(2, 30))
           .Send(hello.substr(32))
           .Receive("\x16\x03\x03\x00\x7a"sv)
           .Send("\x17\x03\x03\x00\x01x"sv)
           .Close());
  EXPECT_EQ(recorder_.lines, std::vector<std::string>{"7 tls api.openai.test"});
  EXPECT_EQ(flow_->stats().tls_sockets, 1U);
  EXPECT_EQ(flow_->stats().order.holes, 0U);
  EXPECT_FALSE(recorder_.verdicts.empty());
}

TEST_F(FlowTest, TlsSocketWithoutItsHelloIsStillCounted) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open(Role::kClient, true)
           .Send("\x17\x03\x03\x00\x10................"sv)
           .Close());
  EXPECT_EQ(recorder_.lines, std::vector<std::string>{"7 tls "});
}

TEST_F(FlowTest, TlsServerSocketIsNoClientOfAProvider) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open(Role::kUnknown)
           .Receive(ClientHello("api.openai.test"))
           .Close());
  EXPECT_TRUE(recorder_.lines.empty());
  EXPECT_EQ(flow_->stats().server_side, 1U);
}

TEST_F(FlowTest, TlsInsideAConnectTunnel) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open()
           .Send("CONNECT api.openai.test:443 HTTP/1.1\r\nHost: api.openai.test:443\r\n\r\n")
           .Receive("HTTP/1.1 200 OK\r\n\r\n")
           .Send(ClientHello("api.openai.test"))
           .Close());
  EXPECT_TRUE(Heard("7 tls api.openai.test"));
}

TEST_F(FlowTest, HttpInsideAConnectTunnel) {
  Play(Conversation(Id(7, 1, 100, Transport::kSocket))
           .Open()
           .Send("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n")
           .Receive("HTTP/1.1 200 OK\r\n\r\n")
           .Send(Request("ask", "/x"))
           .Receive(Reply("answer"))
           .Close());
  EXPECT_TRUE(Heard("7.1> POST /x"));
  EXPECT_TRUE(Heard("7.1<= answer"));
}

TEST_F(FlowTest, VerdictIsRepeatedWhenBytesComeAgain) {
  Conversation talk(Id(7));
  talk.Open(Role::kServer).Receive("x").Receive("x").Wait(2000 * kMillisecond).Receive("x");
  Play(talk);
  EXPECT_EQ(recorder_.verdicts.size(), 2U);
}

TEST_F(FlowTest, FinishEndsAllOldestFirst) {
  for (uint64_t handle = 1; handle <= 3; ++handle) {
    Play(Conversation(Id(handle)).Open().Send(Request("ask", "/x")));
  }
  recorder_.Take();
  flow_->Finish();
  EXPECT_EQ(recorder_.lines,
            (std::vector<std::string>{"1.0<. truncated", "2.0<. truncated", "3.0<. truncated"}));
  EXPECT_EQ(recorder_.last_end, FlowEnd::kFinish);
}

TEST_F(FlowTest, MostConnectionsAreEvictedIdleOnesFirst) {
  Restart(FlowLimits{.max_connections = 3});
  Play(Conversation(Id(1)).Open().Send(Request("ask", "/x")));
  Play(Conversation(Id(2)).Open().Send(Request("a", "/y")).Receive(Reply("b")));
  Play(Conversation(Id(3)).Open().Send(Request("ask", "/z")));
  Play(Conversation(Id(4)).Open());
  EXPECT_EQ(flow_->stats().open_connections, 3U);
  EXPECT_EQ(flow_->stats().connections_evicted, 1U);
  EXPECT_FALSE(Heard("1.0<. truncated")) << "the idle one goes first";
  Play(Conversation(Id(5)).Open());
  Play(Conversation(Id(6)).Open().Send(Request("ask", "/w")));
  Play(Conversation(Id(7)).Open().Send(Request("ask", "/w")));
  EXPECT_TRUE(Heard("1.0<. truncated"));
  EXPECT_EQ(recorder_.last_end, FlowEnd::kEvicted);
}

TEST_F(FlowTest, IdleConnectionsAreForgottenAndMetAgainMidStream) {
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x")).Receive(Reply("answer"));
  Play(talk);
  flow_->OnEvent(events::Tick{talk.now() + 1'000'000 * kMillisecond});
  EXPECT_EQ(flow_->stats().open_connections, 0U);
  EXPECT_EQ(flow_->stats().connections_idle, 1U);
  recorder_.Take();
  const size_t seen = talk.events().size();
  talk.Wait(2'000'000 * kMillisecond).Send(Request("ask", "/x")).Receive(Reply("answer"));
  for (size_t i = seen; i < talk.events().size(); ++i) flow_->OnEvent(talk.events()[i]);
  EXPECT_EQ(recorder_.lines, kOneExchange);
}

TEST_F(FlowTest, OpenExchangesOutliveTheIdleLimit) {
  Conversation talk(Id(7));
  talk.Open().Send(Request("ask", "/x"));
  Play(talk);
  flow_->OnEvent(events::Tick{talk.now() + 1'000'000 * kMillisecond});
  EXPECT_EQ(flow_->stats().open_connections, 1U);
  flow_->OnEvent(events::Tick{talk.now() + 4'000'000 * kMillisecond});
  EXPECT_EQ(flow_->stats().open_connections, 0U);
}

TEST_F(FlowTest, MemoryOfManyOpenConnections) {
  constexpr uint64_t kMany = 10'000;
  std::vector<Conversation> talks;
  for (uint64_t handle = 1; handle <= kMany; ++handle) {
    Conversation talk(Id(handle));
    talk.Open().Send(Request("ask", "/x")).Receive(testing::StreamHead());
    talk.Receive(testing::Chunk("data: {\"half\":"));
    Play(talk);
  }
  const FlowStats stats = flow_->stats();
  EXPECT_EQ(stats.open_connections, kMany);
  EXPECT_LE(stats.memory_bytes / kMany, 16U * 1024);
}

TEST_F(FlowTest, HostileConnectionsStayWithinTheirBound) {
  std::mt19937 random(7);
  constexpr int kMany = 50;
  for (int handle = 1; handle <= kMany; ++handle) {
    Conversation talk(Id(handle, 1, 100, handle % 2 == 0 ? Transport::kTls : Transport::kSocket));
    talk.Open(handle % 3 == 0 ? Role::kUnknown : Role::kClient, handle % 5 == 0);
    for (int i = 0; i < 200; ++i) {
      std::string bytes;
      switch (random() % 5) {
        case 0:
          bytes = "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
          break;
        case 1:
          bytes = "POST /" + std::string(random() % 3000, 'a');
          break;
        case 2:
          bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n";
          break;
        default:
          for (unsigned n = random() % 2000; n > 0; --n) bytes += static_cast<char>(random());
      }
      random() % 2 == 0 ? talk.Send(bytes) : talk.Receive(bytes);
      if (random() % 20 == 0) talk.LoseReceived(random() % 100'000);
      if (random() % 20 == 0) talk.LoseSent(random() % 100'000);
    }
    Play(talk);
  }
  EXPECT_LE(flow_->stats().memory_bytes / kMany, 128U * 1024);
  flow_->Finish();
  EXPECT_EQ(flow_->stats().open_connections, 0U);
}

}  // namespace
}  // namespace sonde::flow
