// Text from the wire made fit for an export: valid UTF-8, bounded, without credentials.
#ifndef SONDE_AGENT_EXPORT_TEXT_H_
#define SONDE_AGENT_EXPORT_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sonde::exporter {

/// `text` with every ill-formed UTF-8 sequence replaced by U+FFFD, cut to at most `max_bytes` at a
/// character's boundary. Protobuf strings and JSON must be valid UTF-8, names in replies need not.
std::string CleanUtf8(std::string_view text, size_t max_bytes);

/// Replaces what looks like a credential by "[masked]": words with a known key prefix, what follows
/// "Bearer", and long unbroken words that mix letters and digits. Providers repeat parts of a
/// refused key in their error texts. Meant for short texts.
std::string MaskSecrets(std::string_view text);

/// A stable pseudonym of an end user's id: the first 16 bytes of SHA-256 over a fixed label,
/// `salt` and `user`, in hexadecimal. Without a salt, an id that can be guessed can be confirmed.
std::string HashUser(std::string_view user, std::string_view salt);

/// Lower-case hexadecimal.
std::string Hex(std::span<const uint8_t> bytes);

/// UTC, RFC 3339 with nine decimals: "2026-11-21T12:10:18.000000001Z".
std::string Rfc3339(int64_t unix_ns);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_TEXT_H_
