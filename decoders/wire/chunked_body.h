// The chunked transfer coding (RFC 9112 section 7.1).
#ifndef SONDE_DECODERS_WIRE_CHUNKED_BODY_H_
#define SONDE_DECODERS_WIRE_CHUNKED_BODY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sonde::wire {

/// Reads one chunked body as its bytes come. Our own instead of llhttp's: that one refuses several
/// extensions on a chunk and blanks after its size, which clients accept, and cannot pass over lost
/// bytes.
///
/// State   | reads
/// --------+----------------------------------------------
/// kSize   | hexadecimal digits
/// kRest   | extensions, up to the line's end
/// kData   | the chunk's bytes
/// kAfter  | the line break behind them
/// kTrailer| trailer lines, up to an empty one
/// kEnd    |
class ChunkedBody {
 public:
  /// Of one chunk's line, and of all trailers: beyond it the body is broken.
  static constexpr size_t kMaxLineBytes = size_t{16} * 1024;

  enum class Status : uint8_t { kNeedMore, kData, kEnd, kBroken };

  /// Reads on from the front of `bytes` and removes what was read. kData: `data` is a piece of the
  /// body; call again.
  Status Next(std::string_view* bytes, std::string_view* data);

  /// Passes over lost bytes if they lie in one chunk's data. Returns whether they do.
  bool Hole(uint64_t length);

 private:
  enum class State : uint8_t { kSize, kRest, kData, kAfter, kTrailer, kEnd };

  Status ReadSize(char c);
  Status EndSizeLine();
  Status ReadTrailer(char c);

  State state_ = State::kSize;
  bool has_digit_ = false;
  bool line_empty_ = true;  // Of the trailer line being read.
  uint64_t remaining_ = 0;  // Of the chunk.
  size_t line_bytes_ = 0;
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_CHUNKED_BODY_H_
