#include "agent/export/console/display.h"

#include <locale.h>
#include <wchar.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "agent/export/text.h"

namespace sonde::exporter::console {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;

/// glibc's character tables, whatever the user's locale is; null where the locale is missing, then
/// only ASCII is shown.
locale_t Utf8() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

/// For the wide-character functions that have no form with a locale argument.
class Utf8Scope {
 public:
  Utf8Scope() : before_(Utf8() != nullptr ? uselocale(Utf8()) : nullptr) {}
  ~Utf8Scope() {
    if (before_ != nullptr) uselocale(before_);
  }
  Utf8Scope(const Utf8Scope&) = delete;
  Utf8Scope& operator=(const Utf8Scope&) = delete;

 private:
  locale_t before_;
};

struct Character {
  size_t bytes = 1;
  int columns = 1;
  bool printable = true;
};

/// Characters that print nothing and change how others print.
bool IsFormat(wchar_t c) {
  return c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE0FFF);
}

/// The first character of a text that is not empty; needs a Utf8Scope.
Character Next(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return {.printable = first >= 0x20 && first != 0x7F};
  if (Utf8() == nullptr) return {.printable = false};
  wchar_t wide = 0;
  mbstate_t state{};
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the state is this call's own.
  const size_t bytes = mbrtowc(&wide, text.data(), text.size(), &state);
  if (bytes == 0 || bytes > text.size()) return {.printable = false};
  const int columns = wcwidth(wide);
  return {.bytes = bytes,
          .columns = std::max(columns, 0),
          .printable = columns >= 0 && iswprint(wide) && !IsFormat(wide)};
}

}  // namespace

std::string Sanitize(std::string_view text, size_t max_bytes) {
  const Utf8Scope scope;
  const std::string valid = CleanUtf8(text, max_bytes);
  std::string clean;
  std::string_view rest = valid;
  while (!rest.empty()) {
    const Character next = Next(rest);
    if (next.printable) {
      clean.append(rest.substr(0, next.bytes));
    } else {
      clean.push_back('?');
    }
    rest.remove_prefix(next.bytes);
  }
  return clean;
}

size_t DisplayWidth(std::string_view text) {
  const Utf8Scope scope;
  size_t width = 0;
  while (!text.empty()) {
    const Character next = Next(text);
    width += static_cast<size_t>(next.columns);
    text.remove_prefix(next.bytes);
  }
  return width;
}

std::string Fit(std::string_view text, size_t width) {
  constexpr std::string_view kCut = "..";
  if (DisplayWidth(text) <= width) return std::string(text);
  const Utf8Scope scope;
  const size_t room = width > kCut.size() ? width - kCut.size() : 0;
  size_t used = 0;
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Character next = Next(text.substr(bytes));
    if (used + static_cast<size_t>(next.columns) > room) break;
    used += static_cast<size_t>(next.columns);
    bytes += next.bytes;
  }
  return std::string(text.substr(0, bytes)) + std::string(kCut.substr(0, std::min(width, 2UL)));
}

std::vector<std::string> Wrap(std::string_view text, size_t width) {
  const Utf8Scope scope;
  width = std::max<size_t>(width, 2);
  std::vector<std::string> lines;
  while (DisplayWidth(text) > width) {
    size_t used = 0;
    size_t bytes = 0;
    size_t blank = 0;  // Where the last word that fits ends.
    while (bytes < text.size()) {
      const Character next = Next(text.substr(bytes));
      if (text[bytes] == ' ') blank = bytes;
      if (used + static_cast<size_t>(next.columns) > width) break;
      used += static_cast<size_t>(next.columns);
      bytes += next.bytes;
    }
    const size_t end = blank > 0 ? blank : bytes;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  lines.emplace_back(text);
  return lines;
}

std::string PadLeft(std::string_view text, size_t width) {
  const size_t used = DisplayWidth(text);
  return std::string(width > used ? width - used : 0, ' ') + std::string(text);
}

std::string PadRight(std::string_view text, size_t width) {
  const size_t used = DisplayWidth(text);
  return std::string(text) + std::string(width > used ? width - used : 0, ' ');
}

std::string FormatCount(int64_t value) {
  std::string digits = std::to_string(value);
  const size_t first = value < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string FormatDuration(uint64_t ns) {
  char text[48];
  const uint64_t seconds = ns / kSecond;
  if (ns < 999'500'000) {
    std::snprintf(text, sizeof text, "%llums",
                  static_cast<unsigned long long>((ns + kMillisecond / 2) / kMillisecond));
  } else if (seconds < 100) {
    std::snprintf(text, sizeof text, "%.1fs", static_cast<double>(ns) / kSecond);
  } else if (seconds < 1000) {
    std::snprintf(text, sizeof text, "%llus", static_cast<unsigned long long>(seconds));
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%llum%02llus", static_cast<unsigned long long>(seconds / 60),
                  static_cast<unsigned long long>(seconds % 60));
  } else {
    std::snprintf(text, sizeof text, "%lluh%02llum",
                  static_cast<unsigned long long>(seconds / 3600),
                  static_cast<unsigned long long>(seconds / 60 % 60));
  }
  return text;
}

std::string FormatElapsed(uint64_t ns) {
  if (ns >= 1000 * kSecond) return FormatDuration(ns);
  char text[32];
  std::snprintf(text, sizeof text, "%.2fs", static_cast<double>(ns) / kSecond);
  return text;
}

std::string Plural(uint64_t count, std::string_view noun) {
  std::string text = FormatCount(static_cast<int64_t>(count)) + " " + std::string(noun);
  if (count != 1) text += noun.ends_with("s") ? "es" : "s";
  return text;
}

std::string Paint(std::string_view text, Colour colour, bool on) {
  constexpr std::array<std::string_view, 7> kCodes = {"", "2", "1", "31", "33", "32", "36"};
  if (!on || colour == Colour::kNone) return std::string(text);
  return "\x1b[" + std::string(kCodes[static_cast<size_t>(colour)]) + "m" + std::string(text) +
         "\x1b[0m";
}

}  // namespace sonde::exporter::console
