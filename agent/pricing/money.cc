#include "agent/pricing/money.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::pricing {
namespace {

__extension__ using Int128 = __int128;

constexpr int kDecimals = 12;
constexpr PicoUsd kOneUsd = 1'000'000'000'000;
constexpr PicoUsd kLargestPriceUsd = 100'000;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status BadDecimal(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Absl(text.substr(0, 40)), "\" is no price: ", Absl(why)));
}

}  // namespace

absl::StatusOr<PicoUsd> Cost(int64_t quantity, const Rate& rate) {
  if (rate.per == 0) return absl::InvalidArgumentError("a price per zero units");
  const Int128 product = static_cast<Int128>(quantity) * rate.pico_usd;
  const Int128 per = rate.per;
  // Toward zero, then to the nearest, a tie to the even one.
  Int128 amount = product / per;
  const Int128 rest = product % per;
  const Int128 twice = (rest < 0 ? -rest : rest) * 2;
  if (twice > per || (twice == per && amount % 2 != 0)) amount += product < 0 ? -1 : 1;
  if (amount > std::numeric_limits<PicoUsd>::max() ||
      amount < std::numeric_limits<PicoUsd>::min()) {
    return absl::OutOfRangeError("the amount is beyond 9.22 million USD");
  }
  return static_cast<PicoUsd>(amount);
}

absl::StatusOr<PicoUsd> ParseUsd(std::string_view decimal) {
  const size_t point = decimal.find('.');
  const std::string_view whole = decimal.substr(0, point);
  const bool has_point = point != std::string_view::npos;
  const std::string_view fraction = has_point ? decimal.substr(point + 1) : std::string_view();
  if (decimal.empty()) return BadDecimal(decimal, "it is empty");
  if (decimal.front() == '-')
    return BadDecimal(decimal, "it is negative; leave the line out when the price is unknown");
  const auto all_digits = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), IsDigit);
  };
  if (!all_digits(whole) || !all_digits(fraction) || whole.empty() ||
      (has_point && fraction.empty())) {
    return BadDecimal(decimal, "write digits with at most one point, like 0.25");
  }
  if (fraction.size() > kDecimals) return BadDecimal(decimal, "more than 12 decimals");
  PicoUsd usd = 0;
  for (const char c : whole) {
    usd = usd * 10 + (c - '0');
    if (usd > kLargestPriceUsd) return BadDecimal(decimal, "above 100000 USD");
  }
  PicoUsd pico = 0;
  for (int i = 0; i < kDecimals; ++i) {
    pico = pico * 10 + (i < static_cast<int>(fraction.size()) ? fraction[i] - '0' : 0);
  }
  if (usd == kLargestPriceUsd && pico > 0) return BadDecimal(decimal, "above 100000 USD");
  return usd * kOneUsd + pico;
}

std::string FormatUsd(PicoUsd amount) {
  // The magnitude of the smallest int64 does not fit int64.
  const uint64_t magnitude =
      amount < 0 ? uint64_t{0} - static_cast<uint64_t>(amount) : static_cast<uint64_t>(amount);
  std::string text = absl::StrCat(amount < 0 ? "-" : "", magnitude / kOneUsd);
  std::string fraction = absl::StrCat(magnitude % kOneUsd);
  fraction.insert(0, kDecimals - fraction.size(), '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (!fraction.empty()) absl::StrAppend(&text, ".", fraction);
  return text;
}

}  // namespace sonde::pricing
