// Token counts as they stand in a reply.
#ifndef SONDE_DECODERS_DIALECTS_COUNTS_H_
#define SONDE_DECODERS_DIALECTS_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "decoders/json/extractor.h"

namespace sonde::dialects {

/// No call has so many tokens of one kind; a greater count is a defect of the reply.
inline constexpr int64_t kMaxCount = 100'000'000;

/// Counts under N names. A repeated name overwrites; null takes its value away.
template <size_t N>
class Counts {
 public:
  void Clear() {
    if (touched_) *this = Counts();
  }
  /// Takes a value over when it is a whole number from 0 to kMaxCount. Anything else that is not
  /// null sets malformed().
  void Set(size_t field, const json::Scalar& scalar) {
    touched_ = true;
    values_[field].reset();
    if (scalar.kind == json::Kind::kNull) return;
    const std::optional<int64_t> value = json::ToInteger(scalar);
    if (!value || *value < 0 || *value > kMaxCount) {
      malformed_ = true;
      return;
    }
    values_[field] = value;
  }
  const std::optional<int64_t>& operator[](size_t field) const { return values_[field]; }
  void Put(size_t field, std::optional<int64_t> value) {
    touched_ = true;
    values_[field] = value;
  }
  bool malformed() const { return malformed_; }

 private:
  std::array<std::optional<int64_t>, N> values_{};
  bool touched_ = false;
  bool malformed_ = false;
};

/// An amount written as a decimal number, in 1e-12 units, exact to that place; nothing when it is
/// negative, no number, or beyond a million units.
std::optional<int64_t> ParsePico(const json::Scalar& scalar);

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_COUNTS_H_
