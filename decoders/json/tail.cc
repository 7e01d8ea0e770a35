#include "decoders/json/tail.h"

#include <cstdint>

namespace sonde::json {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// `at` is a closing quote. Returns where the string's opening quote is, or nothing when it lies
/// before the tail.
std::optional<size_t> OpeningQuote(std::string_view tail, size_t at) {
  while (at > 0) {
    --at;
    if (tail[at] != '"') continue;
    size_t backslashes = 0;
    while (backslashes < at && tail[at - 1 - backslashes] == '\\') ++backslashes;
    // Backslashes up to the cut: whether their number is odd is not known.
    if (backslashes == at) return std::nullopt;
    if (backslashes % 2 == 0) return at;
    at -= backslashes;
  }
  return std::nullopt;
}

}  // namespace

std::optional<size_t> FindLastMembers(std::string_view tail) {
  size_t at = tail.size();
  while (at > 0 && IsBlank(tail[at - 1])) --at;
  if (at == 0 || tail[at - 1] != '}') return std::nullopt;
  uint64_t depth = 0;  // Brackets that are closed behind `at` and not opened yet.
  std::optional<size_t> member;
  while (at > 0) {
    --at;
    switch (tail[at]) {
      case '"': {
        const std::optional<size_t> opening = OpeningQuote(tail, at);
        if (!opening) return member;
        at = *opening;
        break;
      }
      case '}':
      case ']':
        ++depth;
        break;
      case '{':
      case '[':
        if (--depth == 0) return std::nullopt;  // An object inside the document, or all of it.
        break;
      case ',':
        if (depth == 1) member = at + 1;
        break;
      default:
        break;
    }
  }
  return member;
}

}  // namespace sonde::json
