// One compressed stream behind one interface; what bounds the output is its caller's business.
#ifndef SONDE_DECODERS_WIRE_DECOMPRESSOR_H_
#define SONDE_DECODERS_WIRE_DECOMPRESSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sonde::wire {

/// Output is handed on as soon as it can be computed. Not thread-safe.
class Decompressor {
 public:
  enum class Progress : uint8_t {
    kMore,       ///< There may be more output without more input.
    kNeedInput,  ///< All input was taken.
    kEnd,        ///< The compressed data ended; what is left of the input is padding.
    kBroken,
  };
  virtual ~Decompressor() = default;
  /// Takes from the front of `input`, writes up to `size` bytes to `output`.
  virtual Progress Step(std::string_view* input, char* output, size_t size, size_t* produced) = 0;
  /// What came so far may be all: no stream is open, or the last one ended.
  virtual bool AtEnd() const = 0;
  virtual size_t MemoryBytes() const = 0;
};

/// RFC 1952, with any number of members.
std::unique_ptr<Decompressor> NewGzipDecompressor();
/// RFC 1950, which HTTP calls deflate, or the bare RFC 1951 that some servers send.
std::unique_ptr<Decompressor> NewDeflateDecompressor();
/// RFC 7932. Its window, hence its memory, is at most 16 MiB and grows with the output.
std::unique_ptr<Decompressor> NewBrotliDecompressor();
/// RFC 8878, with any number of frames. Windows above 8 MiB are refused (RFC 9659).
std::unique_ptr<Decompressor> NewZstdDecompressor();

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_DECOMPRESSOR_H_
