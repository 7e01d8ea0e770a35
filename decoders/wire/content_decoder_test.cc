#include "decoders/wire/content_decoder.h"

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::wire {
namespace {

using Coding = ContentDecoder::Coding;

constexpr DecodeLimits kLimits = {.output_bytes = uint64_t{1} << 30, .output_ratio = 256};

/// Encodes pieces, each flushed, as a server does that streams.
class Encoder {
 public:
  explicit Encoder(Coding coding) : coding_(coding) {
    if (coding == Coding::kBrotli) {
      brotli_ = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
      BrotliEncoderSetParameter(brotli_, BROTLI_PARAM_QUALITY, 4);
    } else if (coding == Coding::kZstd) {
      zstd_ = ZSTD_createCStream();
    } else {
      deflateInit2(&zlib_, 6, Z_DEFLATED, coding == Coding::kGzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY);
    }
  }
  ~Encoder() {
    if (brotli_ != nullptr) BrotliEncoderDestroyInstance(brotli_);
    if (zstd_ != nullptr) ZSTD_freeCStream(zstd_);
    if (brotli_ == nullptr && zstd_ == nullptr) deflateEnd(&zlib_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  std::string Add(std::string_view bytes, bool last = false) {
    std::string out(bytes.size() + 4096, '\0');
    if (coding_ == Coding::kBrotli) {
      size_t in_left = bytes.size();
      size_t out_left = out.size();
      const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
      auto* to = reinterpret_cast<uint8_t*>(out.data());
      EXPECT_TRUE(BrotliEncoderCompressStream(
          brotli_, last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &in_left, &in,
          &out_left, &to, nullptr));
      out.resize(out.size() - out_left);
    } else if (coding_ == Coding::kZstd) {
      ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
      ZSTD_outBuffer to = {out.data(), out.size(), 0};
      EXPECT_EQ(ZSTD_compressStream2(zstd_, &to, &in, last ? ZSTD_e_end : ZSTD_e_flush), 0U);
      out.resize(to.pos);
    } else {
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      zlib_.avail_in = static_cast<uInt>(bytes.size());
      zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
      zlib_.avail_out = static_cast<uInt>(out.size());
      deflate(&zlib_, last ? Z_FINISH : Z_SYNC_FLUSH);
      out.resize(out.size() - zlib_.avail_out);
    }
    return out;
  }

 private:
  const Coding coding_;
  z_stream zlib_{};
  BrotliEncoderState* brotli_ = nullptr;
  ZSTD_CStream* zstd_ = nullptr;
};

struct Collected final : ByteSink {
  void OnBytes(std::string_view bytes) override { text += bytes; }
  std::string text;
};

std::string Words(size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "word" + std::to_string(random() % 5000) + " ";
  return text;
}

class EveryCoding : public ::testing::TestWithParam<Coding> {};

TEST_P(EveryCoding, GivesEachFlushedPieceAtOnce) {
  Encoder encoder(GetParam());
  ContentDecoder decoder(GetParam(), kLimits);
  Collected out;
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    const std::string piece = "data: {\"n\":" + std::to_string(i) + "}\n\n";
    sent += piece;
    EXPECT_EQ(decoder.Decode(encoder.Add(piece), &out), ContentDecoder::Status::kOk);
    EXPECT_EQ(out.text, sent);
  }
}

TEST_P(EveryCoding, CutAnywhere) {
  const std::string text = Words(200'000);
  const std::string coded = Encoder(GetParam()).Add(text, true);
  for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, coded.size()}) {
    ContentDecoder decoder(GetParam(), kLimits);
    Collected out;
    for (size_t at = 0; at < coded.size(); at += step) {
      ASSERT_EQ(decoder.Decode(std::string_view(coded).substr(at, step), &out),
                ContentDecoder::Status::kOk);
    }
    EXPECT_EQ(out.text, text) << step;
  }
}

TEST_P(EveryCoding, GarbageIsBroken) {
  ContentDecoder decoder(GetParam(), kLimits);
  Collected out;
  const std::string garbage(4096, '\x9f');
  EXPECT_EQ(decoder.Decode(garbage, &out), ContentDecoder::Status::kBroken);
  EXPECT_EQ(decoder.Decode("more", &out), ContentDecoder::Status::kBroken);
}

TEST_P(EveryCoding, ABombIsCutOff) {
  Encoder encoder(GetParam());
  ContentDecoder decoder(GetParam(), kLimits);
  Collected out;
  const std::string piece(size_t{1} << 20, 'a');
  ContentDecoder::Status status = ContentDecoder::Status::kOk;
  for (int i = 0; i < 64 && status == ContentDecoder::Status::kOk; ++i) {
    status = decoder.Decode(encoder.Add(piece), &out);
  }
  EXPECT_EQ(status, ContentDecoder::Status::kBroken);
  EXPECT_LT(out.text.size(), size_t{16} << 20);
  EXPECT_LT(decoder.MemoryBytes(), 4096U);
}

TEST_P(EveryCoding, ALimitOfOutput) {
  ContentDecoder decoder(GetParam(), {.output_bytes = 100'000, .output_ratio = 1'000'000});
  Collected out;
  EXPECT_EQ(decoder.Decode(Encoder(GetParam()).Add(Words(300'000), true), &out),
            ContentDecoder::Status::kBroken);
  EXPECT_LE(out.text.size(), 100'000U);
}

INSTANTIATE_TEST_SUITE_P(Codings, EveryCoding,
                         ::testing::Values(Coding::kGzip, Coding::kDeflate, Coding::kBrotli,
                                           Coding::kZstd));

TEST(ContentDecoder, FramesOfZstdFollowOneAnother) {
  ContentDecoder decoder(Coding::kZstd, kLimits);
  Collected out;
  decoder.Decode(Encoder(Coding::kZstd).Add("one ", true) + Encoder(Coding::kZstd).Add("two", true),
                 &out);
  EXPECT_EQ(out.text, "one two");
}

TEST(ContentDecoder, LargeWindowsOfZstdAreRefused) {
  std::string out(4096, '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  ZSTD_inBuffer in = {"hello", 5, 0};
  ZSTD_outBuffer to = {out.data(), out.size(), 0};
  ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush);
  ZSTD_freeCCtx(context);
  ContentDecoder decoder(Coding::kZstd, kLimits);
  Collected collected;
  EXPECT_EQ(decoder.Decode({out.data(), to.pos}, &collected), ContentDecoder::Status::kBroken);
  EXPECT_LT(decoder.MemoryBytes(), size_t{1} << 20);
}

TEST(ContentDecoder, AnEmptyBareDeflateStream) {
  ContentDecoder decoder(Coding::kDeflate, kLimits);
  Collected out;
  EXPECT_EQ(decoder.Decode({"\x03\x00", 2}, &out), ContentDecoder::Status::kOk);
  EXPECT_EQ(out.text, "");
}

TEST(ContentDecoder, Names) {
  EXPECT_EQ(ContentDecoder::CodingOf("BR"), Coding::kBrotli);
  EXPECT_EQ(ContentDecoder::CodingOf(" zstd "), Coding::kZstd);
  EXPECT_EQ(ContentDecoder::CodingOf("identity, br"), Coding::kBrotli);
  EXPECT_EQ(ContentDecoder::CodingOf("gzip, br"), Coding::kUnsupported);
  EXPECT_EQ(ContentDecoder::CodingOf("compress"), Coding::kUnsupported);
}

TEST(ContentDecoder, SaysWhetherTheCodedBytesAreAtTheirEnd) {
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate, Coding::kBrotli, Coding::kZstd}) {
    const std::string coded = Encoder(coding).Add("to be continued", true);
    for (size_t length = 0; length <= coded.size(); ++length) {
      ContentDecoder decoder(coding, kLimits);
      Collected out;
      EXPECT_EQ(decoder.Decode(coded.substr(0, length), &out), ContentDecoder::Status::kOk);
      EXPECT_EQ(decoder.IsCut(), length > 0 && length < coded.size())
          << static_cast<int>(coding) << " cut at " << length;
    }
  }
}

TEST(ContentDecoder, OpenDecodersShareTheirMemory) {
  const std::string text = Words(600'000);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate, Coding::kBrotli, Coding::kZstd}) {
    const std::string coded = Encoder(coding).Add(text);  // Flushed, not finished: they stay open.
    DecoderMemory memory{.limit = size_t{4} << 20};
    const DecodeLimits limits = {kLimits.output_bytes, kLimits.output_ratio, &memory};
    std::vector<std::unique_ptr<ContentDecoder>> open;
    uint64_t refused = 0;
    for (int i = 0; i < 150; ++i) {
      open.push_back(std::make_unique<ContentDecoder>(coding, limits));
      Collected out;
      const auto status = open.back()->Decode(coded, &out);
      refused += status == ContentDecoder::Status::kFull ? 1 : 0;
      EXPECT_NE(status, ContentDecoder::Status::kBroken);
      EXPECT_LE(memory.used, memory.limit);
    }
    EXPECT_GT(refused, 0U);
    EXPECT_LT(refused, 150U);
    EXPECT_EQ(memory.refused, refused);
    size_t held = 0;
    for (const auto& decoder : open) held += decoder->MemoryBytes() - sizeof(ContentDecoder);
    EXPECT_EQ(held, memory.used);
    open.clear();
    EXPECT_EQ(memory.used, 0U);
    // Room again.
    Collected out;
    EXPECT_EQ(ContentDecoder(coding, limits).Decode(coded, &out), ContentDecoder::Status::kOk);
  }
}

}  // namespace
}  // namespace sonde::wire
