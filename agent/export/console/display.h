// Text for a terminal: cleaned, measured in columns, padded. Names come from replies and may hold
// anything, escape sequences too.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_DISPLAY_H_
#define SONDE_AGENT_EXPORT_CONSOLE_DISPLAY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::exporter::console {

/// `text` without anything that moves a cursor, changes colours or reorders: control characters,
/// ill-formed UTF-8, format characters (bidirectional overrides, zero width) become '?'. At most
/// `max_bytes`.
std::string Sanitize(std::string_view text, size_t max_bytes = 256);

/// Columns that sanitised text takes: wide characters take two, combining ones none.
size_t DisplayWidth(std::string_view text);

/// Cut to `width` columns; what was cut shows as "..".
std::string Fit(std::string_view text, size_t width);
/// Filled with blanks to `width` columns; longer text stays as it is.
std::string PadLeft(std::string_view text, size_t width);
std::string PadRight(std::string_view text, size_t width);

/// Lines of at most `width` columns, broken at blanks where there are any.
std::vector<std::string> Wrap(std::string_view text, size_t width);

/// "1,204".
std::string FormatCount(int64_t value);
/// "380ms", "2.1s", "754s", "20m34s", "3h05m".
std::string FormatDuration(uint64_t ns);
/// Seconds since the start with two decimals: "0.41s", from 1,000 s on as FormatDuration.
std::string FormatElapsed(uint64_t ns);
/// "1 call", "2 calls".
std::string Plural(uint64_t count, std::string_view noun);

enum class Colour : uint8_t { kNone, kDim, kBold, kRed, kYellow, kGreen, kCyan };
/// `text` in a colour when `on`; unchanged otherwise.
std::string Paint(std::string_view text, Colour colour, bool on);

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_DISPLAY_H_
