// The capture file: a header, then compressed frames of events.
//
//   "SONDECAP" | u32 version | u32 header length | header (JSON, UTF-8)
//   frame*:  u32 compressed length | u32 raw length | one Zstandard frame with a content checksum
//
// Integers are little-endian. A raw frame holds whole records: varint length | u8 type | fields
// (event_codec.h). A reader skips types it does not know and fields it does not expect; a new
// meaning of an old field is a new version. A file cut anywhere is readable up to its last whole
// frame.
#ifndef SONDE_AGENT_CAPTURE_FILE_CAPTURE_FORMAT_H_
#define SONDE_AGENT_CAPTURE_FILE_CAPTURE_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sonde::capture {

inline constexpr std::string_view kCaptureMagic = "SONDECAP";
inline constexpr uint32_t kCaptureVersion = 1;
inline constexpr size_t kMostHeaderBytes = 1 << 20;
/// A writer closes a frame at this size; a reader refuses frames beyond the second figure.
inline constexpr size_t kFrameBytes = 256UL * 1024;
inline constexpr size_t kMostFrameBytes = 4UL * 1024 * 1024;

/// What a replay needs to repeat the live run.
struct CaptureHeader {
  std::string sonde_version;
  int64_t created_unix_ns = 0;
  std::string id_seed;
  std::string price_book_version;
  std::string price_book_hash;
  bool text_masked = false;  ///< Message text was masked; credentials always are.
  /// Settings that change what comes out, by name.
  std::map<std::string, std::string> settings;
};

std::string HeaderToJson(const CaptureHeader& header);
absl::StatusOr<CaptureHeader> HeaderFromJson(std::string_view json);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_CAPTURE_FORMAT_H_
