// A 64-bit hash of a body given in pieces, the same in every run and on every machine. Not for
// security: it tells attempts of one call from other calls.
#ifndef SONDE_DECODERS_DIALECTS_BODY_HASH_H_
#define SONDE_DECODERS_DIALECTS_BODY_HASH_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sonde::dialects {

/// Folds sixteen bytes a step with one 64 by 64 bit multiplication.
class BodyHash {
 public:
  void Add(std::string_view bytes) {
    length_ += bytes.size();
    if (held_ > 0) {
      const size_t taken = std::min(bytes.size(), buffer_.size() - held_);
      memcpy(buffer_.data() + held_, bytes.data(), taken);
      held_ += taken;
      bytes.remove_prefix(taken);
      if (held_ < buffer_.size()) return;
      Step(buffer_.data());
      held_ = 0;
    }
    for (; bytes.size() >= buffer_.size(); bytes.remove_prefix(buffer_.size())) Step(bytes.data());
    memcpy(buffer_.data(), bytes.data(), bytes.size());
    held_ = bytes.size();
  }
  /// Bytes of the body that were not seen.
  void AddGap(uint64_t length) { state_ = Fold(state_ ^ length, kOdd3); }

  uint64_t Value() const {
    std::array<char, 16> last{};
    memcpy(last.data(), buffer_.data(), held_);
    BodyHash end = *this;
    end.Step(last.data());
    return Fold(end.state_ ^ length_, kOdd3);
  }

 private:
  // Odd constants with about half of their bits set.
  static constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15;
  static constexpr uint64_t kOdd2 = 0xc2b2ae3d27d4eb4f;
  static constexpr uint64_t kOdd3 = 0xd6e8feb86659fd93;

  static uint64_t Fold(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  static uint64_t Load(const char* p) {
    uint64_t word = 0;
    memcpy(&word, p, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
  }
  void Step(const char* p) {
    // A factor of zero must not erase what came before: the state is added outside.
    state_ = std::rotl(state_, 29) * kOdd2 + Fold(Load(p) ^ kOdd1, Load(p + 8) ^ kOdd3 ^ state_);
  }

  uint64_t state_ = kOdd2;
  uint64_t length_ = 0;
  size_t held_ = 0;
  std::array<char, 16> buffer_{};
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_BODY_HASH_H_
