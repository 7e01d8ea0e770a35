#include <zstd.h>

#include "decoders/wire/decompressor.h"

namespace sonde::wire {
namespace {

constexpr int kLargestWindowBits = 23;

class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) return;
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kLargestWindowBits);
  }
  ~ZstdDecompressor() override { ZSTD_freeDStream(stream_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  Progress Step(std::string_view* input, char* output, size_t size, size_t* produced) override;
  bool AtEnd() const override { return at_end_; }
  size_t MemoryBytes() const override {
    return sizeof(*this) + (stream_ == nullptr ? 0 : ZSTD_sizeof_DStream(stream_));
  }

 private:
  ZSTD_DStream* const stream_;
  bool at_end_ = false;  // Between frames.
};

Decompressor::Progress ZstdDecompressor::Step(std::string_view* input, char* output, size_t size,
                                              size_t* produced) {
  *produced = 0;
  if (stream_ == nullptr) return Progress::kBroken;
  ZSTD_inBuffer in = {input->data(), input->size(), 0};
  ZSTD_outBuffer out = {output, size, 0};
  const size_t result = ZSTD_decompressStream(stream_, &out, &in);
  input->remove_prefix(in.pos);
  *produced = out.pos;
  if (ZSTD_isError(result) != 0) return Progress::kBroken;
  // A call that only asks for more output says nothing about a frame that has ended.
  if (result == 0) {
    at_end_ = true;
  } else if (in.pos > 0 || out.pos > 0) {
    at_end_ = false;
  }
  // A full output may have more behind it, after the input's end as well.
  return out.pos == size || !input->empty() ? Progress::kMore : Progress::kNeedInput;
}

}  // namespace

std::unique_ptr<Decompressor> NewZstdDecompressor() { return std::make_unique<ZstdDecompressor>(); }

}  // namespace sonde::wire
