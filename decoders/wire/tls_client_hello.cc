#include "decoders/wire/tls_client_hello.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace sonde::wire {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kHandshakeHeaderBytes = 4;
constexpr size_t kRandomBytes = 32;
constexpr size_t kMaxRecordBytes = size_t{16} * 1024;
/// Post-quantum key shares make hellos of 2 KiB usual; nobody sends more than this.
constexpr size_t kMaxHelloBytes = size_t{64} * 1024;
constexpr uint16_t kServerNameExtension = 0;
constexpr uint16_t kAlpnExtension = 16;
constexpr uint8_t kHostNameType = 0;
constexpr size_t kMaxProtocols = 16;

uint8_t Byte(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

/// Reads big-endian fields; once a read fails every later one fails.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }

  uint64_t Number(size_t width) {
    uint64_t value = 0;
    for (const char c : Bytes(width)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string_view Bytes(size_t count) {
    if (!ok_ || rest_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  /// A vector preceded by its length in `width` bytes.
  std::string_view Vector(size_t width) { return Bytes(Number(width)); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

struct Handshake {
  ClientHelloStatus status = ClientHelloStatus::kNeedMore;
  std::string bytes;
  size_t head_bytes = 0;  // Of the records it came in.
};

/// Joins the fragments of the leading handshake records until the first message is whole.
Handshake JoinRecords(std::string_view bytes) {
  Handshake joined;
  while (!bytes.empty()) {
    if (Byte(bytes, 0) != kHandshakeRecord || (bytes.size() > 1 && Byte(bytes, 1) != 3)) {
      return {ClientHelloStatus::kNotHello, {}, 0};
    }
    if (bytes.size() < kRecordHeaderBytes) return joined;
    const size_t length = size_t{Byte(bytes, 3)} << 8 | Byte(bytes, 4);
    if (length == 0 || length > kMaxRecordBytes) return {ClientHelloStatus::kNotHello, {}, 0};
    bytes.remove_prefix(kRecordHeaderBytes);
    joined.head_bytes += kRecordHeaderBytes;
    const size_t present = std::min(length, bytes.size());
    joined.bytes.append(bytes.substr(0, present));
    bytes.remove_prefix(present);
    if (present == 0) break;
    if (Byte(joined.bytes, 0) != kClientHelloMessage) {
      return {ClientHelloStatus::kNotHello, {}, 0};
    }
    if (joined.bytes.size() < kHandshakeHeaderBytes) continue;
    const size_t message = size_t{Byte(joined.bytes, 1)} << 16 |
                           size_t{Byte(joined.bytes, 2)} << 8 | Byte(joined.bytes, 3);
    if (message > kMaxHelloBytes) return {ClientHelloStatus::kNotHello, {}, 0};
    if (joined.bytes.size() >= kHandshakeHeaderBytes + message) {
      joined.bytes.resize(kHandshakeHeaderBytes + message);
      joined.status = ClientHelloStatus::kComplete;
      return joined;
    }
  }
  return joined;
}

bool IsHostName(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && static_cast<uint8_t>(c) < 0x7f;
  });
}

bool ReadServerName(std::string_view extension, ClientHello* hello) {
  Reader reader(extension);
  Reader list(reader.Vector(2));
  while (list.ok() && !list.empty()) {
    const uint64_t type = list.Number(1);
    const std::string_view name = list.Vector(2);
    if (!list.ok()) return false;
    if (type == kHostNameType && hello->server_name.empty()) {
      if (!IsHostName(name)) return false;
      hello->server_name = name;
    }
  }
  return reader.ok() && list.ok();
}

bool ReadAlpn(std::string_view extension, ClientHello* hello) {
  Reader reader(extension);
  Reader list(reader.Vector(2));
  while (list.ok() && !list.empty()) {
    const std::string_view protocol = list.Vector(1);
    if (list.ok() && hello->alpn.size() < kMaxProtocols) hello->alpn.emplace_back(protocol);
  }
  return reader.ok() && list.ok();
}

bool ReadExtensions(std::string_view bytes, ClientHello* hello) {
  Reader reader(bytes);
  while (reader.ok() && !reader.empty()) {
    const uint64_t type = reader.Number(2);
    const std::string_view body = reader.Vector(2);
    if (!reader.ok()) return false;
    if (type == kServerNameExtension && !ReadServerName(body, hello)) return false;
    if (type == kAlpnExtension && !ReadAlpn(body, hello)) return false;
  }
  return reader.ok();
}

}  // namespace

ClientHelloResult ParseClientHello(std::string_view bytes) {
  const Handshake handshake = JoinRecords(bytes);
  if (handshake.status != ClientHelloStatus::kComplete) return {handshake.status, {}};
  Reader reader(std::string_view(handshake.bytes).substr(kHandshakeHeaderBytes));
  reader.Number(2);  // legacy_version
  reader.Bytes(kRandomBytes);
  reader.Vector(1);  // legacy_session_id
  reader.Vector(2);  // cipher_suites
  reader.Vector(1);  // legacy_compression_methods
  ClientHelloResult result;
  // Extensions may be missing altogether (RFC 5246).
  const bool ok =
      reader.ok() && (reader.empty() || ReadExtensions(reader.Vector(2), &result.hello));
  if (!ok || !reader.ok()) return {};
  result.status = ClientHelloStatus::kComplete;
  result.hello.wire_bytes = handshake.head_bytes + handshake.bytes.size();
  return result;
}

}  // namespace sonde::wire
