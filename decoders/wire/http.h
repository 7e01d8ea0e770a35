// The version-independent parts of an HTTP message (RFC 9110).
#ifndef SONDE_DECODERS_WIRE_HTTP_H_
#define SONDE_DECODERS_WIRE_HTTP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::wire {

struct Header {
  std::string name;  ///< Lower case.
  std::string value;
};

/// First value of `name` (lower case); empty when absent.
inline std::string_view FindHeader(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

struct RequestHead {
  std::string method;
  std::string target;     ///< As sent: path and query, absolute form, or authority (CONNECT).
  std::string authority;  ///< Host header or :authority, with its port if one was sent.
  std::string version;    ///< "1.1", "1.0", "2".
  std::vector<Header> headers;
  /// The coding, as sent, that keeps the body from being read; its bytes are gaps. Usually empty.
  std::string unsupported_coding;
};

struct ResponseHead {
  int status = 0;
  std::string version;
  std::vector<Header> headers;
  std::string unsupported_coding;  ///< As in a request.
};

/// How a message's body ended.
enum class MessageEnd : uint8_t {
  kComplete,   ///< By its framing.
  kTruncated,  ///< The connection ended before the framing did.
  kGarbled,    ///< The bytes are not HTTP, or a length lies.
  kHole,       ///< Bytes were lost where framing cannot be recovered.
  kUpgraded,   ///< 101 or a CONNECT tunnel: what follows is another protocol.
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_HTTP_H_
