// The book for people: `sonde prices show`, `explain` and `check`. Text with newlines, no colour.
#ifndef SONDE_AGENT_PRICING_EXPLAIN_H_
#define SONDE_AGENT_PRICING_EXPLAIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/pricing/price_book.h"

namespace sonde::pricing {

/// Nothing named: one line per provider. A provider: one line per model with its prices of `now`.
/// A provider and a model (id or any name the ladder knows): every card. NotFound names the
/// nearest. `book` must come from LoadPriceBook.
absl::StatusOr<std::string> ShowBook(const PriceBook& book, std::string_view provider,
                                     std::string_view model, int64_t now_unix_ns);

/// Ids of the providers that have `model` in their own list, under whatever name; not those that
/// take over others' prices. `book` must come from LoadPriceBook.
std::vector<std::string> ProvidersWith(const PriceBook& book, std::string_view model);
/// Whether `id` is a provider of the book.
bool HasProvider(const PriceBook& book, std::string_view id);

/// How `query` is priced: the steps of the ladder, the card, one line of arithmetic per component,
/// the total. An unpriced query explains itself too. `book` must come from LoadPriceBook.
absl::StatusOr<std::string> Explain(const PriceBook& book, const Query& query);

/// A moment for `--at`: "2026-08-17", "2026-08-17T16:30", "...:00" or "...:00Z", UTC.
std::optional<int64_t> ParseMoment(std::string_view text);

/// One file laid over the built-in book and those before it.
struct FileCheck {
  std::string file;
  bool ok = false;
  std::string message;                ///< "FILE:LINE: reason", or what the file changes.
  std::vector<std::string> warnings;  ///< A price that moves more than tenfold, models that vanish.
};

/// Checks each file as if it were the next override. A broken one does not stop the others.
std::vector<FileCheck> CheckBooks(const std::vector<BookSource>& sources);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_EXPLAIN_H_
