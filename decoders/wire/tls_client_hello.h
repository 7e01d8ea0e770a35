// Server name and protocols that a TLS client asked for (RFC 8446 section 4.1.2, RFC 6066 section
// 3, RFC 7301), read from the first bytes it sent.
#ifndef SONDE_DECODERS_WIRE_TLS_CLIENT_HELLO_H_
#define SONDE_DECODERS_WIRE_TLS_CLIENT_HELLO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::wire {

struct ClientHello {
  std::string server_name;        ///< Host name of the SNI extension; empty when none was sent.
  std::vector<std::string> alpn;  ///< Protocols offered, in order; at most 16.
  size_t wire_bytes = 0;          ///< Its length, with the records' heads.
};

enum class ClientHelloStatus : uint8_t {
  kComplete,
  kNeedMore,  ///< A good beginning; more bytes are needed.
  kNotHello,  ///< Not a ClientHello, or a broken one.
};

struct ClientHelloResult {
  ClientHelloStatus status = ClientHelloStatus::kNotHello;
  ClientHello hello;
};

/// `bytes`: everything the client sent so far, from the first byte. The hello may be spread over
/// several handshake records. Pure.
ClientHelloResult ParseClientHello(std::string_view bytes);

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_TLS_CLIENT_HELLO_H_
