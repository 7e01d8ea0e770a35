#include "agent/pricing/nearest_name.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace sonde::pricing {
namespace {

constexpr size_t kLongestCompared = 64;

/// Levenshtein's distance, one row at a time.
size_t Edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates) {
  if (name.size() > kLongestCompared) return "";
  std::string_view best;
  size_t fewest = name.size() / 3 + 2;  // More than a third changed is another word.
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestCompared) continue;
    const size_t edits = Edits(name, candidate);
    if (edits < fewest) {
      fewest = edits;
      best = candidate;
    }
  }
  if (best.empty()) return "";
  return absl::StrCat(", did you mean \"", absl::string_view(best.data(), best.size()), "\"?");
}

}  // namespace sonde::pricing
