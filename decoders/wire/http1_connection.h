// Both directions of one HTTP/1.x connection (RFC 9112) as a passive observer sees them.
#ifndef SONDE_DECODERS_WIRE_HTTP1_CONNECTION_H_
#define SONDE_DECODERS_WIRE_HTTP1_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "decoders/wire/content_decoder.h"
#include "decoders/wire/http.h"
#include "decoders/wire/stamp.h"

namespace sonde::wire {

/// Which half of the exchange bytes belong to. (The connection's owner maps "out" and "in" to these
/// by role.)
enum class Side : uint8_t { kRequest = 0, kResponse = 1 };

/// What the connection turned out to be when it is not HTTP/1.x.
enum class Protocol : uint8_t { kHttp1, kHttp2Preface, kTls, kWebSocket, kTunnel, kUnknown };

/// Receives one connection's messages. Exchanges are numbered from 0 in the order of their
/// requests; responses are matched first in, first out. Bodies arrive with transfer coding and
/// content coding removed, in pieces of any size; views live until the callback returns.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual void OnRequestHead(uint64_t exchange, const RequestHead& head, Stamp stamp) = 0;
  virtual void OnRequestBody(uint64_t exchange, std::string_view bytes, Stamp stamp) = 0;
  /// `length` body bytes were not seen (encoded bytes when a content coding applies).
  virtual void OnRequestGap(uint64_t exchange, uint64_t length) = 0;
  virtual void OnRequestEnd(uint64_t exchange, MessageEnd end, Stamp stamp) = 0;
  /// The final response only; 1xx heads are not reported, except 101.
  virtual void OnResponseHead(uint64_t exchange, const ResponseHead& head, Stamp stamp) = 0;
  virtual void OnResponseBody(uint64_t exchange, std::string_view bytes, Stamp stamp) = 0;
  virtual void OnResponseGap(uint64_t exchange, uint64_t length) = 0;
  virtual void OnResponseEnd(uint64_t exchange, MessageEnd end, Stamp stamp) = 0;
  /// The bytes that follow are not HTTP/1.x; nothing more is reported for this connection, except
  /// after a CONNECT tunnel carrying HTTP/1.x or when the decoder resynchronises.
  virtual void OnProtocol(Protocol protocol, Stamp stamp) = 0;
  /// Bytes of `side` that belong to no exchange (before a resynchronisation, or a response with no
  /// request).
  virtual void OnUnmatched(Side side, uint64_t length, Stamp stamp) = 0;
};

/// Not thread-safe. Holds at most Limits worth of state whatever the input.
class Http1Connection {
 public:
  struct Limits {
    size_t head_bytes = size_t{64} * 1024;  ///< One message head; beyond it the message is garbled.
    size_t header_count = 256;
    size_t early_reply_bytes =
        size_t{64} * 1024;           ///< Response bytes kept while their request is not here yet.
    size_t pipelined_requests = 64;  ///< Open exchanges at once.
    uint64_t decoded_bytes =
        uint64_t{256} * 1024 * 1024;    ///< Of one content-coded body; more is a bomb.
    uint64_t decoded_ratio = 256;       ///< Decoded to encoded bytes, past the first 4 MiB.
    DecoderMemory* decoders = nullptr;  ///< Of all connections; null: no limit.
  };

  /// `sink` must outlive the connection. `mid_stream`: the connection's beginning was not seen, so
  /// the first bytes may be the middle of a message.
  Http1Connection(const Limits& limits, bool mid_stream, HttpSink* sink);
  ~Http1Connection();
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  void Feed(Side side, std::string_view bytes, Stamp stamp);
  /// `length` bytes of `side` are missing here.
  void Hole(Side side, uint64_t length, Stamp stamp);
  /// `side` ended (end of file, reset or close): close-delimited bodies complete, others truncate.
  void End(Side side, Stamp stamp);

  /// Bytes held on the heap by this connection.
  size_t MemoryBytes() const;
  /// Exchanges that are open.
  size_t OpenExchanges() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_HTTP1_CONNECTION_H_
