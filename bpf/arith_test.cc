// The arithmetic of the kernel programs, compiled by the host.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bpf/include/sonde_arith.h"

namespace sonde {
namespace {

constexpr uint64_t kHead = SONDE_HEAD_BYTES;
constexpr uint64_t kTail = SONDE_TAIL_BYTES;

std::vector<sonde_piece> Pieces(uint64_t total, uint64_t allowed) {
  std::vector<sonde_piece> pieces;
  for (uint64_t at = 0; at < total;) {
    pieces.push_back(sonde_piece_at(total, allowed, at));
    at += pieces.back().length;
    if (pieces.back().length == 0 || pieces.size() > SONDE_PIECES) {
      ADD_FAILURE() << "no end: total " << total << " allowed " << allowed << " at " << at;
      break;
    }
  }
  return pieces;
}

// For every size: the pieces follow each other, fit their record, and tell head and tail only.
TEST(PieceTest, PiecesCoverEveryInvocation) {
  for (const uint64_t total :
       {uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{129}, uint64_t{16383}, uint64_t{16384},
        uint64_t{16385}, kHead - 1, kHead, kHead + 1, kHead + kTail - 1, kHead + kTail,
        kHead + kTail + 1, uint64_t{10'000'000}, uint64_t{5'000'000'000}}) {
    uint64_t captured = 0;
    uint64_t at = 0;
    for (const sonde_piece& piece : Pieces(total, total)) {
      EXPECT_EQ(piece.at, at);
      EXPECT_LE(piece.captured, SONDE_PIECE_BYTES);
      EXPECT_GE(sonde_size_class(piece.captured), piece.captured);
      EXPECT_LE(piece.captured, piece.length);
      EXPECT_EQ(piece.after_gap != 0, total > kHead + kTail && at >= kHead);
      captured += piece.captured;
      at += piece.length;
    }
    EXPECT_EQ(at, total);
    EXPECT_EQ(captured, std::min(total, kHead + kTail));
  }
}

TEST(PieceTest, AVerdictCutsAndTheRestIsAHole) {
  const std::vector<sonde_piece> pieces = Pieces(100'000, 20'000);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].captured, 16'384U);
  EXPECT_EQ(pieces[0].length, 16'384U);
  EXPECT_EQ(pieces[1].captured, 20'000U - 16'384U);
  EXPECT_EQ(pieces[1].length, 100'000U - 16'384U);
}

TEST(PieceTest, NothingAllowedIsOneHole) {
  const std::vector<sonde_piece> pieces = Pieces(12'345, 0);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].captured, 0U);
  EXPECT_EQ(pieces[0].length, 12'345U);
}

TEST(SizeClassTest, IsTheSmallestThatHolds) {
  EXPECT_EQ(sonde_size_class(0), SONDE_SMALLEST_CLASS);
  for (uint32_t size = SONDE_SMALLEST_CLASS; size < SONDE_PIECE_BYTES; size *= 2) {
    EXPECT_EQ(sonde_size_class(size), size);
    EXPECT_EQ(sonde_size_class(size + 1), size * 2);
  }
}

TEST(AccountTest, OffsetsAndTurns) {
  sonde_connection connection = {};
  EXPECT_EQ(sonde_account(&connection, SONDE_OUT, 10), 0U);
  EXPECT_EQ(sonde_account(&connection, SONDE_OUT, 5), 10U);
  EXPECT_EQ(connection.turn_bytes, 15U);
  EXPECT_EQ(sonde_account(&connection, SONDE_IN, 7), 0U);
  EXPECT_EQ(connection.turn_bytes, 7U);
  EXPECT_EQ(connection.turns, 1U);
  EXPECT_EQ(sonde_account(&connection, SONDE_OUT, 1), 15U);
  EXPECT_EQ(connection.turns, 2U);
  EXPECT_EQ(connection.bytes[SONDE_OUT], 16U);
  EXPECT_EQ(connection.bytes[SONDE_IN], 7U);
}

TEST(AllowedTest, PrefixCountsFromTheTurn) {
  sonde_connection connection = {};
  sonde_verdict verdict = {1000, SONDE_MODE_PREFIX, 6};
  const auto allowed = [&](uint8_t direction, uint64_t length) {
    sonde_account(&connection, direction, length);
    return sonde_allowed(&verdict, &connection, 999, length);
  };
  EXPECT_EQ(allowed(SONDE_OUT, 4), 4U);
  EXPECT_EQ(allowed(SONDE_OUT, 10), 2U);
  EXPECT_EQ(allowed(SONDE_OUT, 10), 0U);
  EXPECT_EQ(allowed(SONDE_IN, 6), 6U);
  EXPECT_EQ(allowed(SONDE_IN, 1), 0U);
  EXPECT_EQ(allowed(SONDE_OUT, 7), 6U);
}

TEST(AllowedTest, HoldsForItsTimeOnly) {
  sonde_connection connection = {};
  sonde_verdict verdict = {1000, SONDE_MODE_LENGTHS, 0};
  sonde_account(&connection, SONDE_OUT, 5);
  EXPECT_EQ(sonde_allowed(&verdict, &connection, 999, 5), 0U);
  EXPECT_EQ(sonde_allowed(&verdict, &connection, 1000, 5), 5U);
  verdict.mode = 99;
  EXPECT_EQ(sonde_allowed(&verdict, &connection, 0, 5), 5U);
}

/// Feeds a socket's invocations and tells what of each is sent.
class Socket {
 public:
  uint64_t Move(uint8_t direction, const std::string& bytes) {
    sonde_classify(&connection_, direction, reinterpret_cast<const uint8_t*>(bytes.data()),
                   bytes.size() < 5 ? std::min<size_t>(bytes.size(), 1) : 5);
    uint64_t share = sonde_hello_share(&connection_, direction, bytes.size());
    sonde_account(&connection_, direction, bytes.size());
    if (connection_.socket_state <= SONDE_SOCKET_PLAIN) share = bytes.size();
    return share;
  }
  uint8_t state() const { return connection_.socket_state; }

 private:
  sonde_connection connection_ = {};
};

std::string Hello(size_t body) {
  std::string hello = {0x16, 3, 1, static_cast<char>(body >> 8), static_cast<char>(body & 0xff)};
  return hello + std::string(body, 'h');
}

TEST(SocketTest, TextIsSentWhole) {
  Socket socket;
  EXPECT_EQ(socket.Move(SONDE_OUT, "GET / HTTP/1.1"), 14U);
  EXPECT_EQ(socket.Move(SONDE_IN, "\x16\x03\x01 is text in a reply"), 22U);
  EXPECT_EQ(socket.state(), SONDE_SOCKET_PLAIN);
}

TEST(SocketTest, TlsGivesItsHelloOnly) {
  Socket socket;
  const std::string hello = Hello(512);
  EXPECT_EQ(socket.Move(SONDE_OUT, hello + "more"), hello.size());
  EXPECT_EQ(socket.Move(SONDE_OUT, "more"), 0U);
  EXPECT_EQ(socket.Move(SONDE_IN, Hello(90)), 0U);
  EXPECT_EQ(socket.state(), SONDE_SOCKET_SILENT);
}

TEST(SocketTest, AHelloInParts) {
  Socket socket;
  const std::string hello = Hello(1000);
  EXPECT_EQ(socket.Move(SONDE_IN, hello.substr(0, 5)), 5U);
  EXPECT_EQ(socket.Move(SONDE_IN, hello.substr(5, 600)), 600U);
  EXPECT_EQ(socket.Move(SONDE_IN, hello.substr(605)), 400U);
  EXPECT_EQ(socket.Move(SONDE_OUT, "anything"), 0U);
}

TEST(SocketTest, AHelloWhoseLengthIsUnknownEndsWithTheAnswer) {
  Socket socket;
  EXPECT_EQ(socket.Move(SONDE_OUT, "\x16"), 1U);
  EXPECT_EQ(socket.Move(SONDE_OUT, std::string(100, 'x')), 100U);
  EXPECT_EQ(socket.Move(SONDE_IN, "reply"), 0U);
  EXPECT_EQ(socket.Move(SONDE_OUT, "more"), 0U);
}

TEST(SocketTest, AHelloIsAtMostOneRecord) {
  Socket socket;
  EXPECT_EQ(socket.Move(SONDE_OUT, Hello(0xffff)), SONDE_PIECE_BYTES);
  EXPECT_EQ(socket.state(), SONDE_SOCKET_SILENT);
}

TEST(SocketTest, TlsBehindAProxy) {
  Socket socket;
  EXPECT_EQ(socket.Move(SONDE_OUT, "CONNECT api:443 HTTP/1.1\r\n\r\n"), 28U);
  EXPECT_EQ(socket.Move(SONDE_IN, "HTTP/1.1 200 OK\r\n\r\n"), 19U);
  const std::string hello = Hello(300);
  EXPECT_EQ(socket.Move(SONDE_OUT, hello), hello.size());
  EXPECT_EQ(socket.Move(SONDE_IN, "\x16\x03\x03xx"), 0U);
  EXPECT_EQ(socket.state(), SONDE_SOCKET_SILENT);
}

TEST(SocketTest, MetAmidTls) {
  Socket socket;
  EXPECT_EQ(socket.Move(SONDE_IN, std::string("\x17\x03\x03\x00\x10", 5) + "cipher"), 0U);
  EXPECT_EQ(socket.state(), SONDE_SOCKET_SILENT);
}

// The layout, once more than the header's own assertions: what the skeletons of an older build
// would misread.
TEST(AbiTest, Layout) {
  EXPECT_EQ(sizeof(sonde_header), 16U);
  EXPECT_EQ(sizeof(sonde_data_record), 80U);
  EXPECT_EQ(offsetof(sonde_data_record, process), 16U);
  EXPECT_EQ(offsetof(sonde_data_record, handle), 32U);
  EXPECT_EQ(offsetof(sonde_data_record, generation), 40U);
  EXPECT_EQ(offsetof(sonde_data_record, offset), 48U);
  EXPECT_EQ(offsetof(sonde_data_record, length), 56U);
  EXPECT_EQ(offsetof(sonde_data_record, entry_ns), 64U);
  EXPECT_EQ(offsetof(sonde_data_record, exit_ns), 72U);
  EXPECT_EQ(sizeof(sonde_connection_record), 56U);
  EXPECT_EQ(offsetof(sonde_closed_record, bytes), 56U);
  EXPECT_EQ(offsetof(sonde_process_record, comm), 56U);
  EXPECT_EQ(sizeof(sonde_connection), 120U);
  EXPECT_EQ(sizeof(sonde_config), 40U);
  EXPECT_EQ(sizeof(sonde_verdict), 16U);
}

}  // namespace
}  // namespace sonde
