#include "agent/capture/file/event_codec.h"

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace sonde::capture {
namespace {

using namespace sonde::events;  // NOLINT(google-build-using-namespace): every name below is an
                                // event.

constexpr int kMostVarintBytes = 10;

/// Writes fields to a string.
class FieldWriter {
 public:
  static constexpr bool kReading = false;
  explicit FieldWriter(std::string* out) : out_(out) {}

  void Number(uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }
  void Bytes(std::string_view bytes) {
    Number(bytes.size());
    out_->append(bytes);
  }

 private:
  std::string* out_;
};

/// Reads them back; after the first that does not fit, all are zero and ok() is false.
class FieldReader {
 public:
  static constexpr bool kReading = true;
  explicit FieldReader(std::string_view in) : in_(in) {}

  uint64_t Number() {
    uint64_t value = 0;
    for (int i = 0; i < kMostVarintBytes && !in_.empty(); ++i) {
      const uint8_t byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string_view Bytes() {
    const uint64_t size = Number();
    if (size > in_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view bytes = in_.substr(0, size);
    in_.remove_prefix(size);
    return bytes;
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return in_; }

 private:
  std::string_view in_;
  bool ok_ = true;
};

uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// One field, both ways.
template <typename A, typename T>
void Field(A& a, T& field) {
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    if constexpr (A::kReading) {
      field = T(a.Bytes());
    } else {
      a.Bytes(field);
    }
  } else if constexpr (std::is_signed_v<T>) {
    if constexpr (A::kReading) {
      field = static_cast<T>(UnZigZag(a.Number()));
    } else {
      a.Number(ZigZag(field));
    }
  } else {
    if constexpr (A::kReading) {
      field = static_cast<T>(a.Number());
    } else {
      a.Number(static_cast<uint64_t>(field));
    }
  }
}

template <typename A, typename T>
void Field(A& a, std::optional<T>& field) {
  bool present = field.has_value();
  Field(a, present);
  if (!present) return;
  if (!field) field.emplace();
  Field(a, *field);
}

template <typename A>
void Field(A& a, ProcessId& id) {
  Field(a, id.pid);
  Field(a, id.start_ns);
  Field(a, id.exec_generation);
}

template <typename A>
void Field(A& a, ConnectionId& id) {
  Field(a, id.process);
  Field(a, id.transport);
  Field(a, id.handle);
  Field(a, id.generation);
}

template <typename A, typename... T>
void List(A& a, T&... fields) {
  (Field(a, fields), ...);
}

// The fields of each event. New ones go to the end.
template <typename A>
void Fields(A& a, Data& e) {
  List(a, e.connection, e.direction, e.role, e.offset, e.length, e.bytes, e.entry_ns, e.exit_ns,
       e.tid, e.after_gap, e.concurrent);
}
template <typename A>
void Fields(A& a, ConnectionOpened& e) {
  List(a, e.connection, e.ns, e.role, e.mid_stream);
}
template <typename A>
void Fields(A& a, ConnectionInfo& e) {
  List(a, e.connection, e.ns, e.role, e.server_name, e.peer_address, e.peer_port, e.fd, e.datagram);
}
template <typename A>
void Fields(A& a, StreamEnded& e) {
  List(a, e.connection, e.direction, e.ns, e.error);
}
template <typename A>
void Fields(A& a, ConnectionClosed& e) {
  List(a, e.connection, e.ns, e.reason, e.bytes[0], e.bytes[1], e.lost_records);
}
template <typename A>
void Fields(A& a, ProcessForked& e) {
  List(a, e.process, e.parent, e.ns);
}
template <typename A>
void Fields(A& a, ProcessStarted& e) {
  List(a, e.process, e.parent_pid, e.ns, e.by_exec, e.uid, e.comm, e.executable, e.command_line,
       e.cgroup);
}
template <typename A>
void Fields(A& a, ProcessExited& e) {
  List(a, e.process, e.ns);
}
template <typename A>
void Fields(A& a, LibraryFound& e) {
  List(a, e.process, e.path, e.family, e.rung, e.attached, e.problem, e.mapped_ns, e.attached_ns);
}
template <typename A>
void Fields(A& a, Loss& e) {
  List(a, e.cause, e.count, e.ns);
}
template <typename A>
void Fields(A& a, ClockOffset& e) {
  List(a, e.ns, e.wall_minus_mono_ns);
}
template <typename A>
void Fields(A& a, Tick& e) {
  List(a, e.ns);
}

// Types on disk: the position in the list below plus 1. Never reorder; append.
using OnDisk = std::variant<Data, ConnectionOpened, ConnectionInfo, StreamEnded, ConnectionClosed,
                            ProcessForked, ProcessStarted, ProcessExited, LibraryFound, Loss,
                            ClockOffset, Tick>;
static_assert(std::is_same_v<OnDisk, Event>, "a new event is appended to both lists");

template <size_t I>
bool DecodeAs(FieldReader& fields, Event* event) {
  std::variant_alternative_t<I, OnDisk> decoded{};
  Fields(fields, decoded);
  if (!fields.ok()) return false;
  *event = std::move(decoded);
  return true;
}

template <size_t... I>
bool DecodeType(size_t type, FieldReader& fields, Event* event, std::index_sequence<I...>) {
  bool ok = false;
  (void)((type == I && (ok = DecodeAs<I>(fields, event), true)) || ...);
  return ok;
}

bool IsSane(const ConnectionId& id) {
  return id.transport == Transport::kTls || id.transport == Transport::kSocket;
}
bool IsSane(const Data& e) {
  return IsSane(e.connection) && e.direction <= Direction::kIn && e.role <= Role::kServer &&
         e.bytes.size() <= e.length;
}
bool IsSane(const ConnectionOpened& e) { return IsSane(e.connection) && e.role <= Role::kServer; }
bool IsSane(const ConnectionInfo& e) {
  return IsSane(e.connection) && e.role.value_or(Role::kUnknown) <= Role::kServer;
}
bool IsSane(const StreamEnded& e) { return IsSane(e.connection) && e.direction <= Direction::kIn; }
bool IsSane(const ConnectionClosed& e) {
  return IsSane(e.connection) && e.reason >= CloseReason::kFreed &&
         e.reason <= CloseReason::kDeselected;
}
/// Values that an enumeration cannot have would be undefined behaviour further on. The events
/// without one are sane whatever they hold.
template <typename Other>
bool IsSane(const Other&) {
  return true;
}

}  // namespace

void EncodeEvent(const Event& event, std::string* out) {
  // The length is known only afterwards: five bytes hold any length below the frame's limit.
  const size_t start = out->size();
  out->append(5, '\0');
  out->push_back(static_cast<char>(event.index() + 1));
  FieldWriter writer(out);
  // Fields() serves both ways and so takes its event by reference; the writer only reads it.
  std::visit(
      [&writer](const auto& e) {
        Fields(writer, const_cast<std::remove_cvref_t<decltype(e)>&>(e));  // NOLINT
      },
      event);
  uint64_t length = out->size() - start - 5;
  for (int i = 0; i < 5; ++i) {
    (*out)[start + i] = static_cast<char>((length & 0x7f) | (i < 4 ? 0x80 : 0));
    length >>= 7;
  }
}

Decoded DecodeEvent(std::string_view* in, Event* event) {
  FieldReader framing(*in);
  const std::string_view record = framing.Bytes();
  if (!framing.ok() || record.empty()) return Decoded::kDamaged;
  *in = framing.rest();
  const uint8_t type = static_cast<uint8_t>(record.front());
  if (type == 0 || type > std::variant_size_v<Event>) return Decoded::kUnknownType;
  FieldReader fields(record.substr(1));
  const bool ok =
      DecodeType(type - 1, fields, event, std::make_index_sequence<std::variant_size_v<Event>>());
  const bool sane = ok && std::visit([](const auto& one) { return IsSane(one); }, *event);
  return sane ? Decoded::kEvent : Decoded::kDamaged;
}

}  // namespace sonde::capture
