// From the text of one pricebook/1 file to data. The file is taken whole or refused whole.
#ifndef SONDE_AGENT_PRICING_BOOK_READER_H_
#define SONDE_AGENT_PRICING_BOOK_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/pricing/book_data.h"

namespace sonde::pricing {

/// `layer` is 0 for the built-in book; globs among names are allowed above it. Errors read
/// "FILE:LINE: reason". References to other providers are checked when files are merged.
absl::StatusOr<BookData> ReadBook(const BookSource& source, int layer);

/// Days since 1970-01-01 of "2026-08-17", or nothing when that is no date.
std::optional<int32_t> ParseDay(std::string_view text);
std::string FormatDay(int32_t day);

/// The token units and their keys in a rate row, in the order they are shown.
struct RateKey {
  std::string_view name;
  Unit unit;
};
inline constexpr RateKey kRateKeys[] = {
    {"input", Unit::kInput},
    {"cache_read", Unit::kCacheRead},
    {"cache_write_5m", Unit::kCacheWrite5m},
    {"cache_write_1h", Unit::kCacheWrite1h},
    {"cache_write", Unit::kCacheWriteOther},
    {"output", Unit::kOutput},
    {"reasoning", Unit::kReasoning},
    {"input_audio", Unit::kInputAudio},
    {"cache_read_audio", Unit::kCacheReadAudio},
    {"output_audio", Unit::kOutputAudio},
};

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_BOOK_READER_H_
