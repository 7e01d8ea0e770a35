// Money in integers: 1e-12 USD ("pico"). Floating point exists only in exporters.
#ifndef SONDE_AGENT_PRICING_MONEY_H_
#define SONDE_AGENT_PRICING_MONEY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sonde::pricing {

/// 1e-12 USD. int64 holds 9.22 million USD.
using PicoUsd = int64_t;

/// A price: `pico_usd` for `per` units (1,000,000 tokens, 1,000 calls, ...). Exact to 12 decimals.
struct Rate {
  PicoUsd pico_usd = 0;
  uint32_t per = 1'000'000;
  bool operator==(const Rate&) const = default;
};

/// quantity x rate, rounded half to even once. OutOfRange when the result does not fit.
absl::StatusOr<PicoUsd> Cost(int64_t quantity, const Rate& rate);

/// Exact text to integer, never through a double. Refuses negatives, exponents, more than 12
/// decimals and amounts above 1e5 USD.
absl::StatusOr<PicoUsd> ParseUsd(std::string_view decimal);

/// All significant digits, no exponent: "0.0007066". Trailing zeros are cut.
std::string FormatUsd(PicoUsd amount);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_MONEY_H_
