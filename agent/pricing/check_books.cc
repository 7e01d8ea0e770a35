// `sonde prices check`: what a file would change, and the slips that a schema cannot see.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/pricing/book_data.h"
#include "agent/pricing/book_merge.h"
#include "agent/pricing/book_reader.h"
#include "agent/pricing/embedded_book.h"
#include "agent/pricing/explain.h"
#include "agent/pricing/money.h"

namespace sonde::pricing {
namespace {

/// A price that moves by more than this, or a share of a provider's models that vanishes, is
/// probably a slip: an upstream list once had a price 50 times too high.
constexpr int kSuspectFactor = 10;
constexpr int kSuspectVanishedPercent = 20;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

template <typename T>
const T* FindById(const std::vector<T>& list, const std::string& id) {
  for (const T& entry : list) {
    if (entry.id == id) return &entry;
  }
  return nullptr;
}

/// The newest undated or latest card of the same tier and region.
const Card* Counterpart(const Model& model, const CardKey& key) {
  const Card* best = nullptr;
  for (const Card& card : model.cards) {
    if (card.key.tier != key.tier || card.key.region_class != key.region_class) continue;
    if (best == nullptr || best->key.from < card.key.from) best = &card;
  }
  return best;
}

bool IsSuspect(PicoUsd before, PicoUsd after) {
  if (before == 0 || after == 0) return before != after;
  return std::max(before, after) / kSuspectFactor > std::min(before, after) ||
         (std::max(before, after) / kSuspectFactor == std::min(before, after) &&
          std::max(before, after) % kSuspectFactor != 0);
}

void CompareCards(const std::string& where, const Card& before, const Card& after,
                  std::vector<std::string>& warnings) {
  for (const RateKey& key : kRateKeys) {
    const auto slot = static_cast<size_t>(key.unit);
    const std::optional<Rate>& old_rate = before.rows.front().rates[slot];
    const std::optional<Rate>& new_rate = after.rows.front().rates[slot];
    if (!old_rate || !new_rate || !IsSuspect(old_rate->pico_usd, new_rate->pico_usd)) continue;
    warnings.push_back(absl::StrCat(where, ": ", Absl(key.name), " moves from ",
                                    FormatUsd(old_rate->pico_usd), " to ",
                                    FormatUsd(new_rate->pico_usd), ", more than tenfold"));
  }
}

void CompareModels(const BookData& before, const BookData& addition,
                   std::vector<std::string>& warnings) {
  for (const Provider& provider : addition.providers) {
    const Provider* known = FindById(before.providers, provider.id);
    if (known == nullptr) continue;
    for (const Model& model : provider.models) {
      const Model* old_model = FindById(known->models, model.id);
      if (old_model == nullptr) continue;
      for (const Card& card : model.cards) {
        if (card.remove) continue;
        const Card* old_card = Counterpart(*old_model, card.key);
        if (old_card == nullptr) continue;
        CompareCards(absl::StrCat(provider.id, " ", model.id), *old_card, card, warnings);
      }
    }
  }
}

void CompareCounts(const BookData& before, const BookData& after,
                   std::vector<std::string>& warnings) {
  for (const Provider& provider : before.providers) {
    const Provider* now = FindById(after.providers, provider.id);
    const size_t left = now == nullptr ? 0 : now->models.size();
    const size_t had = provider.models.size();
    if (left < had && (had - left) * 100 > had * kSuspectVanishedPercent) {
      warnings.push_back(
          absl::StrCat(provider.id, ": ", had - left, " of ", had, " models vanish"));
    }
  }
}

std::string Summary(const BookData& addition) {
  size_t models = 0;
  size_t cards = 0;
  for (const Provider& provider : addition.providers) {
    models += provider.models.size();
    for (const Model& model : provider.models) cards += model.cards.size();
  }
  return absl::StrCat("ok: ", addition.providers.size(), " providers, ", models, " models, ", cards,
                      " cards, ", addition.hosts.size(), " hosts");
}

FileCheck CheckOne(const BookSource& source, int layer, BookData& base) {
  FileCheck check{.file = source.file};
  absl::StatusOr<BookData> addition = ReadBook(source, layer);
  BookData merged = base;
  const absl::Status status =
      addition.ok() ? MergeBook(source.file, *addition, merged) : addition.status();
  if (!status.ok()) {
    check.message = std::string(status.message());
    return check;
  }
  CompareModels(base, *addition, check.warnings);
  CompareCounts(base, merged, check.warnings);
  check.ok = true;
  check.message = absl::StrCat(source.file, ": ", Summary(*addition));
  base = std::move(merged);
  return check;
}

}  // namespace

std::vector<FileCheck> CheckBooks(const std::vector<BookSource>& sources) {
  std::vector<FileCheck> checks;
  const BookSource embedded{.file = std::string(kEmbeddedBookName),
                            .text = std::string(EmbeddedBook())};
  BookData base;
  FileCheck built_in = CheckOne(embedded, 0, base);
  if (!built_in.ok) return {built_in};
  int layer = 0;
  for (const BookSource& source : sources) checks.push_back(CheckOne(source, ++layer, base));
  return checks;
}

}  // namespace sonde::pricing
