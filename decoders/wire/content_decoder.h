// Removes a content coding (RFC 9110 section 8.4) as bytes come.
#ifndef SONDE_DECODERS_WIRE_CONTENT_DECODER_H_
#define SONDE_DECODERS_WIRE_CONTENT_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "decoders/wire/decompressor.h"

namespace sonde::wire {

/// Takes decoded bytes; a view lives until the call returns.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void OnBytes(std::string_view bytes) = 0;
};

/// The memory of all open decoders together: some codings need megabytes for each. Not thread-safe.
struct DecoderMemory {
  size_t limit = size_t{32} * 1024 * 1024;
  size_t used = 0;
  uint64_t refused = 0;  ///< Bodies not decoded, or not to their end, because it was full.
};

struct DecodeLimits {
  uint64_t output_bytes = 0;        ///< Of one message.
  uint64_t output_ratio = 0;        ///< Output to input, once there are ratio_free_bytes of output.
  DecoderMemory* memory = nullptr;  ///< Shared; must outlive the decoder. Null: no limit.
};

/// gzip, deflate (with and without zlib's wrapper), br and zstd. Output is handed on as soon as it
/// can be computed: nothing is held back, nothing is collected.
class ContentDecoder {
 public:
  enum class Coding : uint8_t {
    kIdentity,
    kGzip,
    kDeflate,
    kBrotli,
    kZstd,
    kUnsupported,  ///< Unknown, or several at once.
  };
  enum class Status : uint8_t {
    kOk,
    kBroken,  ///< Not what the coding says, or past a limit. Nothing more comes out.
    kFull,    ///< All decoders together would need too much memory. Nothing more comes out.
  };
  static constexpr uint64_t kRatioFreeBytes = uint64_t{4} * 1024 * 1024;

  /// The coding named by a Content-Encoding value; several real codings are kUnsupported.
  static Coding CodingOf(std::string_view content_encoding);

  ContentDecoder(Coding coding, const DecodeLimits& limits);
  ~ContentDecoder();
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;

  Coding coding() const { return coding_; }
  Status Decode(std::string_view bytes, ByteSink* sink);
  /// The coded stream is not at its end, so a message that ends here was cut. Nothing at all is a
  /// whole body: some servers send it.
  bool IsCut() const {
    return status_ == Status::kOk && !finished_ && decompressor_ && !decompressor_->AtEnd();
  }
  size_t MemoryBytes() const;

 private:
  Status Decompress(std::string_view bytes, ByteSink* sink);
  bool Account();
  bool IsBomb() const {
    return output_ > limits_.output_bytes ||
           (output_ > kRatioFreeBytes && output_ / limits_.output_ratio > input_);
  }

  const Coding coding_;
  const DecodeLimits limits_;
  Status status_ = Status::kOk;
  bool finished_ = false;  // The coded stream ended; what follows is padding.
  uint64_t input_ = 0;
  uint64_t output_ = 0;
  size_t accounted_ = 0;  // Of the shared memory.
  std::unique_ptr<Decompressor> decompressor_;
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_CONTENT_DECODER_H_
