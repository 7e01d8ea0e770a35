// What a direction's first bytes look like.
#ifndef SONDE_AGENT_FLOW_SNIFF_H_
#define SONDE_AGENT_FLOW_SNIFF_H_

#include <cstdint>
#include <string_view>

namespace sonde::flow {

enum class Look : uint8_t {
  kNeedMore,      ///< Too short to tell.
  kHttpRequest,   ///< "METHOD " (also the HTTP/2 preface).
  kHttpResponse,  ///< "HTTP/".
  kTlsRecord,     ///< A TLS record header, SSL 3.0 to TLS 1.3 (RFC 8446 section 5.1).
  kOther,
};

/// `tls_possible`: the bytes come from a socket; the plaintext of a TLS library is never taken for
/// TLS.
Look LookAt(std::string_view first, bool tls_possible);

}  // namespace sonde::flow

#endif  // SONDE_AGENT_FLOW_SNIFF_H_
