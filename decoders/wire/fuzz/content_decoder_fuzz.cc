// Coded bytes of a fuzzer: the first chooses the coding. Whole and in pieces give the same, within
// the limits.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "decoders/wire/content_decoder.h"

namespace {

using sonde::wire::ContentDecoder;

constexpr uint64_t kMostOutput = 1 << 20;
// The largest windows: 16 MiB of Brotli, 8 MiB of zstd with its buffers.
constexpr size_t kMemoryBound = size_t{18} << 20;

struct Collected final : sonde::wire::ByteSink {
  void OnBytes(std::string_view bytes) override { text += bytes; }
  std::string text;
};

void Require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

std::string Decode(ContentDecoder::Coding coding, std::string_view bytes, size_t step, bool* ok) {
  ContentDecoder decoder(coding, {.output_bytes = kMostOutput, .output_ratio = 64});
  Collected out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    *ok = decoder.Decode(bytes.substr(at, step), &out) == ContentDecoder::Status::kOk;
    Require(decoder.MemoryBytes() <= kMemoryBound, "memory grows");
  }
  Require(out.text.size() <= kMostOutput, "more than the limit comes out");
  return out.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  constexpr ContentDecoder::Coding kCodings[] = {
      ContentDecoder::Coding::kGzip, ContentDecoder::Coding::kDeflate,
      ContentDecoder::Coding::kBrotli, ContentDecoder::Coding::kZstd};
  const ContentDecoder::Coding coding = kCodings[data[0] % 4];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  bool whole_ok = true;
  bool cut_ok = true;
  const std::string whole = Decode(coding, bytes, bytes.size() + 1, &whole_ok);
  const std::string cut = Decode(coding, bytes, size_t{data[1]} % 64 + 1, &cut_ok);
  if (whole_ok && cut_ok) Require(whole == cut, "pieces and the whole differ");
  return 0;
}
