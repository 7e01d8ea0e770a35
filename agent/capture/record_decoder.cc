#include "agent/capture/record_decoder.h"

#include <arpa/inet.h>

#include <cstring>

namespace sonde::capture {
namespace {

using events::Event;

/// A copy of the record at the front of the bytes, or nothing when they are too few.
template <typename Record>
std::optional<Record> Load(std::string_view bytes) {
  Record record;
  if (bytes.size() < sizeof(record)) return std::nullopt;
  std::memcpy(&record, bytes.data(), sizeof(record));
  return record;
}

events::Role ToRole(uint8_t role) {
  switch (role) {
    case SONDE_ROLE_CLIENT:
      return events::Role::kClient;
    case SONDE_ROLE_SERVER:
      return events::Role::kServer;
    default:
      return events::Role::kUnknown;
  }
}

events::Direction ToDirection(uint8_t direction) {
  return direction == SONDE_OUT ? events::Direction::kOut : events::Direction::kIn;
}

events::Transport ToTransport(uint8_t transport) {
  return transport == SONDE_TRANSPORT_SOCKET ? events::Transport::kSocket : events::Transport::kTls;
}

events::ConnectionId ToConnectionId(const sonde_connection_record& record) {
  return events::ConnectionId{ToProcessId(record.process), ToTransport(record.header.transport),
                              record.handle, record.generation};
}

std::optional<Event> DecodeData(std::string_view bytes) {
  const auto record = Load<sonde_data_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  const size_t captured = record->header.detail;
  if (captured > bytes.size() - sizeof(*record) || captured > record->length) return std::nullopt;
  events::Data data;
  data.connection = {ToProcessId(record->process), ToTransport(record->header.transport),
                     record->handle, record->generation};
  data.direction = ToDirection(record->header.direction);
  data.role = ToRole(record->header.role);
  data.offset = record->offset;
  data.length = record->length;
  data.bytes = bytes.substr(sizeof(*record), captured);
  data.entry_ns = record->entry_ns;
  data.exit_ns = record->exit_ns;
  data.tid = record->header.tid;
  data.after_gap = (record->header.flags & SONDE_FLAG_AFTER_GAP) != 0;
  data.concurrent = (record->header.flags & SONDE_FLAG_CONCURRENT) != 0;
  return data;
}

std::optional<Event> DecodeOpened(std::string_view bytes) {
  const auto record = Load<sonde_connection_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  return events::ConnectionOpened{ToConnectionId(*record), record->ns, ToRole(record->header.role),
                                  (record->header.flags & SONDE_FLAG_MID_STREAM) != 0};
}

std::optional<Event> DecodeInfo(std::string_view bytes) {
  const auto record = Load<sonde_info_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  const uint32_t fields = record->connection.header.detail;
  events::ConnectionInfo info;
  info.connection = ToConnectionId(record->connection);
  info.ns = record->connection.ns;
  info.datagram = (record->connection.header.flags & SONDE_FLAG_DATAGRAM) != 0;
  if ((fields & SONDE_INFO_ROLE) != 0) info.role = ToRole(record->connection.header.role);
  if ((fields & SONDE_INFO_FD) != 0) info.fd = record->fd;
  if ((fields & SONDE_INFO_PEER) != 0) {
    info.peer_address = AddressText(record->peer_family, record->peer_address);
    info.peer_port = record->peer_port;
  }
  return info;
}

std::optional<Event> DecodeName(std::string_view bytes) {
  const auto record = Load<sonde_name_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  events::ConnectionInfo info;
  info.connection = ToConnectionId(record->connection);
  info.ns = record->connection.ns;
  info.role = ToRole(record->connection.header.role);
  info.server_name = std::string(record->name, strnlen(record->name, sizeof(record->name)));
  return info;
}

std::optional<Event> DecodeEnded(std::string_view bytes) {
  const auto record = Load<sonde_connection_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  return events::StreamEnded{ToConnectionId(*record), ToDirection(record->header.direction),
                             record->ns, (record->header.flags & SONDE_FLAG_ERROR) != 0};
}

std::optional<Event> DecodeClosed(std::string_view bytes) {
  const auto record = Load<sonde_closed_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  events::ConnectionClosed closed;
  closed.connection = ToConnectionId(record->connection);
  closed.ns = record->connection.ns;
  const uint32_t reason = record->connection.header.detail;
  if (reason < SONDE_CLOSE_FREED || reason > SONDE_CLOSE_EVICTED) return std::nullopt;
  closed.reason = static_cast<events::CloseReason>(reason);
  closed.bytes[0] = record->bytes[0];
  closed.bytes[1] = record->bytes[1];
  closed.lost_records = record->lost_records;
  return closed;
}

}  // namespace

events::ProcessId ToProcessId(const sonde_process_id& id) {
  return events::ProcessId{id.tgid, id.start_ns, id.exec_generation};
}

std::optional<ProcessRecord> DecodeProcessRecord(std::string_view bytes) {
  const auto record = Load<sonde_process_record>(bytes);
  if (!record.has_value()) return std::nullopt;
  const uint8_t type = record->header.type;
  if (type < SONDE_RECORD_FORKED || type > SONDE_RECORD_PASSED_BY) return std::nullopt;
  return ProcessRecord{type, ToProcessId(record->process), ToProcessId(record->parent), record->ns,
                       std::string(record->comm, strnlen(record->comm, sizeof(record->comm)))};
}

std::optional<Event> DecodeRecord(std::string_view bytes) {
  if (bytes.size() < sizeof(sonde_header)) return std::nullopt;
  switch (static_cast<uint8_t>(bytes[0])) {
    case SONDE_RECORD_DATA:
      return DecodeData(bytes);
    case SONDE_RECORD_OPENED:
      return DecodeOpened(bytes);
    case SONDE_RECORD_INFO:
      return DecodeInfo(bytes);
    case SONDE_RECORD_NAME:
      return DecodeName(bytes);
    case SONDE_RECORD_ENDED:
      return DecodeEnded(bytes);
    case SONDE_RECORD_CLOSED:
      return DecodeClosed(bytes);
    default:
      return std::nullopt;
  }
}

events::ConnectionClosed ToClosed(const sonde_connection_key& key,
                                  const sonde_connection& connection, events::CloseReason reason,
                                  events::MonoNs ns) {
  events::ConnectionClosed closed;
  closed.connection.process = {key.tgid, connection.start_ns, connection.exec_generation};
  closed.connection.transport = ToTransport(static_cast<uint8_t>(key.transport));
  closed.connection.handle = connection.handle;
  closed.connection.generation = connection.generation;
  closed.ns = ns;
  closed.reason = reason;
  closed.bytes[0] = connection.bytes[0];
  closed.bytes[1] = connection.bytes[1];
  closed.lost_records = connection.lost_records;
  return closed;
}

std::string AddressText(uint8_t family, const uint8_t* address) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  char text[INET6_ADDRSTRLEN] = {};
  if (family == SONDE_FAMILY_IP4) {
    inet_ntop(AF_INET, address, text, sizeof(text));
  } else if (family == SONDE_FAMILY_IP6 && std::memcmp(address, kMapped, sizeof(kMapped)) == 0) {
    // IPv4 through an IPv6 socket.
    inet_ntop(AF_INET, address + sizeof(kMapped), text, sizeof(text));
  } else if (family == SONDE_FAMILY_IP6) {
    inet_ntop(AF_INET6, address, text, sizeof(text));
  }
  return text;
}

}  // namespace sonde::capture
