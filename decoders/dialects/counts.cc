#include "decoders/dialects/counts.h"

#include <charconv>

namespace sonde::dialects {
namespace {

constexpr int kPicoDigits = 12;
constexpr int64_t kMaxPico = 1'000'000'000'000'000'000;

}  // namespace

std::optional<int64_t> ParsePico(const json::Scalar& scalar) {
  if (scalar.kind != json::Kind::kNumber || scalar.truncated) return std::nullopt;
  std::string_view text = scalar.text;
  int exponent = kPicoDigits;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (!power.empty() && power.front() == '+') power.remove_prefix(1);
    int value = 0;
    const auto result = std::from_chars(power.data(), power.data() + power.size(), value);
    if (result.ec != std::errc() || value < -100 || value > 100) return std::nullopt;
    exponent += value;
    text = text.substr(0, e);
  }
  int64_t digits = 0;
  bool behind_point = false;
  for (const char c : text) {
    if (c == '.') {
      behind_point = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    // Digits beyond the place kept do not count; leading zeros cost nothing.
    if (behind_point && exponent <= 0) break;
    if (digits > kMaxPico / 10) return std::nullopt;
    digits = digits * 10 + (c - '0');
    if (behind_point) --exponent;
  }
  for (; exponent > 0 && digits != 0; --exponent) {
    if (digits > kMaxPico / 10) return std::nullopt;
    digits *= 10;
  }
  for (; exponent < 0 && digits != 0; ++exponent) digits /= 10;
  return digits;
}

}  // namespace sonde::dialects
