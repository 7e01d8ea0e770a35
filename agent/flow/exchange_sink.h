// What flow tells the room behind it: HTTP exchanges, each with the connection it travels on, and
// the connections that carry something else.
#ifndef SONDE_AGENT_FLOW_EXCHANGE_SINK_H_
#define SONDE_AGENT_FLOW_EXCHANGE_SINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/events/event.h"
#include "decoders/wire/http.h"
#include "decoders/wire/http1_connection.h"
#include "decoders/wire/stamp.h"

namespace sonde::flow {

/// State that a sink keeps with a connection; flow destroys it with the connection.
class Attachment {
 public:
  virtual ~Attachment() = default;
};

/// The peer or the path ended a direction.
struct PeerEnd {
  events::MonoNs ns = 0;
  bool error = false;
};

/// Why flow stopped following a connection.
enum class FlowEnd : uint8_t {
  kClosed,      ///< The process closed it: see ConnectionView::local_end.
  kEvicted,     ///< A bound was reached, here or in the kernel.
  kDeselected,  ///< Its process is not looked at any more.
  kFinish,      ///< Capture ended while it was open.
};

/// One connection as it is known so far. Owned by flow; references live until the callback returns.
struct ConnectionView {
  events::ConnectionId id;
  events::Role role = events::Role::kUnknown;
  std::string server_name;   ///< SNI; empty when none was seen.
  std::string peer_address;  ///< Numeric; may be empty.
  uint16_t peer_port = 0;
  std::optional<int32_t> fd;
  events::MonoNs opened_ns = 0;
  bool mid_stream = false;       ///< Its beginning was not seen.
  bool tls_socket = false;       ///< A socket that speaks TLS: OnTlsSocket() told of it.
  bool has_data = false;         ///< Bytes went over it, captured or not.
  uint64_t unmatched_bytes = 0;  ///< Seen and given to no exchange, so far.

  // About the range that is being delivered.
  uint32_t tid = 0;
  /// Bytes whose order is not known have been delivered since the connection last was idle.
  bool order_unknown = false;

  // How it ended, once it did.
  std::optional<events::CloseReason> local_end;  ///< First shutdown or close by the process,
  events::MonoNs local_end_ns = 0;               ///< and when.
  std::optional<PeerEnd> peer_end;
  std::optional<FlowEnd> flow_end;
  uint64_t lost_records = 0;
  /// Of a connection met in its middle: bytes read before its first request that do not begin as a
  /// reply or an event does, when nothing after them did.
  uint64_t unread_reply_bytes = 0;
  uint64_t hello_bytes = 0;  ///< Length of a TLS socket's ClientHello; 0 when it could not be read.
  /// What the kernel counted per direction, known at the end (when capture ended before, what was
  /// seen until then); of sockets that speak TLS this is all that is known of what follows the
  /// ClientHello.
  std::optional<uint64_t> total_bytes[events::kDirections];

  mutable std::unique_ptr<Attachment> attachment;

  /// The process ended the connection before its peer did.
  bool local_ended_first() const { return local_end && (!peer_end || local_end_ns < peer_end->ns); }
};

/// What the ClientHello of a socket said; empty when it could not be read.
struct TlsHello {
  std::string server_name;
  std::vector<std::string> alpn;
};

/// The exchange of a reply whose request went out before the connection was met: its request's head
/// has no method.
inline constexpr uint64_t kLoneExchange = UINT64_MAX;

/// Takes the client side's exchanges in the order of events. Exchanges are numbered from 0 on each
/// connection in the order of their requests; replies follow first in, first out. Before them a
/// connection met in its middle may have a kLoneExchange.
class ExchangeSink {
 public:
  virtual ~ExchangeSink() = default;
  virtual void OnRequestHead(const ConnectionView& connection, uint64_t exchange,
                             const wire::RequestHead& head, wire::Stamp stamp) = 0;
  virtual void OnRequestBody(const ConnectionView& connection, uint64_t exchange,
                             std::string_view bytes, wire::Stamp stamp) = 0;
  virtual void OnRequestGap(const ConnectionView& connection, uint64_t exchange,
                            uint64_t length) = 0;
  virtual void OnRequestEnd(const ConnectionView& connection, uint64_t exchange,
                            wire::MessageEnd end, wire::Stamp stamp) = 0;
  virtual void OnResponseHead(const ConnectionView& connection, uint64_t exchange,
                              const wire::ResponseHead& head, wire::Stamp stamp) = 0;
  virtual void OnResponseBody(const ConnectionView& connection, uint64_t exchange,
                              std::string_view bytes, wire::Stamp stamp) = 0;
  virtual void OnResponseGap(const ConnectionView& connection, uint64_t exchange,
                             uint64_t length) = 0;
  virtual void OnResponseEnd(const ConnectionView& connection, uint64_t exchange,
                             wire::MessageEnd end, wire::Stamp stamp) = 0;
  /// First sight of plain HTTP/1.x on a connection.
  virtual void OnPlaintext(const ConnectionView&) {}
  /// The connection carries a protocol that is not decoded. Once per connection.
  virtual void OnProtocol(const ConnectionView&, wire::Protocol) {}
  /// A socket of the process speaks TLS. Once per connection.
  virtual void OnTlsSocket(const ConnectionView&, const TlsHello&) {}
  /// A datagram socket to port 443. Once per connection.
  virtual void OnQuic(const ConnectionView&) {}
  /// Nothing more comes of this connection; after the ends of its exchanges.
  virtual void OnConnectionEnd(const ConnectionView&) {}
};

/// How much of a connection is worth the kernel's copying.
enum class Wanted : uint8_t {
  kFull = 0,
  kLengths = 1,  ///< Nothing decodes it: TLS, another protocol, the server's side.
};

/// A verdict holds for the generation it names. It may run out in the kernel; flow repeats it when
/// bytes of the connection come again. Offsets advance while bytes are muted, so what was muted is
/// a hole.
struct Verdict {
  events::ConnectionId connection;
  Wanted wanted = Wanted::kFull;
};

class VerdictSink {
 public:
  virtual ~VerdictSink() = default;
  virtual void OnVerdict(const Verdict& verdict) = 0;
};

}  // namespace sonde::flow

#endif  // SONDE_AGENT_FLOW_EXCHANGE_SINK_H_
