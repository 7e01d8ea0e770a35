// The OpenSSL programs in the kernel, against a library that does what the test says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <string>
#include <thread>

#include "agent/capture/clock.h"
#include "agent/capture/live_capture.h"
#include "agent/capture/testing/fake_ssl.h"
#include "agent/capture/testing/harness.h"

namespace sonde::capture {
namespace {

using events::CloseReason;
using events::Direction;
using events::Role;
using testing::Child;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Recorder;
using testing::RunToExit;
using ::testing::SizeIs;

// Handles that only the kernel's programs ever look at.
void* const kOne = reinterpret_cast<void*>(0x1000);
void* const kTwo = reinterpret_cast<void*>(0x2000);

int Write(void* ssl, const std::string& text) {
  fake_ssl_result = static_cast<int>(text.size());
  return SSL_write(ssl, text.data(), static_cast<int>(text.size()));
}

int Read(void* ssl, std::string text) {
  fake_ssl_result = static_cast<int>(text.size());
  return SSL_read(ssl, text.data(), static_cast<int>(text.size()));
}

void* New(void* object) {
  fake_ssl_object = object;
  return SSL_new(nullptr);
}

class FakeSslTest : public ::testing::Test {
 protected:
  virtual ProbeMechanism mechanism() const { return ProbeMechanism::kAuto; }

  void SetUp() override {
    if (const std::string why = testing::CannotCapture(); !why.empty()) GTEST_SKIP() << why;
    CaptureOptions options;
    options.sockets = false;
    options.ring_bytes = 4U << 20;
    options.mechanism = mechanism();
    absl::StatusOr<std::unique_ptr<CaptureSource>> capture =
        LiveCapture::Create(options, &recorder_);
    ASSERT_TRUE(capture.ok()) << capture.status();
    capture_ = *std::move(capture);
    const absl::Status attached = capture_->AttachFileAhead(SONDE_FAKE_SSL);
    ASSERT_TRUE(attached.ok()) << attached;
  }

  /// Runs `work` in a selected child.
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

TEST_F(FakeSslTest, WritesAndReadsKeepTheirOffsets) {
  Run([] {
    New(kOne);
    SSL_connect(kOne);
    Write(kOne, "abc");
    Write(kOne, "defg");
    Read(kOne, "xyz");
    SSL_free(kOne);
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(1));
  EXPECT_EQ(Out(0), "abcdefg");
  EXPECT_EQ(In(0), "xyz");
  for (const auto& data : recorder_.All<events::Data>()) {
    EXPECT_EQ(data.role, Role::kClient);
    EXPECT_LE(data.entry_ns, data.exit_ns);
    EXPECT_FALSE(data.concurrent);
  }
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].reason, CloseReason::kFreed);
  EXPECT_EQ(closed[0].bytes[0], 7U);
  EXPECT_EQ(closed[0].bytes[1], 3U);
  EXPECT_FALSE(recorder_.All<events::ConnectionOpened>()[0].mid_stream);
}

TEST_F(FakeSslTest, NestedFormsCountOnce) {
  Run([] {
    size_t length = 0;
    std::string text = "hello";
    New(kOne);
    fake_ssl_result = 5;
    SSL_write_ex(kOne, text.data(), text.size(), &length);
    SSL_read_ex(kOne, text.data(), text.size(), &length);
    SSL_write_ex(kOne, text.data(), text.size(), &length);
    return 0;
  });
  EXPECT_EQ(Out(0), "hellohello");
  EXPECT_EQ(In(0), "hello");
}

TEST_F(FakeSslTest, PeeksMoveNothing) {
  Run([] {
    std::string text = "hello";
    New(kOne);
    fake_ssl_result = 5;
    SSL_peek(kOne, text.data(), 5);
    SSL_peek(kOne, text.data(), 5);
    Read(kOne, "hello");
    return 0;
  });
  EXPECT_EQ(In(0), "hello");
}

TEST_F(FakeSslTest, FailuresMoveNothing) {
  Run([] {
    std::string text = "hello";
    New(kOne);
    for (const int result : {-1, 0}) {
      size_t length = 77;
      fake_ssl_result = result;
      SSL_write(kOne, text.data(), 5);
      SSL_read_ex(kOne, text.data(), 5, &length);
    }
    Write(kOne, "x");
    return 0;
  });
  EXPECT_EQ(Out(0), "x");
  EXPECT_EQ(In(0), "");
}

TEST_F(FakeSslTest, EachLifeOfAnAddressIsAConnection) {
  Run([] {
    for (const char* text : {"first", "second"}) {
      New(kOne);
      Write(kOne, text);
      SSL_free(kOne);
    }
    New(kOne);
    Write(kOne, "third");
    SSL_clear(kOne);
    Write(kOne, "fourth");
    return 0;
  });
  const auto connections = recorder_.Connections();
  ASSERT_THAT(connections, SizeIs(4));
  EXPECT_EQ(Out(0), "first");
  EXPECT_EQ(Out(1), "second");
  EXPECT_EQ(Out(2), "third");
  EXPECT_EQ(Out(3), "fourth");
  for (size_t i = 1; i < connections.size(); ++i) {
    EXPECT_EQ(connections[i].handle, connections[0].handle);
    EXPECT_GT(connections[i].generation, connections[i - 1].generation);
  }
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(4));
  EXPECT_EQ(closed[3].reason, CloseReason::kExit);
}

TEST_F(FakeSslTest, AnObjectWithTwoOwnersLivesUntilTheLastLetsGo) {
  Run([] {
    New(kOne);
    SSL_up_ref(kOne);
    Write(kOne, "one ");
    SSL_free(kOne);
    Write(kOne, "two");
    SSL_clear(kOne);  // The owners stay.
    SSL_up_ref(kOne);
    Write(kOne, "three ");
    SSL_free(kOne);
    Write(kOne, "four");
    SSL_free(kOne);
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(2));
  EXPECT_EQ(Out(0), "one two");
  EXPECT_EQ(Out(1), "three four");
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(2));
  EXPECT_EQ(closed[1].reason, CloseReason::kFreed);
  EXPECT_EQ(closed[1].bytes[0], 10U);
}

TEST_F(FakeSslTest, ADuplicateThatIsTheObjectItselfIsOneMoreOwner) {
  Run([] {
    New(kOne);
    Write(kOne, "one ");
    fake_ssl_object = nullptr;
    SSL_dup(kOne);  // The object itself.
    SSL_free(kOne);
    Write(kOne, "two ");
    fake_ssl_object = kTwo;
    SSL_dup(kOne);  // Another object: the owners stay.
    SSL_free(kOne);
    return 0;
  });
  ASSERT_THAT(recorder_.Connections(), SizeIs(1));
  EXPECT_EQ(Out(0), "one two ");
  const auto closed = recorder_.All<events::ConnectionClosed>();
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].reason, CloseReason::kFreed);
}

TEST_F(FakeSslTest, ObjectsOlderThanTheProbesAreMidStream) {
  Run([] {
    Write(kOne, "late");
    SSL_do_handshake(kTwo);
    Write(kTwo, "early");
    return 0;
  });
  const auto opened = recorder_.All<events::ConnectionOpened>();
  ASSERT_THAT(opened, SizeIs(2));
  EXPECT_TRUE(opened[0].mid_stream);
  EXPECT_FALSE(opened[1].mid_stream);
}

TEST_F(FakeSslTest, LargeInvocationsAreHeadHoleTail) {
  constexpr size_t kSize = 1'000'003;
  Run([] {
    std::string text(kSize, '.');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
    New(kOne);
    Write(kOne, text);
    Write(kOne, "next");
    return 0;
  });
  std::string text(kSize, '.');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  const std::string expected = text.substr(0, 192 * 1024) + "<" +
                               std::to_string(kSize - 256 * 1024) + ">" +
                               text.substr(kSize - 64 * 1024) + "next";
  EXPECT_TRUE(Out(0) == expected);
  for (const auto& data : recorder_.All<events::Data>()) {
    EXPECT_EQ(data.after_gap, data.offset >= kSize - 64 * 1024 && data.offset < kSize);
  }
}

TEST_F(FakeSslTest, InvocationsOfExactlyTheLimitAreWhole) {
  constexpr size_t kSize = 256 * 1024;
  Run([] {
    New(kOne);
    Write(kOne, std::string(kSize, 'q'));
    Write(kOne, std::string(kSize + 1, 'r'));
    return 0;
  });
  EXPECT_TRUE(Out(0) == std::string(kSize, 'q') + std::string(192 * 1024, 'r') + "<1>" +
                            std::string(64 * 1024, 'r'));
}

TEST_F(FakeSslTest, SendfileIsAHole) {
  Run([] {
    New(kOne);
    Write(kOne, "head");
    SSL_sendfile(kOne, 0, 0, 12345, 0);
    Write(kOne, "tail");
    return 0;
  });
  EXPECT_EQ(Out(0), "head<12345>tail");
}

TEST_F(FakeSslTest, RolesNamesAndDescriptorsAreTold) {
  Run([] {
    char name[] = "api.example.test";
    New(kOne);
    SSL_set_fd(kOne, 17);
    SSL_ctrl(kOne, 55, 0, name);
    SSL_ctrl(kOne, 33, 0, name);
    New(kTwo);
    SSL_accept(kTwo);
    return 0;
  });
  std::vector<std::string> facts;
  for (const auto& info : recorder_.All<events::ConnectionInfo>()) {
    if (info.fd.has_value()) facts.push_back("fd " + std::to_string(*info.fd));
    if (info.server_name.has_value()) facts.push_back(*info.server_name);
    if (info.role.has_value()) facts.push_back(*info.role == Role::kClient ? "client" : "server");
  }
  EXPECT_THAT(facts, ElementsAre("fd 17", "api.example.test", "client", "server"));
}

TEST_F(FakeSslTest, ANameThatIsNotInMemoryYetIsRead) {
  const int file = memfd_create("name", MFD_CLOEXEC);
  constexpr char kName[] = "api.example.test";
  ASSERT_EQ(write(file, kName, sizeof(kName)), static_cast<ssize_t>(sizeof(kName)));
  Run([file] {
    // Mapped and not touched: as a literal of a program that nothing has looked at.
    void* name = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    New(kOne);
    SSL_ctrl(kOne, 55, 0, name);
    return 0;
  });
  close(file);
  const auto info = recorder_.All<events::ConnectionInfo>();
  ASSERT_THAT(info, SizeIs(1));
  EXPECT_EQ(info[0].server_name, kName);
}

TEST_F(FakeSslTest, ANameThatCannotBeReadIsNoLossOfData) {
  Run([] {
    New(kOne);
    fake_ssl_touch = 0;
    SSL_ctrl(kOne, 55, 0, mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    return 0;
  });
  EXPECT_THAT(recorder_.All<events::ConnectionInfo>(), IsEmpty());
  ASSERT_TRUE(capture_->Drain().ok());
  EXPECT_THAT(recorder_.All<events::Loss>(), IsEmpty());
  EXPECT_EQ(capture_->stats().losses.at("server_name_unreadable"), 1U);
}

TEST_F(FakeSslTest, StreamsEndByErrorAndByGoodbye) {
  Run([] {
    char byte = 0;
    fake_ssl_result = -1;
    New(kOne);
    for (const int error : {2, 3, 6, 6}) {  // WANT_READ, WANT_WRITE, then ZERO_RETURN twice.
      fake_ssl_error = error;
      SSL_read(kOne, &byte, 1);
      SSL_get_error(kOne, -1);
    }
    New(kTwo);
    fake_ssl_error = 5;  // SYSCALL, in a write.
    SSL_write(kTwo, &byte, 1);
    SSL_get_error(kTwo, -1);
    SSL_shutdown(kOne);
    SSL_shutdown(kOne);
    return 0;
  });
  const auto ended = recorder_.All<events::StreamEnded>();
  ASSERT_THAT(ended, SizeIs(3));
  EXPECT_EQ(ended[0].direction, Direction::kIn);
  EXPECT_FALSE(ended[0].error);
  EXPECT_EQ(ended[1].direction, Direction::kOut);
  EXPECT_TRUE(ended[1].error);
  EXPECT_EQ(ended[2].direction, Direction::kOut);
  EXPECT_FALSE(ended[2].error);
}

std::atomic<int> inside = 0;
void MeetInside() {
  ++inside;
  while (inside.load() < 2) std::this_thread::yield();
}

TEST_F(FakeSslTest, TwoThreadsInsideOneDirectionAreFlagged) {
  Run([] {
    New(kOne);
    Write(kOne, "alone");
    fake_ssl_result = 3;
    fake_ssl_inside_write = MeetInside;
    std::thread other([] { SSL_write(kOne, "two", 3); });
    SSL_write(kOne, "one", 3);
    other.join();
    fake_ssl_inside_write = nullptr;
    Write(kOne, "after");
    return 0;
  });
  const auto data = recorder_.All<events::Data>();
  ASSERT_THAT(data, SizeIs(4));
  EXPECT_FALSE(data[0].concurrent);
  EXPECT_TRUE(data[1].concurrent);
  EXPECT_TRUE(data[2].concurrent);
  EXPECT_FALSE(data[3].concurrent);
  EXPECT_NE(data[1].tid, data[2].tid);
}

TEST_F(FakeSslTest, VerdictsHoldForOneGenerationAndMuteAsHoles) {
  // The test answers each step of the child over shared memory.
  auto* step = static_cast<std::atomic<int>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(step, MAP_FAILED);
  Child child([step] {
    const auto meet = [step](int number) {
      step->store(number);
      while (step->load() == number) std::this_thread::yield();
    };
    New(kOne);
    Write(kOne, "seen");
    meet(1);
    Write(kOne, "0123456789");  // The prefix of 6 counts from the turn: "seen" used 4 of it.
    Read(kOne, "abcdefghij");
    Write(kOne, "ABCDEFGHIJ");
    meet(3);
    Write(kOne, "muted");
    meet(5);
    Write(kOne, "back");
    SSL_free(kOne);
    New(kOne);
    Write(kOne, "other life");
    return 0;
  });
  ASSERT_TRUE(capture_->SelectProcessTree(static_cast<uint32_t>(child.pid())).ok());
  child.Start();
  const auto at = [&](int number) {
    return testing::PollUntil(capture_.get(), [&] { return step->load() == number; }) &&
           capture_->Drain().ok();
  };
  ASSERT_TRUE(at(1));
  Verdict verdict{recorder_.Connections().at(0), CaptureMode::kPrefix, 6};
  ASSERT_TRUE(capture_->SetVerdict(verdict).ok());
  step->store(2);
  ASSERT_TRUE(at(3));
  verdict.mode = CaptureMode::kLengths;
  ASSERT_TRUE(capture_->SetVerdict(verdict).ok());
  step->store(4);
  ASSERT_TRUE(at(5));
  verdict.ttl_ns = 0;
  ASSERT_TRUE(capture_->SetVerdict(verdict).ok());
  step->store(6);
  ASSERT_TRUE(testing::PollUntil(capture_.get(),
                                 [&] { return !recorder_.All<events::ProcessExited>().empty(); }));
  EXPECT_EQ(Out(0), "seen01<8>ABCDEF<4><5>back");
  EXPECT_EQ(In(0), "abcdef<4>");
  EXPECT_EQ(Out(1), "other life");
  munmap(step, 4096);
}

TEST_F(FakeSslTest, UnselectedProcessesGiveNothing) {
  Child child([] {
    New(kOne);
    Write(kOne, "private");
    return 0;
  });
  child.Start();
  ASSERT_EQ(child.Wait(), 0);
  ASSERT_TRUE(capture_->Drain().ok());
  EXPECT_EQ(capture_->stats().records, 0U);
}

TEST_F(FakeSslTest, DeselectedProcessesGiveNothingMore) {
  auto* step = static_cast<std::atomic<int>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Child child([step] {
    New(kOne);
    Write(kOne, "seen");
    step->store(1);
    while (step->load() == 1) std::this_thread::yield();
    Write(kOne, "private");
    return 0;
  });
  const auto pid = static_cast<uint32_t>(child.pid());
  ASSERT_TRUE(capture_->SelectProcessTree(pid).ok());
  child.Start();
  ASSERT_TRUE(testing::PollUntil(capture_.get(), [&] { return step->load() == 1; }));
  ASSERT_TRUE(capture_->DeselectProcess(pid).ok());
  step->store(2);
  ASSERT_EQ(child.Wait(), 0);
  ASSERT_TRUE(capture_->Drain().ok());
  EXPECT_EQ(Out(0), "seen");
  EXPECT_THAT(recorder_.All<events::ConnectionClosed>(), SizeIs(1));
  EXPECT_EQ(capture_->DeselectProcess(pid).code(), absl::StatusCode::kNotFound);
  munmap(step, 4096);
}

TEST_F(FakeSslTest, ChildrenInheritTheSelection) {
  Run([] {
    Child grandchild([] {
      New(kOne);
      Write(kOne, "from below");
      return 0;
    });
    grandchild.Start();
    return grandchild.Wait();
  });
  const auto forked = recorder_.All<events::ProcessForked>();
  ASSERT_THAT(forked, SizeIs(1));
  ASSERT_THAT(recorder_.Connections(), SizeIs(1));
  EXPECT_EQ(recorder_.Connections()[0].process, forked[0].process);
  EXPECT_EQ(Out(0), "from below");
  EXPECT_THAT(recorder_.All<events::ProcessExited>(), SizeIs(2));
}

TEST_F(FakeSslTest, ItsOwnProcessIsRefused) {
  EXPECT_EQ(capture_->SelectProcessTree(static_cast<uint32_t>(getpid())).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(capture_->SelectProcessTree(0x3fffff).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FakeSslTest, ASmallRingLosesLoudly) {
  CaptureOptions options;
  options.sockets = false;
  options.ring_bytes = 4096;
  Recorder recorder;
  auto small = LiveCapture::Create(options, &recorder);
  ASSERT_TRUE(small.ok()) << small.status();
  ASSERT_TRUE((*small)->AttachFileAhead(SONDE_FAKE_SSL).ok());
  Child child([] {
    New(kOne);
    for (int i = 0; i < 20; ++i) Write(kOne, std::string(1000, 'x'));
    return 0;
  });
  ASSERT_TRUE((*small)->SelectProcessTree(static_cast<uint32_t>(child.pid())).ok());
  child.Start();
  ASSERT_EQ(child.Wait(), 0);  // Nobody reads meanwhile: the ring is full, the child is not held.
  ASSERT_TRUE((*small)->Drain().ok());
  (*small)->Stop();
  uint64_t lost = 0;
  for (const auto& loss : recorder.All<events::Loss>()) {
    if (loss.cause == "ring_full_data") lost += loss.count;
  }
  EXPECT_EQ(lost + recorder.All<events::Data>().size(), 20U);
  EXPECT_GT(lost, 10U);
}

class PerfEventTest : public FakeSslTest {
 protected:
  ProbeMechanism mechanism() const override { return ProbeMechanism::kPerfEvent; }
};

TEST_F(PerfEventTest, CapturesAsUprobeMultiDoes) {
  Run([] {
    size_t length = 0;
    std::string text = "hello";
    New(kOne);
    Write(kOne, "abc");
    fake_ssl_result = 5;
    SSL_write_ex(kOne, text.data(), text.size(), &length);
    Read(kOne, "xyz");
    SSL_free(kOne);
    return 0;
  });
  EXPECT_EQ(capture_->stats().mechanism, "perf_event");
  EXPECT_EQ(Out(0), "abchello");
  EXPECT_EQ(In(0), "xyz");
}

TEST_F(PerfEventTest, LettingGoDoesNotWait) {
  const uint64_t start = MonotonicNs();
  capture_->Stop();
  capture_.reset();
  // The kernel takes seconds to remove these probes; the keeper waits for that, nobody else.
  EXPECT_LT(MonotonicNs() - start, 200'000'000U);
}

}  // namespace
}  // namespace sonde::capture
