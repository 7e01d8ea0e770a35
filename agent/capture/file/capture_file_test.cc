// Round trips, cut files and hostile files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <string>
#include <vector>

#include "agent/capture/file/capture_reader.h"
#include "agent/capture/file/capture_writer.h"
#include "agent/capture/file/event_codec.h"

namespace sonde::capture {
namespace {

using events::Event;
using ::testing::HasSubstr;

const events::ProcessId kProcess{.pid = 4242, .start_ns = 123'450'000'000, .exec_generation = 1};
const events::ConnectionId kConnection{.process = kProcess,
                                       .transport = events::Transport::kTls,
                                       .handle = 0x7ffdcafe1230,
                                       .generation = 987'654'321};

std::vector<Event> OneOfEach() {
  return {
      events::ClockOffset{.ns = 1, .wall_minus_mono_ns = -5},
      events::ProcessStarted{.process = kProcess,
                             .parent_pid = 1,
                             .ns = 2,
                             .by_exec = true,
                             .uid = 1000,
                             .comm = "python3",
                             .executable = "/usr/bin/python3",
                             .command_line = "python3 agent.py",
                             .cgroup = "/user.slice"},
      events::ProcessForked{.process = kProcess, .parent = {.pid = 1, .start_ns = 3}, .ns = 4},
      events::LibraryFound{.process = kProcess,
                           .path = "/usr/lib/libssl.so.3",
                           .family = "openssl",
                           .rung = ".dynsym",
                           .attached = true,
                           .problem = "",
                           .mapped_ns = 5,
                           .attached_ns = 6},
      events::ConnectionOpened{
          .connection = kConnection, .ns = 7, .role = events::Role::kClient, .mid_stream = true},
      events::ConnectionInfo{.connection = kConnection,
                             .ns = 8,
                             .role = events::Role::kClient,
                             .server_name = "api.openai.com",
                             .peer_address = "127.0.0.1",
                             .peer_port = 443,
                             .fd = -1,
                             .datagram = true},
      events::ConnectionInfo{.connection = kConnection, .ns = 9},
      events::Data{.connection = kConnection,
                   .direction = events::Direction::kOut,
                   .role = events::Role::kClient,
                   .offset = 10,
                   .length = 400'000,
                   .bytes = std::string_view("GET / HTTP/1.1\r\n\0binary", 23),
                   .entry_ns = 11,
                   .exit_ns = 12,
                   .tid = 4243,
                   .after_gap = true,
                   .concurrent = true},
      events::StreamEnded{
          .connection = kConnection, .direction = events::Direction::kIn, .ns = 13, .error = true},
      events::ConnectionClosed{.connection = kConnection,
                               .ns = 14,
                               .reason = events::CloseReason::kExit,
                               .bytes = {15, ~uint64_t{0}},
                               .lost_records = 3},
      events::ProcessExited{.process = kProcess, .ns = 16},
      events::Loss{.cause = "ring_data", .count = 17, .ns = 18},
      events::Tick{.ns = 19},
  };
}

std::string Encoded(const Event& event) {
  std::string out;
  EncodeEvent(event, &out);
  return out;
}

/// Events as their encodings: text that can be compared and outlives the frame's buffer.
class Collector : public events::EventSink {
 public:
  void OnEvent(const Event& event) override { encoded.push_back(Encoded(event)); }
  std::vector<std::string> encoded;
};

class CaptureFileTest : public ::testing::Test {
 protected:
  CaptureFileTest() {
    std::string name = ::testing::TempDir() + "/capture_file_test.XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~CaptureFileTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string Write(const std::vector<Event>& events) const {
    const std::string path = Path("written.sonde");
    const CaptureHeader header{.sonde_version = "1.2.3",
                               .created_unix_ns = 42,
                               .id_seed = "seed",
                               .price_book_version = "2026-09-23",
                               .price_book_hash = "ab12",
                               .text_masked = true,
                               .settings = {{"profile", "main"}}};
    auto writer = CaptureWriter::Create(path, header, true);
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (const Event& event : events) (*writer)->OnEvent(event);
    EXPECT_TRUE((*writer)->Flush().ok());
    return path;
  }
  std::string Raw(std::string_view bytes) const {
    const std::string path = Path("raw.sonde");
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return path;
  }

  std::string directory_;
};

std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

absl::Status ReadInto(const std::string& path, Collector* collector) {
  auto reader = CaptureReader::Open(path);
  if (!reader.ok()) return reader.status();
  return (*reader)->ReadAll(collector);
}

TEST_F(CaptureFileTest, EveryEventComesBackAsItWas) {
  const std::vector<Event> events = OneOfEach();
  Collector collector;
  ASSERT_TRUE(ReadInto(Write(events), &collector).ok());
  ASSERT_EQ(collector.encoded.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(collector.encoded[i], Encoded(events[i]));
}

TEST_F(CaptureFileTest, FieldsAreNotMixedUp) {
  const std::string encoded = Encoded(OneOfEach()[7]);
  std::string_view in = encoded;
  Event event;
  ASSERT_EQ(DecodeEvent(&in, &event), Decoded::kEvent);
  EXPECT_TRUE(in.empty());
  const auto& data = std::get<events::Data>(event);
  EXPECT_EQ(data.connection, kConnection);
  EXPECT_EQ(data.direction, events::Direction::kOut);
  EXPECT_EQ(data.role, events::Role::kClient);
  EXPECT_EQ(data.offset, 10u);
  EXPECT_EQ(data.length, 400'000u);
  EXPECT_EQ(data.bytes, std::string_view("GET / HTTP/1.1\r\n\0binary", 23));
  EXPECT_EQ(data.entry_ns, 11u);
  EXPECT_EQ(data.exit_ns, 12u);
  EXPECT_EQ(data.tid, 4243u);
  EXPECT_TRUE(data.after_gap);
  EXPECT_TRUE(data.concurrent);
}

TEST_F(CaptureFileTest, HeaderComesBack) {
  auto reader = CaptureReader::Open(Write({}));
  ASSERT_TRUE(reader.ok()) << reader.status();
  const CaptureHeader& header = (*reader)->header();
  EXPECT_EQ(header.sonde_version, "1.2.3");
  EXPECT_EQ(header.created_unix_ns, 42);
  EXPECT_EQ(header.id_seed, "seed");
  EXPECT_EQ(header.price_book_version, "2026-09-23");
  EXPECT_EQ(header.price_book_hash, "ab12");
  EXPECT_TRUE(header.text_masked);
  EXPECT_THAT(header.settings, ::testing::ElementsAre(::testing::Pair("profile", "main")));
}

TEST_F(CaptureFileTest, ManyFrames) {
  std::vector<Event> events;
  std::list<std::string> payloads;
  for (int i = 0; i < 2000; ++i) {
    payloads.push_back(std::string(1000, static_cast<char>('a' + i % 26)));
    events.push_back(events::Data{
        .connection = kConnection, .offset = i * 1000u, .length = 1000, .bytes = payloads.back()});
  }
  Collector collector;
  ASSERT_TRUE(ReadInto(Write(events), &collector).ok());
  ASSERT_EQ(collector.encoded.size(), events.size());
  EXPECT_EQ(collector.encoded.back(), Encoded(events.back()));
}

// A recorder that is killed leaves what ticks had flushed.
TEST_F(CaptureFileTest, TicksFlush) {
  auto writer = CaptureWriter::Create(Path("killed.sonde"), {}, false);
  ASSERT_TRUE(writer.ok());
  (*writer)->OnEvent(events::ProcessExited{.process = kProcess, .ns = 1});
  (*writer)->OnEvent(events::Tick{.ns = 2'000'000'000});
  Collector collector;
  ASSERT_TRUE(ReadInto(Path("killed.sonde"), &collector).ok());
  EXPECT_EQ(collector.encoded.size(), 2u);
}

TEST_F(CaptureFileTest, CutAnywhereDeliversWholeFrames) {
  const std::string path = Path("two.sonde");
  size_t header_end = 0;
  size_t first_frame_end = 0;
  {
    auto writer = CaptureWriter::Create(path, {}, false);
    ASSERT_TRUE(writer.ok());
    header_end = (*writer)->bytes_written();
    for (const Event& event : OneOfEach()) (*writer)->OnEvent(event);
    ASSERT_TRUE((*writer)->Flush().ok());
    first_frame_end = (*writer)->bytes_written();
    for (const Event& event : OneOfEach()) (*writer)->OnEvent(event);
  }
  const std::string whole = Slurp(path);
  const size_t events = OneOfEach().size();
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    Collector collector;
    const absl::Status status = ReadInto(Raw(whole.substr(0, cut)), &collector);
    EXPECT_EQ(collector.encoded.size(), cut >= first_frame_end ? events : 0u) << cut;
    // Cut between frames, or right behind the header, a file is whole.
    EXPECT_EQ(status.ok(), cut == first_frame_end || cut == header_end) << cut;
  }
}

TEST_F(CaptureFileTest, EveryFlippedByteIsFoundOrHarmless) {
  const std::string whole = Slurp(Write(OneOfEach()));
  Collector truth;
  ASSERT_TRUE(ReadInto(Raw(whole), &truth).ok());
  const size_t header_end = whole.find('}', whole.rfind("settings")) + 2;
  for (size_t at = header_end; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    Collector collector;
    const absl::Status status = ReadInto(Raw(damaged), &collector);
    if (status.ok()) {
      EXPECT_EQ(collector.encoded, truth.encoded) << at;
    }
  }
}

TEST_F(CaptureFileTest, RefusesWhatItIsNot) {
  const std::string whole = Slurp(Write({}));
  EXPECT_EQ(CaptureReader::Open(Raw("")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CaptureReader::Open(Raw("PCAP0000000000000000")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CaptureReader::Open(Path("missing")).status().code(), absl::StatusCode::kNotFound);
  std::string newer = whole;
  newer[8] = 9;
  const absl::Status status = CaptureReader::Open(Raw(newer)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 9"));
  std::string endless = whole;
  endless[15] = 0x7f;  // The header's length.
  EXPECT_EQ(CaptureReader::Open(Raw(endless)).status().code(), absl::StatusCode::kDataLoss);
}

std::string U32(uint32_t value) { return {reinterpret_cast<char*>(&value), 4}; }

std::string Frame(const std::string& raw) {
  std::string compressed(ZSTD_compressBound(raw.size()), '\0');
  compressed.resize(ZSTD_compress(compressed.data(), compressed.size(), raw.data(), raw.size(), 1));
  return U32(static_cast<uint32_t>(compressed.size())) + U32(static_cast<uint32_t>(raw.size())) +
         compressed;
}

TEST_F(CaptureFileTest, HostileFrames) {
  const std::string start = Slurp(Write({}));
  Collector collector;
  const auto code = [&](const std::string& frames) {
    return ReadInto(Raw(start + frames), &collector).code();
  };
  // Lengths that lie, and a bomb: four bytes that claim gigabytes.
  EXPECT_EQ(code(U32(8) + U32(0xffffffff) + std::string(8, 'x')), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(U32(0xffffffff) + U32(100)), absl::StatusCode::kDataLoss);
  std::string bomb = Frame(std::string(8 << 20, '\0'));
  EXPECT_EQ(code(bomb), absl::StatusCode::kDataLoss);
  bomb.replace(4, 4, U32(1000));
  EXPECT_EQ(code(bomb), absl::StatusCode::kDataLoss);
  // Records whose inner lengths lie.
  EXPECT_EQ(code(Frame("\x7f")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Frame(std::string("\x02\x01\xff", 3))), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Frame(std::string(20, '\xff'))), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(collector.encoded.empty());
}

TEST_F(CaptureFileTest, WhatNoFrameHoldsIsCountedAndTheRestIsReadable) {
  const std::string huge(kMostFrameBytes, 'x');
  const std::string large(kMostFrameBytes - 4096, 'y');
  const std::string medium(10'000, 'z');
  const auto data = [](std::string_view bytes) {
    return events::Data{
        .connection = kConnection, .length = bytes.size(), .bytes = bytes, .exit_ns = 77};
  };
  const std::string path = Path("large.sonde");
  const std::vector<Event> events = {data("before"), data(huge), data(medium),
                                     data(large),  // Fits, but not behind the one before it.
                                     data("after")};
  {
    auto writer = CaptureWriter::Create(path, {}, false);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (const Event& event : events) (*writer)->OnEvent(event);
    ASSERT_TRUE((*writer)->Flush().ok());
    EXPECT_EQ((*writer)->events_lost(), 1U);
  }
  Collector got;
  const absl::Status read = ReadInto(path, &got);
  ASSERT_TRUE(read.ok()) << read;
  ASSERT_EQ(got.encoded.size(), events.size());
  for (const size_t i : {0, 2, 3, 4}) EXPECT_TRUE(got.encoded[i] == Encoded(events[i])) << i;
  EXPECT_EQ(got.encoded[1], Encoded(events::Loss{"event_too_large_for_capture_file", 1, 77}));
}

TEST(EventCodecTest, RefusesValuesThatDoNotExist) {
  const auto decoded = [](const Event& event) {
    std::string text;
    EncodeEvent(event, &text);
    std::string_view rest = text;
    Event back;
    return DecodeEvent(&rest, &back);
  };
  for (const int transport : {0, 3, 200}) {
    events::ConnectionId id = kConnection;
    id.transport = static_cast<events::Transport>(transport);
    EXPECT_EQ(decoded(events::Data{.connection = id}), Decoded::kDamaged);
    EXPECT_EQ(decoded(events::ConnectionOpened{.connection = id}), Decoded::kDamaged);
    EXPECT_EQ(decoded(events::ConnectionInfo{.connection = id}), Decoded::kDamaged);
    EXPECT_EQ(decoded(events::StreamEnded{.connection = id}), Decoded::kDamaged);
    EXPECT_EQ(decoded(events::ConnectionClosed{.connection = id}), Decoded::kDamaged);
  }
  for (const int reason : {0, 8, 255}) {
    EXPECT_EQ(decoded(events::ConnectionClosed{.connection = kConnection,
                                               .reason = static_cast<events::CloseReason>(reason)}),
              Decoded::kDamaged);
  }
  EXPECT_EQ(decoded(events::ConnectionClosed{.connection = kConnection,
                                             .reason = events::CloseReason::kDeselected}),
            Decoded::kEvent);
}

TEST_F(CaptureFileTest, UnknownTypesAndFieldsArePassedOver) {
  const std::string start = Slurp(Write({}));
  std::string tick = Encoded(events::Tick{.ns = 7});
  tick[0] = static_cast<char>(static_cast<uint8_t>(tick[0]) + 2);  // Two bytes more ...
  const std::string frame =
      std::string("\x03\x63zz", 4) + tick + "??" + Encoded(events::Tick{.ns = 8});
  auto reader = CaptureReader::Open(Raw(start + Frame(frame)));
  ASSERT_TRUE(reader.ok());
  Collector collector;
  ASSERT_TRUE((*reader)->ReadAll(&collector).ok());
  EXPECT_EQ((*reader)->unknown(), 1u);
  ASSERT_EQ(collector.encoded.size(), 2u);
  EXPECT_EQ(collector.encoded[0], Encoded(events::Tick{.ns = 7}));
  EXPECT_EQ(collector.encoded[1], Encoded(events::Tick{.ns = 8}));
}

TEST_F(CaptureFileTest, OnlyItsOwnerReadsIt) {
  const mode_t before = umask(0);
  const std::string path = Write({});
  umask(before);
  struct stat facts = {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  Write({});
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(CaptureFileTest, NeverWritesOverOrThrough) {
  const std::string path = Raw("precious");
  EXPECT_EQ(CaptureWriter::Create(path, {}, false).status().code(),
            absl::StatusCode::kAlreadyExists);
  const std::string link = Path("link.sonde");
  std::filesystem::create_symlink(path, link);
  EXPECT_FALSE(CaptureWriter::Create(link, {}, true).ok());
  EXPECT_FALSE(CaptureWriter::Create("/dev/null", {}, true).ok());
  EXPECT_EQ(Slurp(path), "precious");
}

TEST_F(CaptureFileTest, AFullDiskIsSaidOnceAndCounted) {
  auto writer = CaptureWriter::Create(Path("full.sonde"), {}, false);
  ASSERT_TRUE(writer.ok());
  // What the writer's descriptor now leads to takes nothing.
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  ASSERT_GE(dup2(full, (*writer)->fd()), 0);
  close(full);
  (*writer)->OnEvent(events::Tick{.ns = 1});
  EXPECT_EQ((*writer)->Flush().code(), absl::StatusCode::kResourceExhausted);
  (*writer)->OnEvent(events::Tick{.ns = 2});
  EXPECT_FALSE((*writer)->Flush().ok());
  EXPECT_EQ((*writer)->events_written(), 0u);
  EXPECT_EQ((*writer)->events_lost(), 2u);
}

}  // namespace
}  // namespace sonde::capture
