// Finding the few bytes that matter in JSON text, sixteen or sixty-four at a time.
#ifndef SONDE_DECODERS_JSON_SCAN_H_
#define SONDE_DECODERS_JSON_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sonde::json {

/// Bit i of a mask speaks of byte i of a block.
inline constexpr size_t kBlockBytes = 64;

#if defined(__SSE2__)
class Block {
 public:
  explicit Block(const char* bytes) {
    for (size_t i = 0; i < 4; ++i) {
      part_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + size_t{16} * i));
    }
  }
  uint64_t Equal(char c) const {
    const __m128i wanted = _mm_set1_epi8(c);
    return Mask([&](__m128i part) { return _mm_cmpeq_epi8(part, wanted); });
  }
  /// Bytes whose bits in `bits` are set count as equal to their sibling: 0x20 joins "[" and "{".
  uint64_t EqualWith(char c, char bits) const {
    const __m128i wanted = _mm_set1_epi8(c);
    const __m128i extra = _mm_set1_epi8(bits);
    return Mask([&](__m128i part) { return _mm_cmpeq_epi8(_mm_or_si128(part, extra), wanted); });
  }
  uint64_t High() const {  ///< Bytes from 0x80 on.
    return Mask([](__m128i part) { return part; });
  }
  /// Bytes from 0x80 on and those up to and including `limit` (signed comparison).
  uint64_t AtMost(char limit) const {
    const __m128i above = _mm_set1_epi8(static_cast<char>(limit + 1));
    return Mask([&](__m128i part) { return _mm_cmplt_epi8(part, above); });
  }
  /// First bytes of characters of several bytes (0xC0 and above).
  uint64_t Leads() const {
    const __m128i below = _mm_set1_epi8(static_cast<char>(0xbf));
    const __m128i zero = _mm_setzero_si128();
    return Mask([&](__m128i part) {
      return _mm_and_si128(_mm_cmplt_epi8(part, zero), _mm_cmpgt_epi8(part, below));
    });
  }

 private:
  template <typename F>
  uint64_t Mask(F f) const {
    uint64_t mask = 0;
    for (int i = 3; i >= 0; --i) {
      mask = mask << 16 | static_cast<uint16_t>(_mm_movemask_epi8(f(part_[i])));
    }
    return mask;
  }
  __m128i part_[4];
};
#else
class Block {
 public:
  explicit Block(const char* bytes) : bytes_(bytes) {}
  uint64_t Equal(char c) const {
    return Mask([c](char byte) { return byte == c; });
  }
  uint64_t EqualWith(char c, char bits) const {
    return Mask([c, bits](char byte) { return static_cast<char>(byte | bits) == c; });
  }
  uint64_t High() const {
    return Mask([](char byte) { return static_cast<signed char>(byte) < 0; });
  }
  uint64_t AtMost(char limit) const {
    return Mask([limit](char byte) { return static_cast<signed char>(byte) <= limit; });
  }
  uint64_t Leads() const {
    return Mask([](char byte) { return static_cast<uint8_t>(byte) >= 0xc0; });
  }

 private:
  template <typename F>
  uint64_t Mask(F f) const {
    uint64_t mask = 0;
    for (size_t i = 0; i < kBlockBytes; ++i) mask |= uint64_t{f(bytes_[i])} << i;
    return mask;
  }
  const char* bytes_;
};
#endif

/// First `"` or `\` in [p, end), or end.
inline const char* FindQuoteOrBackslash(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const int mask = _mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  while (p < end && *p != '"' && *p != '\\') ++p;
  return p;
}

/// Bit i is the parity of bits 0..i: turns quotes into "inside a string".
inline uint64_t PrefixXor(uint64_t bits) {
  for (int shift = 1; shift < 64; shift <<= 1) bits ^= bits << shift;
  return bits;
}

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_SCAN_H_
