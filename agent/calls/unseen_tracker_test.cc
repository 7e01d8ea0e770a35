#include "agent/calls/unseen_tracker.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/calls/testing/fake_price_book.h"
#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

constexpr events::ProcessId kProcess{.pid = 5, .start_ns = 1};

flow::ConnectionView Connection(events::Transport transport, std::string server_name,
                                std::string peer = "") {
  flow::ConnectionView view;
  view.id = {.process = kProcess, .transport = transport};
  view.server_name = std::move(server_name);
  view.peer_address = std::move(peer);
  view.opened_ns = 1000;
  return view;
}

flow::ConnectionView Socket(std::string name, std::string peer = "") {
  return Connection(events::Transport::kSocket, std::move(name), std::move(peer));
}
flow::ConnectionView Library(std::string name) {
  return Connection(events::Transport::kTls, std::move(name));
}

wire::RequestHead Head(std::string authority) {
  wire::RequestHead head;
  head.authority = std::move(authority);
  return head;
}

class Notices : public CallSink {
 public:
  void OnCall(const Call&) override {}
  void OnNotice(const Notice& notice) override { texts.push_back(notice.text); }
  std::vector<std::string> texts;
};

class UnseenTrackerTest : public ::testing::Test {
 protected:
  void Start(const UnseenTracker::Limits& limits) {
    tracker_ = std::make_unique<UnseenTracker>(limits, std::make_shared<testing::FakePriceBook>(),
                                               &processes_, &notices_);
  }
  UnseenTrackerTest() { Start({}); }
  ProcessTable processes_;
  Notices notices_;
  std::unique_ptr<UnseenTracker> tracker_;
};

TEST_F(UnseenTrackerTest, MatchedByNameOfTheHello) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Library("api.openai.test"), 0, Head("proxy.test"));
  EXPECT_TRUE(tracker_->List().empty());
}

TEST_F(UnseenTrackerTest, MatchedByHostHeader) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Library(""), 0, Head("api.openai.test:443"));
  EXPECT_TRUE(tracker_->List().empty());
}

TEST_F(UnseenTrackerTest, NameComesFromTheSocketBelow) {
  flow::ConnectionView socket = Socket("api.openai.test", "192.0.2.1");
  socket.id.handle = 12;
  tracker_->OnTlsSocket(socket, {});
  flow::ConnectionView library = Library("");
  library.fd = 12;
  tracker_->OnProtocol(library, wire::Protocol::kHttp2Preface);
  ASSERT_EQ(tracker_->List().size(), 1U);
  EXPECT_EQ(tracker_->List()[0].kind, "http/2");
  EXPECT_EQ(tracker_->List()[0].host, "api.openai.test");
}

TEST_F(UnseenTrackerTest, OnlyTheFirstRequestOfAConnectionCounts) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Library(""), 0, Head("api.openai.test"));
  tracker_->OnRequestHead(Library(""), 1, Head("api.openai.test"));
  ASSERT_EQ(tracker_->List().size(), 1U);
  EXPECT_EQ(tracker_->List()[0].connections, 1U);
}

TEST_F(UnseenTrackerTest, PlainHttpExplainsNothing) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Socket(""), 0, Head("api.openai.test"));
  EXPECT_EQ(tracker_->List().size(), 1U);
}

TEST_F(UnseenTrackerTest, PlaintextOfAnUnknownHostExplainsOneSocketOfTheProcess) {
  tracker_->OnTlsSocket(Socket("", "192.0.2.1"), {});
  tracker_->OnTlsSocket(Socket("", "192.0.2.2"), {});
  tracker_->OnProtocol(Library(""), wire::Protocol::kUnknown);
  ASSERT_EQ(tracker_->List().size(), 1U);
  EXPECT_EQ(tracker_->List()[0].host, "192.0.2.2");
  EXPECT_FALSE(tracker_->List()[0].provider_host);
}

constexpr uint64_t kHelloBytes = 517;

/// The end of a connection that sent and got so many bytes.
flow::ConnectionView Ended(flow::ConnectionView view, uint64_t out, uint64_t in) {
  view.tls_socket = view.id.transport == events::Transport::kSocket;
  view.role = events::Role::kClient;
  view.has_data = out + in > 0;
  view.hello_bytes = view.tls_socket ? kHelloBytes : 0;
  view.total_bytes[0] = out;
  view.total_bytes[1] = in;
  return view;
}
flow::ConnectionView Ended(flow::ConnectionView view, uint64_t bytes) {
  return Ended(std::move(view), bytes, bytes);
}
/// A socket over which a handshake went and nothing else.
flow::ConnectionView QuietSocket(std::string name) {
  return Ended(Socket(std::move(name)), kHelloBytes + 104, 5000);
}

TEST_F(UnseenTrackerTest, HandshakesWithoutAByteAreIdle) {
  for (int i = 0; i < 3; ++i) {
    tracker_->OnTlsSocket(Socket("api.openai.test"), {});
    tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 0));
    tracker_->OnConnectionEnd(QuietSocket("api.openai.test"));
  }
  EXPECT_TRUE(tracker_->List().empty());
  // A fourth, by a library that nobody probes.
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnConnectionEnd(QuietSocket("api.openai.test"));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
}

TEST_F(UnseenTrackerTest, ASmallCallIsLongerThanAHandshake) {
  // Handshakes that Sonde saw to be idle, and one short call past the probes, in one process.
  for (int i = 0; i < 2; ++i) {
    tracker_->OnTlsSocket(Socket("api.openai.test"), {});
    tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 0));
  }
  tracker_->OnConnectionEnd(QuietSocket("api.openai.test"));
  tracker_->OnConnectionEnd(Ended(Socket("api.openai.test"), kHelloBytes + 300, 5600));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
  // A call that was seen explains its own socket only.
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Library("api.openai.test"), 0, Head("api.openai.test"));
  tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 200, 600));
  tracker_->OnConnectionEnd(Ended(Socket("api.openai.test"), kHelloBytes + 330, 5700));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
}

TEST_F(UnseenTrackerTest, AHelloThatCouldNotBeReadHasAUsualLength) {
  for (const uint64_t out : {uint64_t{700}, uint64_t{1700}}) {
    tracker_->OnTlsSocket(Socket("api.openai.test"), {});
    tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 0));
    flow::ConnectionView socket = Ended(Socket("api.openai.test"), out, 5000);
    socket.hello_bytes = 0;
    tracker_->OnConnectionEnd(socket);
    EXPECT_EQ(tracker_->List().empty(), out == 700);
  }
}

TEST_F(UnseenTrackerTest, IdleOnesWithoutANameAccountForSocketsOfTheProcess) {
  tracker_->OnTlsSocket(Socket("", "192.0.2.1"), {});
  tracker_->OnConnectionEnd(Ended(Library(""), 0));
  EXPECT_TRUE(tracker_->List().empty());
  tracker_->OnTlsSocket(Socket("", "192.0.2.1"), {});
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
}

TEST_F(UnseenTrackerTest, ASocketWithMoreThanAHandshakeIsNotIdle) {
  // The library shook hands, but the bytes went past its probes.
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 0));
  tracker_->OnConnectionEnd(Ended(Library(""), 0));
  tracker_->OnConnectionEnd(Ended(Socket("api.openai.test"), 100'000));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
  // Beside it one that was seen, small or large, changes nothing.
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  tracker_->OnRequestHead(Library("api.openai.test"), 0, Head("api.openai.test"));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
  tracker_->OnConnectionEnd(Ended(Library("api.openai.test"), 100'000));
  tracker_->OnConnectionEnd(Ended(Socket("api.openai.test"), 110'000));
  EXPECT_EQ(tracker_->List().at(0).connections, 1U);
}

TEST_F(UnseenTrackerTest, ServersAndUnusedObjectsAreNotIdleConnections) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  flow::ConnectionView unused = Ended(Library("api.openai.test"), 0);
  unused.role = events::Role::kUnknown;
  tracker_->OnConnectionEnd(unused);
  unused.role = events::Role::kServer;
  tracker_->OnConnectionEnd(unused);
  EXPECT_EQ(tracker_->List().size(), 1U);
}

TEST_F(UnseenTrackerTest, ReasonsFollowTheLibraries) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  const auto reason = [this] { return tracker_->List().at(0).reason; };
  EXPECT_EQ(reason(), "TLS library not recognised");
  events::LibraryFound library{
      .process = kProcess, .path = "/lib/libssl.so.3", .family = "openssl", .problem = "stripped"};
  tracker_->OnLibraryFound(library);
  EXPECT_EQ(reason(), "openssl in /lib/libssl.so.3: stripped");
  library.attached = true;
  library.mapped_ns = 500;
  library.attached_ns = 2000;
  tracker_->OnLibraryFound(library);
  EXPECT_EQ(reason(), "connected before the probes were in");
  EXPECT_EQ(tracker_->Processes().at(0).libraries.at(0).late_ns, 1500U);
  Start({});
  library.attached_ns = 400;
  tracker_->OnLibraryFound(library);
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  EXPECT_EQ(reason(), "another TLS library than the ones attached");
  EXPECT_EQ(tracker_->Processes().at(0).libraries.at(0).late_ns, 0U);
}

TEST_F(UnseenTrackerTest, AnIoUringIsNoReasonForTls) {
  tracker_->OnTlsSocket(Socket("api.openai.test"), {});
  const auto reason = [this] { return tracker_->List().at(0).reason; };
  tracker_->OnLibraryFound({.process = kProcess, .path = "io_uring", .family = "io_uring"});
  EXPECT_EQ(reason(), "TLS library not recognised");
  tracker_->OnLibraryFound({.process = kProcess,
                            .path = "/lib/libssl.so.3",
                            .family = "openssl",
                            .problem = "stripped"});
  EXPECT_EQ(reason(), "openssl in /lib/libssl.so.3: stripped");
}

TEST_F(UnseenTrackerTest, Protocols) {
  tracker_->OnProtocol(Library("api.openai.test"), wire::Protocol::kHttp2Preface);
  tracker_->OnProtocol(Library("api.openai.test"), wire::Protocol::kHttp2Preface);
  tracker_->OnProtocol(Library("api.openai.test"), wire::Protocol::kWebSocket);
  tracker_->OnQuic(Socket("", "192.0.2.1"));
  const std::vector<Unseen> list = tracker_->List();
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].kind, "http/2");
  EXPECT_EQ(list[0].connections, 2U);
  EXPECT_EQ(list[0].reason, "unsupported: http/2");
  EXPECT_EQ(list[1].kind, "quic");
  EXPECT_EQ(list[2].kind, "websocket");
  EXPECT_EQ(notices_.texts,
            (std::vector<std::string>{"unsupported: http/2 (pid 5 to api.openai.test)",
                                      "unsupported: websocket (pid 5 to api.openai.test)",
                                      "unsupported: quic (pid 5 to 192.0.2.1)"}));
}

TEST_F(UnseenTrackerTest, RequestsOfAnApiThatIsNotDecodedAreCounted) {
  const auto ask = [this](const char* method, const char* target, const char* host) {
    wire::RequestHead head = Head(host);
    head.method = method;
    head.target = target;
    tracker_->OnRequestHead(Library("api.openai.test"), 0, head);
  };
  ask("POST", "/v1/responses", "api.openai.test");
  ask("POST", "/v1/responses?x=1", "api.openai.test");
  ask("POST", "/v1/threads/thread_1/runs", "api.openai.test");
  ask("POST", "/v1/threads/thread_2/runs", "api.openai.test");
  ask("POST", "/v1/chat/completions", "api.openai.test");  // Decoded.
  ask("GET", "/v1/models", "api.openai.test");
  ask("POST", "/v1/messages/count_tokens", "api.openai.test");
  ask("POST", "/v1/files", "api.openai.test");
  ask("POST", "/api/event_logging/batch", "api.openai.test");
  ask("POST", "/v1/responses", "example.test");
  const std::vector<Unseen> list = tracker_->List();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].kind, "POST /v1/responses");
  EXPECT_EQ(list[0].connections, 2U);
  EXPECT_EQ(list[0].reason, "unsupported: POST /v1/responses");
  EXPECT_TRUE(list[0].provider_host);
  EXPECT_TRUE(list[0].is_requests());
  EXPECT_EQ(list[1].kind, "POST /v1/threads");
  EXPECT_EQ(list[1].connections, 2U);
}

TEST_F(UnseenTrackerTest, Bounded) {
  Start({.hosts = 10, .processes = 2, .libraries = 3});
  for (int i = 0; i < 100; ++i) {
    tracker_->OnTlsSocket(Socket(absl::StrCat("host", i, ".test")), {});
    tracker_->OnLibraryFound({.process = kProcess, .path = absl::StrCat("/lib/", i)});
    tracker_->OnLibraryFound({.process = {.pid = 100U + i}, .path = "/lib/x"});
  }
  EXPECT_EQ(tracker_->List().size(), 10U);
  EXPECT_EQ(tracker_->Processes().size(), 2U);
  EXPECT_EQ(tracker_->Processes()[0].libraries.size(), 3U);
  EXPECT_GT(tracker_->dropped(), 200U);
}

}  // namespace
}  // namespace sonde::calls
