#include <zlib.h>

#include <cstdlib>

#include "decoders/wire/decompressor.h"

namespace sonde::wire {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipWrapper = 16;
constexpr uint8_t kGzipMagic = 0x1f;

/// CMF and FLG of RFC 1950: method 8, window at most 32 KiB, check bits.
bool IsZlibHeader(uint8_t cmf, uint8_t flg) {
  return (cmf & 0x0f) == 8 && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0;
}

class ZlibDecompressor final : public Decompressor {
 public:
  explicit ZlibDecompressor(bool gzip) : gzip_(gzip) {
    stream_.zalloc = &Allocate;
    stream_.zfree = &Free;
    stream_.opaque = this;
  }
  ~ZlibDecompressor() override {
    if (open_) inflateEnd(&stream_);
  }
  ZlibDecompressor(const ZlibDecompressor&) = delete;
  ZlibDecompressor& operator=(const ZlibDecompressor&) = delete;

  Progress Step(std::string_view* input, char* output, size_t size, size_t* produced) override;
  bool AtEnd() const override { return between_members_; }
  size_t MemoryBytes() const override { return sizeof(*this) + allocated_; }

 private:
  static voidpf Allocate(voidpf opaque, uInt items, uInt size) {
    static_cast<ZlibDecompressor*>(opaque)->allocated_ += size_t{items} * size;
    return calloc(items, size);
  }
  static void Free(voidpf, voidpf address) { free(address); }
  int Inflate(std::string_view* input);

  const bool gzip_;
  bool open_ = false;
  bool between_members_ = false;
  uint8_t held_bytes_ = 0;
  char held_[2] = {};  // Deflate: the bytes that tell whether there is a zlib header.
  size_t allocated_ = 0;
  z_stream stream_{};
};

int ZlibDecompressor::Inflate(std::string_view* input) {
  // zlib does not write through next_in; its type is older than const.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input->data()));
  stream_.avail_in = static_cast<uInt>(input->size());
  const int result = inflate(&stream_, Z_SYNC_FLUSH);
  input->remove_prefix(input->size() - stream_.avail_in);
  return result;
}

Decompressor::Progress ZlibDecompressor::Step(std::string_view* input, char* output, size_t size,
                                              size_t* produced) {
  *produced = 0;
  stream_.next_out = reinterpret_cast<Bytef*>(output);
  stream_.avail_out = static_cast<uInt>(size);
  if (!open_) {
    int window = kWindowBits + kGzipWrapper;
    if (!gzip_) {
      while (held_bytes_ < 2 && !input->empty()) {
        held_[held_bytes_++] = input->front();
        input->remove_prefix(1);
      }
      if (held_bytes_ < 2) return Progress::kNeedInput;
      const bool wrapped =
          IsZlibHeader(static_cast<uint8_t>(held_[0]), static_cast<uint8_t>(held_[1]));
      window = wrapped ? kWindowBits : -kWindowBits;
    }
    if (inflateInit2(&stream_, window) != Z_OK) return Progress::kBroken;
    open_ = true;
    std::string_view held(held_, held_bytes_);
    const int result = held.empty() ? Z_OK : Inflate(&held);
    if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) return Progress::kBroken;
    between_members_ = result == Z_STREAM_END;
  }
  if (between_members_) {
    // Another member follows, or padding.
    if (input->empty()) return Progress::kNeedInput;
    const bool member = gzip_ && static_cast<uint8_t>(input->front()) == kGzipMagic;
    if (!member || inflateReset(&stream_) != Z_OK) return Progress::kEnd;
    between_members_ = false;
  }
  const int result = Inflate(input);
  *produced = size - stream_.avail_out;
  if (result == Z_STREAM_END) {
    between_members_ = true;
    return Progress::kMore;
  }
  if (result == Z_BUF_ERROR || (result == Z_OK && stream_.avail_out > 0)) {
    return Progress::kNeedInput;
  }
  return result == Z_OK ? Progress::kMore : Progress::kBroken;
}

}  // namespace

std::unique_ptr<Decompressor> NewGzipDecompressor() {
  return std::make_unique<ZlibDecompressor>(true);
}
std::unique_ptr<Decompressor> NewDeflateDecompressor() {
  return std::make_unique<ZlibDecompressor>(false);
}

}  // namespace sonde::wire
