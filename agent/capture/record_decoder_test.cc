#include "agent/capture/record_decoder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace sonde::capture {
namespace {

template <typename Record>
std::string Bytes(const Record& record) {
  return std::string(reinterpret_cast<const char*>(&record), sizeof(record));
}

sonde_connection_record Connection(uint8_t type) {
  sonde_connection_record record = {};
  record.header = {type, SONDE_TRANSPORT_SOCKET, SONDE_IN, SONDE_ROLE_CLIENT, 0, 9, 0};
  record.process = {11, 3, 22};
  record.handle = 33;
  record.generation = 44;
  record.ns = 55;
  return record;
}

const events::ConnectionId kConnection = {{11, 22, 3}, events::Transport::kSocket, 33, 44};

TEST(RecordDecoderTest, Data) {
  sonde_data_record record = {};
  record.header = {SONDE_RECORD_DATA,
                   SONDE_TRANSPORT_SOCKET,
                   SONDE_IN,
                   SONDE_ROLE_SERVER,
                   SONDE_FLAG_AFTER_GAP | SONDE_FLAG_CONCURRENT,
                   9,
                   5};
  record.process = {11, 3, 22};
  record.handle = 33;
  record.generation = 44;
  record.offset = 100;
  record.length = 500;
  record.entry_ns = 1;
  record.exit_ns = 2;
  // The ring's record is as large as its class; only five bytes of it count.
  const std::string bytes = Bytes(record) + "hello" + std::string(123, '!');
  const auto event = DecodeRecord(bytes);
  ASSERT_TRUE(event.has_value());
  const auto& data = std::get<events::Data>(*event);
  EXPECT_EQ(data.connection, kConnection);
  EXPECT_EQ(data.direction, events::Direction::kIn);
  EXPECT_EQ(data.role, events::Role::kServer);
  EXPECT_EQ(data.offset, 100U);
  EXPECT_EQ(data.length, 500U);
  EXPECT_EQ(data.bytes, "hello");
  EXPECT_EQ(data.entry_ns, 1U);
  EXPECT_EQ(data.exit_ns, 2U);
  EXPECT_EQ(data.tid, 9U);
  EXPECT_TRUE(data.after_gap);
  EXPECT_TRUE(data.concurrent);
}

TEST(RecordDecoderTest, DataThatSaysMoreThanItHoldsIsRefused) {
  sonde_data_record record = {};
  record.header.type = SONDE_RECORD_DATA;
  record.header.detail = 6;
  record.length = 6;
  EXPECT_FALSE(DecodeRecord(Bytes(record) + "hello").has_value());
  record.length = 4;
  EXPECT_FALSE(DecodeRecord(Bytes(record) + "hello!").has_value());
}

TEST(RecordDecoderTest, EveryCutIsRefused) {
  for (const std::string& bytes :
       {Bytes(Connection(SONDE_RECORD_OPENED)), Bytes(Connection(SONDE_RECORD_ENDED)),
        Bytes(sonde_info_record{Connection(SONDE_RECORD_INFO)}),
        Bytes(sonde_name_record{Connection(SONDE_RECORD_NAME)}),
        Bytes(sonde_closed_record{Connection(SONDE_RECORD_CLOSED)})}) {
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(DecodeRecord(std::string_view(bytes).substr(0, length)).has_value());
    }
  }
}

TEST(RecordDecoderTest, OpenedAndEnded) {
  sonde_connection_record record = Connection(SONDE_RECORD_OPENED);
  record.header.flags = SONDE_FLAG_MID_STREAM;
  const auto opened = std::get<events::ConnectionOpened>(*DecodeRecord(Bytes(record)));
  EXPECT_EQ(opened.connection, kConnection);
  EXPECT_TRUE(opened.mid_stream);
  EXPECT_EQ(opened.ns, 55U);
  record = Connection(SONDE_RECORD_ENDED);
  record.header.flags = SONDE_FLAG_ERROR;
  const auto ended = std::get<events::StreamEnded>(*DecodeRecord(Bytes(record)));
  EXPECT_EQ(ended.direction, events::Direction::kIn);
  EXPECT_TRUE(ended.error);
}

TEST(RecordDecoderTest, InfoTellsOnlyWhatItSays) {
  sonde_info_record record = {Connection(SONDE_RECORD_INFO)};
  record.fd = 7;
  record.peer_port = 443;
  record.peer_family = SONDE_FAMILY_IP4;
  const uint8_t address[] = {203, 0, 113, 9};
  std::memcpy(record.peer_address, address, sizeof(address));
  record.connection.header.detail = SONDE_INFO_FD;
  auto info = std::get<events::ConnectionInfo>(*DecodeRecord(Bytes(record)));
  EXPECT_EQ(info.fd, 7);
  EXPECT_FALSE(info.peer_address.has_value());
  EXPECT_FALSE(info.role.has_value());
  EXPECT_FALSE(info.datagram);
  record.connection.header.detail = SONDE_INFO_PEER | SONDE_INFO_ROLE;
  record.connection.header.flags = SONDE_FLAG_DATAGRAM;
  info = std::get<events::ConnectionInfo>(*DecodeRecord(Bytes(record)));
  EXPECT_FALSE(info.fd.has_value());
  EXPECT_EQ(info.peer_address, "203.0.113.9");
  EXPECT_EQ(info.peer_port, 443);
  EXPECT_EQ(info.role, events::Role::kClient);
  EXPECT_TRUE(info.datagram);
}

TEST(RecordDecoderTest, ANameWithoutAnEndIsCut) {
  sonde_name_record record = {Connection(SONDE_RECORD_NAME)};
  std::memset(record.name, 'n', sizeof(record.name));
  const auto info = std::get<events::ConnectionInfo>(*DecodeRecord(Bytes(record)));
  EXPECT_EQ(info.server_name, std::string(SONDE_NAME_BYTES, 'n'));
}

TEST(RecordDecoderTest, Closed) {
  sonde_closed_record record = {Connection(SONDE_RECORD_CLOSED)};
  record.bytes[0] = 1;
  record.bytes[1] = 2;
  record.lost_records = 3;
  record.connection.header.detail = SONDE_CLOSE_EXEC;
  const auto closed = std::get<events::ConnectionClosed>(*DecodeRecord(Bytes(record)));
  EXPECT_EQ(closed.reason, events::CloseReason::kExec);
  EXPECT_EQ(closed.bytes[0], 1U);
  EXPECT_EQ(closed.bytes[1], 2U);
  EXPECT_EQ(closed.lost_records, 3U);
  record.connection.header.detail = 99;
  EXPECT_FALSE(DecodeRecord(Bytes(record)).has_value());
}

TEST(RecordDecoderTest, Processes) {
  sonde_process_record record = {};
  record.header.type = SONDE_RECORD_FORKED;
  record.process = {11, 0, 22};
  record.parent = {10, 4, 20};
  record.ns = 55;
  std::memcpy(record.comm, "sixteen bytes ok", sizeof(record.comm));
  EXPECT_FALSE(DecodeRecord(Bytes(record)).has_value());
  const auto process = DecodeProcessRecord(Bytes(record));
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(process->process, (events::ProcessId{11, 22, 0}));
  EXPECT_EQ(process->parent, (events::ProcessId{10, 20, 4}));
  EXPECT_EQ(process->comm, "sixteen bytes ok");
  record.header.type = SONDE_RECORD_DATA;
  EXPECT_FALSE(DecodeProcessRecord(Bytes(record)).has_value());
}

TEST(AddressTextTest, Families) {
  uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8};
  address[15] = 1;
  EXPECT_EQ(AddressText(SONDE_FAMILY_IP6, address), "2001:db8::1");
  EXPECT_EQ(AddressText(SONDE_FAMILY_NONE, address), "");
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  EXPECT_EQ(AddressText(SONDE_FAMILY_IP6, mapped), "127.0.0.1");
}

}  // namespace
}  // namespace sonde::capture
