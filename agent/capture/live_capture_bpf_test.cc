// Sockets, selection by cgroup, processes and a real OpenSSL, in the running kernel. Everything is
// on loopback, between processes that the test starts.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/capture/clock.h"
#include "agent/capture/live_capture.h"
#include "agent/capture/testing/harness.h"

namespace sonde::capture {
namespace {

using events::CloseReason;
using events::Direction;
using events::Role;
using ::testing::AllOf;
using testing::Child;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Recorder;
using testing::RunToExit;
using ::testing::SizeIs;

/// A listening socket on loopback.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd_, 8) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  int fd() const { return fd_; }
  uint16_t port() const { return port_; }

  int Connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return -1;
    return fd;
  }

 private:
  int fd_;
  uint16_t port_ = 0;
};

bool Put(int fd, const std::string& text) {
  return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

class LiveCaptureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = testing::CannotCapture(); !why.empty()) GTEST_SKIP() << why;
    CaptureOptions options;
    options.ring_bytes = 4U << 20;
    absl::StatusOr<std::unique_ptr<CaptureSource>> capture =
        LiveCapture::Create(options, &recorder_);
    ASSERT_TRUE(capture.ok()) << capture.status();
    capture_ = *std::move(capture);
  }

  void Run(std::function<int()> work) {
    Child child(std::move(work));
    const absl::Status selected = capture_->SelectProcessTree(static_cast<uint32_t>(child.pid()));
    ASSERT_TRUE(selected.ok()) << selected;
    ASSERT_EQ(RunToExit(capture_.get(), recorder_, &child), 0);
    EXPECT_THAT(recorder_.All<events::Loss>(), IsEmpty());
  }

  std::string Out(size_t connection) {
    return recorder_.Stream(recorder_.Connections().at(connection), Direction::kOut);
  }
  std::string In(size_t connection) {
    return recorder_.Stream(recorder_.Connections().at(connection), Direction::kIn);
  }

  Recorder recorder_;
  std::unique_ptr<CaptureSource> capture_;
};

TEST_F(LiveCaptureTest, PlainSocketsInAllForms) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    char buffer[64];
    char one[] = "one ";
    char two[] = "two ";
    iovec parts[] = {{one, 4}, {two, 4}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    if (!Put(out, "GET ") || send(out, "send ", 5, 0) != 5 || writev(out, parts, 2) != 8 ||
        sendmsg(out, &message, 0) != 8) {
      return 1;
    }
    // Peeks and failures move nothing.
    if (recv(in, buffer, 4, MSG_PEEK) != 4 || read(in, buffer, 4) != 4) return 2;
    if (recv(in, buffer, 5, 0) != 5 || readv(in, parts, 2) != 8) return 3;
    message.msg_flags = 0;
    if (recvmsg(in, &message, 0) != 8 || recv(in, buffer, 1, MSG_DONTWAIT) != -1) return 4;
    close(out);
    if (read(in, buffer, 1) != 0) return 5;
    close(in);
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), "GET send one two one two ");
  EXPECT_EQ(In(0), "");
  EXPECT_EQ(In(1), "GET send one two one two ");
  const auto info = recorder_.All<events::ConnectionInfo>();
  ASSERT_THAT(info, SizeIs(2));
  EXPECT_EQ(info[0].role, Role::kClient);
  EXPECT_EQ(info[0].peer_address, "127.0.0.1");
  EXPECT_EQ(info[0].peer_port, listener.port());
  EXPECT_EQ(info[1].role, Role::kServer);
  const auto ended = recorder_.All<events::StreamEnded>();
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].connection, recorder_.Connections()[1]);
  EXPECT_FALSE(ended[0].error);
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(2));
  EXPECT_EQ(closed[0].reason, CloseReason::kClosed);
  EXPECT_EQ(closed[0].bytes[0], 25U);
}

TEST_F(LiveCaptureTest, AReadOfNothingIsNoEnd) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    char buffer[8];
    iovec parts[] = {{buffer, 0}, {buffer, 0}, {buffer, 4}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    if (!Put(out, "some more")) return 1;
    if (read(in, buffer, 0) != 0 || recv(in, nullptr, 0, 0) != 0) return 2;
    if (recvmsg(in, &message, 0) != 0 || readv(in, parts, 2) != 0) return 3;
    message.msg_iovlen = 0;
    if (recvmsg(in, &message, 0) != 0) return 4;
    if (readv(in, parts, 3) != 4 || read(in, buffer, 5) != 5) return 5;
    close(out);
    // The end, told through a vector whose first parts are empty.
    return readv(in, parts, 3) == 0 && Put(in, "after") ? 0 : 6;
  });
  EXPECT_EQ(In(1), "some more");
  const auto& events = recorder_.events();
  const auto at = [&events](auto matches) {
    return std::find_if(events.begin(), events.end(), matches) - events.begin();
  };
  const auto ended = recorder_.All<events::StreamEnded>();
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].direction, Direction::kIn);
  EXPECT_FALSE(ended[0].error);
  const auto first_end = at([](const events::Event& event) {
    return std::holds_alternative<events::StreamEnded>(event);
  });
  const auto last_byte = at([](const events::Event& event) {
    const auto* data = std::get_if<events::Data>(&event);
    return data != nullptr && data->direction == Direction::kIn && data->offset > 0;
  });
  EXPECT_GT(first_end, last_byte);
}

TEST_F(LiveCaptureTest, AnErrorOfTheCallAloneIsNoEnd) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    char buffer[8];
    void* const nobodys = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (recv(in, buffer, 8, MSG_DONTWAIT) != -1 || errno != EAGAIN) return 1;
    if (!Put(out, "some more")) return 2;
    if (read(in, nobodys, 8) != -1 || errno != EFAULT) return 3;
    if (send(out, nobodys, 8, 0) != -1 || errno != EFAULT) return 4;
    return read(in, buffer, 4) == 4 && read(in, buffer, 5) == 5 ? 0 : 5;
  });
  EXPECT_EQ(In(1), "some more");
  EXPECT_THAT(recorder_.All<events::StreamEnded>(), IsEmpty());
}

TEST_F(LiveCaptureTest, ManyMessagesAtOnceAreAHoleOfKnownLength) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    char one[40] = "0123456789";
    iovec parts[] = {{one, 10}, {one, 5}};
    constexpr int kMessages = 40;  // More than one row of the kernel program's loop.
    mmsghdr messages[kMessages] = {};
    for (mmsghdr& message : messages) {
      message.msg_hdr.msg_iov = parts;
      message.msg_hdr.msg_iovlen = 2;
    }
    if (!Put(out, "head") || sendmmsg(out, messages, kMessages, 0) != kMessages) return 1;
    if (!Put(out, "tail") || read(in, one, 4) != 4) return 2;
    size_t left = kMessages * 15;
    while (left > 0) {
      // Each message takes what fits into its parts.
      const int got = recvmmsg(in, messages, std::min<unsigned>(kMessages, left / 15), 0, nullptr);
      if (got <= 0) return 3;
      for (int i = 0; i < got; ++i) left -= messages[i].msg_len;
    }
    return read(in, one, sizeof(one)) == 4 ? 0 : 4;
  });
  EXPECT_EQ(Out(0), "head<600>tail");
  EXPECT_EQ(In(1), "head<600>tail");
}

TEST_F(LiveCaptureTest, VectorsWithoutAPosition) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    char one[] = "one ";
    iovec part = {one, 4};
    if (pwritev2(out, &part, 1, -1, 0) != 4 || preadv2(in, &part, 1, -1, 0) != 4) return 1;
    if (pwritev2(out, &part, 1, 0, 0) != -1) return 2;  // A socket has no positions.
    return Put(out, "two") ? 0 : 3;
  });
  EXPECT_EQ(Out(0), "one two");
  EXPECT_EQ(In(1), "one ");
}

TEST_F(LiveCaptureTest, SpliceIsAHoleOnTheSocketsSide) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    int ends[2];
    if (pipe(ends) != 0 || !Put(ends[1], "0123456789")) return 1;
    if (!Put(out, "head") || splice(ends[0], nullptr, out, nullptr, 10, 0) != 10) return 2;
    char buffer[4];
    if (read(in, buffer, 4) != 4 || splice(in, nullptr, ends[1], nullptr, 10, 0) != 10) return 3;
    return Put(out, "tail") && read(in, buffer, 4) == 4 ? 0 : 4;
  });
  EXPECT_EQ(Out(0), "head<10>tail");
  EXPECT_EQ(In(1), "head<10>tail");
}

TEST_F(LiveCaptureTest, AnIoUringIsTold) {
  Run([] {
    char parameters[120] = {};  // struct io_uring_params
    // Where it is switched off there is nothing that could go by unseen.
    const long ring = syscall(SYS_io_uring_setup, 4, parameters);
    return ring >= 0 || errno == ENOSYS || errno == EPERM ? 0 : 1;
  });
  char parameters[120] = {};
  const bool allowed = syscall(SYS_io_uring_setup, 4, parameters) >= 0;
  size_t told = 0;
  for (const auto& found : recorder_.All<events::LibraryFound>()) {
    if (found.family == "io_uring") ++told;
  }
  EXPECT_EQ(told, allowed ? 1U : 0U);
}

TEST_F(LiveCaptureTest, ManySmallPartsAndALargeVector) {
  const Listener listener;
  Run([&listener] {
    Child reader([&listener] {
      const int in = accept(listener.fd(), nullptr, nullptr);
      char buffer[65536];
      while (read(in, buffer, sizeof(buffer)) > 0) {
      }
      return 0;
    });
    reader.Start();
    const int out = listener.Connect();
    std::string head(10, 'h');
    std::string body(300'000, 'b');
    for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
    iovec parts[] = {{head.data(), head.size()}, {body.data(), 0}, {body.data(), body.size()}};
    if (writev(out, parts, 3) != 300'010) return 1;
    close(out);
    return reader.Wait();
  });
  std::string body(300'000, 'b');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
  const std::string all = std::string(10, 'h') + body;
  const size_t client = recorder_.All<events::ConnectionInfo>().at(0).role == Role::kClient ? 0 : 1;
  EXPECT_TRUE(Out(client) == all.substr(0, 192 * 1024) + "<" +
                                 std::to_string(300'010 - 256 * 1024) + ">" +
                                 all.substr(300'010 - 64 * 1024));
}

TEST_F(LiveCaptureTest, SendfileIsAHoleOfKnownLength) {
  const Listener listener;
  Run([&listener] {
    const int out = listener.Connect();
    const int file = open("/proc/self/exe", O_RDONLY);
    off_t offset = 0;
    if (!Put(out, "PUT ") || sendfile(out, file, &offset, 100) != 100 || !Put(out, " end")) {
      return 1;
    }
    return 0;
  });
  EXPECT_EQ(Out(0), "PUT <100> end");
}

TEST_F(LiveCaptureTest, FilesAndPipesAreNeverCaptured) {
  Run([] {
    int ends[2];
    char buffer[16];
    const int file = open("/proc/self/comm", O_RDONLY);
    if (pipe(ends) != 0 || !Put(ends[1], "pipe") || read(ends[0], buffer, 4) != 4) return 1;
    if (read(file, buffer, sizeof(buffer)) <= 0) return 2;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || !Put(pair[0], "local")) return 3;
    return read(pair[1], buffer, 5) == 5 ? 0 : 4;
  });
  EXPECT_THAT(recorder_.Connections(), IsEmpty());
  EXPECT_THAT(recorder_.All<events::Data>(), IsEmpty());
}

TEST_F(LiveCaptureTest, DescriptorsAreReusedAndDuplicated) {
  const Listener listener;
  Run([&listener] {
    int fd = listener.Connect();
    if (!Put(fd, "first")) return 1;
    close(fd);
    fd = listener.Connect();
    const int copy = dup(fd);
    close(fd);  // The connection lives on under its other number.
    if (!Put(copy, "second")) return 2;
    const int other = listener.Connect();
    if (dup2(other, copy) != copy) return 3;  // Ends the second connection.
    if (!Put(copy, "third") || !Put(other, " too")) return 4;
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(3));
  EXPECT_EQ(Out(0), "first");
  EXPECT_EQ(Out(1), "second");
  EXPECT_EQ(Out(2), "third too");
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(3));
  EXPECT_EQ(closed[0].connection, recorder_.Connections()[0]);
  EXPECT_EQ(closed[1].connection, recorder_.Connections()[1]);
  EXPECT_EQ(closed[1].reason, CloseReason::kClosed);
  EXPECT_EQ(closed[2].reason, CloseReason::kExit);
}

TEST_F(LiveCaptureTest, ATlsSocketGivesItsHelloAndTotals) {
  const Listener listener;
  // A record of 20 bytes, then what only a TLS library could read.
  const std::string hello = std::string("\x16\x03\x01\x00\x14", 5) + std::string(20, 'h');
  Run([&] {
    const int out = listener.Connect();
    const int in = accept(listener.fd(), nullptr, nullptr);
    char buffer[1024];
    if (!Put(out, hello.substr(0, 5)) || !Put(out, hello.substr(5) + "SECRET")) return 1;
    if (read(in, buffer, sizeof(buffer)) <= 0 || !Put(in, "\x16\x03\x03 SECRET")) return 2;
    if (read(out, buffer, sizeof(buffer)) <= 0 || !Put(out, "MORE SECRET")) return 3;
    close(out);
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), hello + "<6>");
  for (const auto& data : recorder_.All<events::Data>()) {
    EXPECT_EQ(data.bytes.find("SECRET"), std::string::npos);
  }
  EXPECT_EQ(recorder_.All<events::ConnectionClosed>()[0].bytes[0], hello.size() + 6 + 11);
}

TEST_F(LiveCaptureTest, QuicIsNamedOnceAndOtherDatagramsAreNot) {
  Run([] {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const uint16_t port : {53, 443, 443}) {
      address.sin_port = htons(port);
      sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    }
    return 0;
  });
  const auto info = recorder_.All<events::ConnectionInfo>();
  ASSERT_THAT(info, SizeIs(1));
  EXPECT_TRUE(info[0].datagram);
  EXPECT_THAT(recorder_.All<events::Data>(), IsEmpty());
}

TEST_F(LiveCaptureTest, AConnectionOlderThanTheSelectionIsMidStream) {
  const Listener listener;
  Child child([&listener] {
    const int fd = listener.Connect();
    return Put(fd, "before") && kill(getpid(), SIGSTOP) == 0 && Put(fd, "after") ? 0 : 1;
  });
  const auto pid = static_cast<uint32_t>(child.pid());
  child.Start();
  const auto stopped = [pid] {
    std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
    std::string text;
    std::getline(stat, text);
    return text.find(") T ") != std::string::npos;
  };
  ASSERT_TRUE(testing::PollUntil(capture_.get(), stopped));
  ASSERT_TRUE(capture_->SelectProcessTree(pid).ok());
  ASSERT_EQ(kill(child.pid(), SIGCONT), 0);
  ASSERT_TRUE(testing::PollUntil(capture_.get(),
                                 [&] { return !recorder_.All<events::ProcessExited>().empty(); }));
  const auto opened = recorder_.All<events::ConnectionOpened>();
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_TRUE(opened[0].mid_stream);
  EXPECT_EQ(Out(0), "after");
  EXPECT_EQ(recorder_.All<events::ConnectionInfo>().at(0).peer_port, listener.port());
}

TEST_F(LiveCaptureTest, ExecBeginsANewImage) {
  Run([] {
    execl("/bin/sh", "sh", "-c", "/bin/true; exec /bin/true", nullptr);
    return 1;
  });
  std::vector<std::string> started;
  for (const auto& one : recorder_.All<events::ProcessStarted>()) {
    if (one.by_exec) started.push_back(absl::StrCat(one.process.exec_generation, " ", one.comm));
  }
  // Whether "/bin/true;" is forked and executed is the shell's business: its child is the second.
  EXPECT_THAT(started, ::testing::IsSupersetOf({"1 sh", "1 true", "2 true"}));
  EXPECT_THAT(recorder_.All<events::ProcessExited>(), SizeIs(2));
}

/// A TLS conversation through memory, client and server in this process.
class MemoryTls {
 public:
  MemoryTls() {
    SSL_CTX* context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    // Without certificates: an anonymous exchange is enough to move bytes.
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "aNULL:@SECLEVEL=0");
    SSL_CTX_set_dh_auto(context, 1);
    client_ = SSL_new(context);
    server_ = SSL_new(context);
    BIO* one = nullptr;
    BIO* two = nullptr;
    BIO_new_bio_pair(&one, 1 << 20, &two, 1 << 20);
    SSL_set_bio(client_, one, one);
    SSL_set_bio(server_, two, two);
    SSL_set_connect_state(client_);
    SSL_set_accept_state(server_);
    SSL_CTX_free(context);
  }
  ~MemoryTls() {
    SSL_free(client_);
    SSL_free(server_);
  }
  bool Handshake() {
    for (int i = 0; i < 10; ++i) {
      const int done = SSL_do_handshake(client_);
      if (SSL_do_handshake(server_) == 1 && done == 1) return true;
    }
    return false;
  }
  SSL* client() { return client_; }
  SSL* server() { return server_; }

 private:
  SSL* client_ = nullptr;
  SSL* server_ = nullptr;
};

TEST_F(LiveCaptureTest, ARealOpenssl) {
  ASSERT_TRUE(capture_->AttachCommandAhead("true", "/bin", "/").ok());
  Run([] {
    for (int round = 0; round < 2; ++round) {
      MemoryTls tls;
      if (!tls.Handshake()) return 1;
      char buffer[20000];
      size_t length = 0;
      const std::string body(18'000, 'b');
      if (SSL_write(tls.client(), "request", 7) != 7) return 2;
      if (SSL_peek(tls.server(), buffer, 3) != 3) return 3;
      if (SSL_read_ex(tls.server(), buffer, sizeof(buffer), &length) != 1 || length != 7) return 4;
      if (SSL_write_ex(tls.server(), body.data(), body.size(), &length) != 1) return 5;
      size_t got = 0;
      while (got < body.size()) {
        const int one = SSL_read(tls.client(), buffer, sizeof(buffer));
        if (one <= 0) return 6;
        got += static_cast<size_t>(one);
      }
      if (SSL_read(tls.client(), buffer, 1) != -1 ||
          SSL_get_error(tls.client(), -1) != SSL_ERROR_WANT_READ) {
        return 7;
      }
      SSL_shutdown(tls.server());
      if (SSL_read(tls.client(), buffer, 1) != 0 ||
          SSL_get_error(tls.client(), 0) != SSL_ERROR_ZERO_RETURN) {
        return 8;
      }
    }
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(4));
  for (const size_t client : {0, 2}) {
    EXPECT_EQ(Out(client), "request");
    EXPECT_EQ(In(client), std::string(18'000, 'b'));
    EXPECT_EQ(In(client + 1), "request");
    EXPECT_EQ(Out(client + 1), std::string(18'000, 'b'));
  }
  EXPECT_EQ(recorder_.All<events::Data>()[0].role, Role::kClient);
  EXPECT_THAT(recorder_.All<events::ConnectionClosed>(), SizeIs(4));
  size_t in_ended = 0;
  for (const auto& ended : recorder_.All<events::StreamEnded>()) {
    if (ended.direction == Direction::kIn) ++in_ended;
  }
  EXPECT_EQ(in_ended, 2U);
  const auto libraries = recorder_.All<events::LibraryFound>();
  ASSERT_FALSE(libraries.empty());
  EXPECT_EQ(libraries[0].family, "openssl");
  EXPECT_EQ(libraries[0].rung, ".dynsym");
  EXPECT_TRUE(libraries[0].attached) << libraries[0].problem;
}

TEST_F(LiveCaptureTest, ARealOpensslDuplicatesByOneMoreOwner) {
  ASSERT_TRUE(capture_->AttachCommandAhead("true", "/bin", "/").ok());
  Run([] {
    MemoryTls tls;
    if (!tls.Handshake() || SSL_write(tls.client(), "one ", 4) != 4) return 1;
    if (SSL_dup(tls.client()) != tls.client()) return 2;
    SSL_free(tls.client());
    return SSL_write(tls.client(), "two", 3) == 3 ? 0 : 3;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), "one two");
  EXPECT_THAT(recorder_.All<events::ConnectionClosed>(), SizeIs(2));
}

/// A cgroup directory that goes with the test.
class TestCgroup {
 public:
  explicit TestCgroup(const std::string& hierarchy)
      : path_(absl::StrCat(hierarchy, "/sonde-test-", getpid())) {
    made_ = mkdir(path_.c_str(), 0755) == 0;
  }
  ~TestCgroup() {
    // A dead process leaves its cgroup a moment after it was waited for.
    const uint64_t deadline = MonotonicNs() + 20'000'000'000;
    bool busy = made_;
    while (busy && MonotonicNs() < deadline) {
      busy = rmdir(path_.c_str()) != 0 && errno == EBUSY;
      if (busy) sched_yield();
    }
    EXPECT_FALSE(busy) << path_ << " is left over";
  }
  bool made() const { return made_; }
  const std::string& path() const { return path_; }
  bool Move(pid_t pid) const {
    std::ofstream procs(path_ + "/cgroup.procs");
    procs << pid << std::flush;
    return procs.good();
  }

 private:
  std::string path_;
  bool made_ = false;
};

class CgroupTest : public LiveCaptureTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(CgroupTest, SelectsWhatIsInsideAndBelow) {
  if (!std::filesystem::exists(absl::StrCat(GetParam(), "/cgroup.procs"))) {
    GTEST_SKIP() << "no cgroup hierarchy at " << GetParam();
  }
  const TestCgroup group(GetParam());
  ASSERT_TRUE(group.made());
  const Listener listener;
  const auto talk = [&listener](const char* text) {
    return [&listener, text] { return Put(listener.Connect(), text) ? 0 : 1; };
  };
  Child early(talk("early"));
  Child late(talk("late"));
  Child outside(talk("outside"));
  ASSERT_TRUE(group.Move(early.pid()));
  const absl::Status selected = capture_->SelectCgroup(group.path());
  ASSERT_TRUE(selected.ok()) << selected;
  const TestCgroup below(group.path());
  ASSERT_TRUE(below.made());
  ASSERT_TRUE(below.Move(late.pid()));
  outside.Start();
  EXPECT_EQ(outside.Wait(), 0);
  EXPECT_EQ(RunToExit(capture_.get(), recorder_, &early), 0);
  EXPECT_EQ(RunToExit(capture_.get(), recorder_, &late), 0);
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), "early");
  EXPECT_EQ(Out(1), "late");
  EXPECT_THAT(recorder_.All<events::ProcessStarted>(), SizeIs(2));

  Child after(talk("after"));
  ASSERT_TRUE(group.Move(after.pid()));
  ASSERT_TRUE(capture_->DeselectCgroup(group.path()).ok());
  after.Start();
  EXPECT_EQ(after.Wait(), 0);
  ASSERT_TRUE(capture_->Drain().ok());
  EXPECT_THAT(recorder_.Connections(), SizeIs(2));
}

/// A child that writes a word each time it is told to.
class Talker {
 public:
  explicit Talker(const Listener& listener)
      : step_(static_cast<std::atomic<int>*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
        child_([this, &listener] {
          const int fd = listener.Connect();
          for (int said = 0; said < 3;) {
            if (step_->load() % 2 == 0) {
              sched_yield();
              continue;
            }
            if (!Put(fd, absl::StrCat("word", ++said, " "))) return 1;
            step_->fetch_add(1);
          }
          return 0;
        }) {}
  ~Talker() { munmap(step_, 4096); }
  Child& child() { return child_; }
  bool Say(CaptureSource* capture) {
    const int before = step_->fetch_add(1);
    return testing::PollUntil(capture, [&] { return step_->load() == before + 2; }) &&
           capture->Drain().ok();
  }
  /// While the records stay in the ring.
  bool SayUnread() {
    const int before = step_->fetch_add(1);
    const uint64_t deadline = MonotonicNs() + 20'000'000'000;
    while (step_->load() != before + 2 && MonotonicNs() < deadline) sched_yield();
    return step_->load() == before + 2;
  }

 private:
  std::atomic<int>* step_;
  Child child_;
};

TEST_P(CgroupTest, WhatLeavesIsReadNoMoreAndItsConnectionsEnd) {
  if (!std::filesystem::exists(absl::StrCat(GetParam(), "/cgroup.procs"))) {
    GTEST_SKIP() << "no cgroup hierarchy at " << GetParam();
  }
  const TestCgroup group(GetParam());
  ASSERT_TRUE(group.made());
  const TestCgroup below(group.path());
  const Listener listener;
  Talker talker(listener);
  ASSERT_TRUE(group.Move(talker.child().pid()));
  ASSERT_TRUE(capture_->SelectCgroup(group.path()).ok());
  talker.child().Start();
  ASSERT_TRUE(talker.Say(capture_.get()));
  // A move within the selection is no leaving.
  ASSERT_TRUE(below.Move(talker.child().pid()));
  ASSERT_TRUE(talker.Say(capture_.get()));
  EXPECT_THAT(recorder_.All<events::ConnectionClosed>(), IsEmpty());
  std::ofstream(absl::StrCat(GetParam(), "/cgroup.procs")) << talker.child().pid() << std::flush;
  ASSERT_TRUE(capture_->Drain().ok());
  EXPECT_THAT(recorder_.All<events::ConnectionClosed>(), SizeIs(1));
  ASSERT_TRUE(talker.Say(capture_.get()));
  EXPECT_EQ(Out(0), "word1 word2 ");
  EXPECT_THAT(recorder_.Connections(), SizeIs(1));
  EXPECT_EQ(talker.child().Wait(), 0);
}

TEST_P(CgroupTest, WhatComesBackBeginsAnew) {
  if (!std::filesystem::exists(absl::StrCat(GetParam(), "/cgroup.procs"))) {
    GTEST_SKIP() << "no cgroup hierarchy at " << GetParam();
  }
  const TestCgroup group(GetParam());
  ASSERT_TRUE(group.made());
  const Listener listener;
  Talker talker(listener);
  ASSERT_TRUE(group.Move(talker.child().pid()));
  ASSERT_TRUE(capture_->SelectCgroup(group.path()).ok());
  talker.child().Start();
  ASSERT_TRUE(talker.Say(capture_.get()));
  // Away and back, before any of it is read: what was said away is in no stream's offsets.
  std::ofstream(absl::StrCat(GetParam(), "/cgroup.procs")) << talker.child().pid() << std::flush;
  ASSERT_TRUE(talker.SayUnread());
  ASSERT_TRUE(group.Move(talker.child().pid()));
  ASSERT_TRUE(talker.SayUnread());
  EXPECT_EQ(talker.child().Wait(), 0);
  ASSERT_TRUE(capture_->Drain().ok());
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), "word1 ");
  EXPECT_EQ(Out(1), "word3 ");
  EXPECT_TRUE(recorder_.All<events::ConnectionOpened>()[1].mid_stream);
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(2));
  EXPECT_EQ(closed[0].connection, recorder_.Connections()[0]);
  EXPECT_EQ(closed[0].bytes[0], 6U);
  EXPECT_EQ(closed[0].reason, CloseReason::kEvicted);
  EXPECT_EQ(closed[1].connection, recorder_.Connections()[1]);
}

TEST_P(CgroupTest, DeselectingEndsConnectionsAtOnce) {
  if (!std::filesystem::exists(absl::StrCat(GetParam(), "/cgroup.procs"))) {
    GTEST_SKIP() << "no cgroup hierarchy at " << GetParam();
  }
  const TestCgroup group(GetParam());
  ASSERT_TRUE(group.made());
  const TestCgroup below(group.path());
  const Listener listener;
  Talker inner(listener);
  Talker outer(listener);
  ASSERT_TRUE(below.Move(inner.child().pid()));
  ASSERT_TRUE(group.Move(outer.child().pid()));
  ASSERT_TRUE(capture_->SelectCgroup(group.path()).ok());
  ASSERT_TRUE(capture_->SelectCgroup(below.path()).ok());
  outer.child().Start();
  ASSERT_TRUE(outer.Say(capture_.get()));
  inner.child().Start();
  ASSERT_TRUE(inner.Say(capture_.get()));
  ASSERT_TRUE(capture_->DeselectCgroup(group.path()).ok());
  // The process that did nothing meanwhile too; the one that is selected still goes on.
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].connection, recorder_.Connections()[0]);
  ASSERT_TRUE(outer.Say(capture_.get()));
  ASSERT_TRUE(inner.Say(capture_.get()));
  EXPECT_EQ(Out(0), "word1 ");
  EXPECT_EQ(Out(1), "word1 word2 ");
  EXPECT_THAT(recorder_.Connections(), SizeIs(2));
}

TEST_P(CgroupTest, RefusesTheRoot) {
  if (!std::filesystem::exists(absl::StrCat(GetParam(), "/cgroup.procs"))) {
    GTEST_SKIP() << "no cgroup hierarchy at " << GetParam();
  }
  const absl::Status status = capture_->SelectCgroup(GetParam());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("whole host"));
}

INSTANTIATE_TEST_SUITE_P(Hierarchies, CgroupTest,
                         ::testing::Values("/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids",
                                           "/sys/fs/cgroup/memory", "/sys/fs/cgroup"));

TEST_F(LiveCaptureTest, WhatIsNoCgroupIsRefused) {
  EXPECT_EQ(capture_->SelectCgroup("/proc").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(capture_->SelectCgroup("/nowhere").code(), absl::StatusCode::kNotFound);
}

TEST_F(LiveCaptureTest, RingSizesThatCannotBeAreRefused) {
  CaptureOptions options;
  options.ring_bytes = 5000;
  EXPECT_EQ(LiveCapture::Create(options, &recorder_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(LiveCaptureTest, TicksAndTheClockGoOn) {
  ASSERT_TRUE(testing::PollUntil(capture_.get(),
                                 [&] { return recorder_.All<events::Tick>().size() >= 3; }));
  const auto ticks = recorder_.All<events::Tick>();
  EXPECT_LT(ticks[2].ns - ticks[1].ns, 300'000'000U);
  EXPECT_THAT(recorder_.All<events::ClockOffset>(), SizeIs(1));
}

}  // namespace
}  // namespace sonde::capture
