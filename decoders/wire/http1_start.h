// What the first bytes of a message or a connection look like, and small questions to its headers.
#ifndef SONDE_DECODERS_WIRE_HTTP1_START_H_
#define SONDE_DECODERS_WIRE_HTTP1_START_H_

#include <cstdint>
#include <string_view>

#include "decoders/wire/http1_connection.h"

namespace sonde::wire {

enum class Start : uint8_t {
  kNeedMore,
  kText,  ///< May be HTTP/1.x or the HTTP/2 preface.
  kTls,   ///< A TLS record header (RFC 8446 section 5.1).
  kOther,
};

/// The first bytes of a connection or of a tunnel.
Start LookAtStart(std::string_view bytes);

/// Whether a piece begins with a plausible request or status line, strictly enough to join a stream
/// in its middle.
bool LooksLikeStart(Side side, std::string_view piece);

/// Whether bytes between two responses can be the beginning of one ("HTTP/", line breaks before
/// it).
bool MayBeResponse(std::string_view bytes);

/// Whether a comma-separated header value has `token` (lower case) among its items.
bool HasToken(std::string_view value, std::string_view token);

/// What a 101 response switches to.
Protocol ProtocolOfUpgrade(std::string_view upgrade);

/// Authority named by a request target in absolute or authority form; empty otherwise.
std::string_view AuthorityOf(std::string_view method, std::string_view target);

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_HTTP1_START_H_
