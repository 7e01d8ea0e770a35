#include <brotli/decode.h>

#include <cstdlib>

#include "decoders/wire/decompressor.h"

namespace sonde::wire {
namespace {

class BrotliDecompressor final : public Decompressor {
 public:
  BrotliDecompressor() : state_(BrotliDecoderCreateInstance(&Allocate, &Free, this)) {}
  ~BrotliDecompressor() override { BrotliDecoderDestroyInstance(state_); }
  BrotliDecompressor(const BrotliDecompressor&) = delete;
  BrotliDecompressor& operator=(const BrotliDecompressor&) = delete;

  Progress Step(std::string_view* input, char* output, size_t size, size_t* produced) override;
  // Its end is Progress::kEnd.
  bool AtEnd() const override { return false; }
  size_t MemoryBytes() const override { return sizeof(*this) + allocated_; }

 private:
  // The library frees without telling sizes: they stand before the blocks.
  static constexpr size_t kHead = alignof(std::max_align_t);

  static void* Allocate(void* opaque, size_t size) {
    void* const block = malloc(kHead + size);
    if (block == nullptr) return nullptr;
    *static_cast<size_t*>(block) = size;
    static_cast<BrotliDecompressor*>(opaque)->allocated_ += size;
    return static_cast<char*>(block) + kHead;
  }
  static void Free(void* opaque, void* address) {
    if (address == nullptr) return;
    void* const block = static_cast<char*>(address) - kHead;
    static_cast<BrotliDecompressor*>(opaque)->allocated_ -= *static_cast<size_t*>(block);
    free(block);
  }

  size_t allocated_ = 0;
  BrotliDecoderState* const state_;
};

Decompressor::Progress BrotliDecompressor::Step(std::string_view* input, char* output, size_t size,
                                                size_t* produced) {
  *produced = 0;
  if (state_ == nullptr) return Progress::kBroken;
  size_t in_left = input->size();
  size_t out_left = size;
  const auto* next_in = reinterpret_cast<const uint8_t*>(input->data());
  auto* next_out = reinterpret_cast<uint8_t*>(output);
  const BrotliDecoderResult result =
      BrotliDecoderDecompressStream(state_, &in_left, &next_in, &out_left, &next_out, nullptr);
  input->remove_prefix(input->size() - in_left);
  *produced = size - out_left;
  switch (result) {
    case BROTLI_DECODER_RESULT_SUCCESS:
      return Progress::kEnd;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
      return Progress::kNeedInput;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
      return Progress::kMore;
    case BROTLI_DECODER_RESULT_ERROR:
      break;
  }
  return Progress::kBroken;
}

}  // namespace

std::unique_ptr<Decompressor> NewBrotliDecompressor() {
  return std::make_unique<BrotliDecompressor>();
}

}  // namespace sonde::wire
