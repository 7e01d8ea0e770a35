// An immutable set of prices and the rules that find one. Knows tokens and names, no calls.
#ifndef SONDE_AGENT_PRICING_PRICE_BOOK_H_
#define SONDE_AGENT_PRICING_PRICE_BOOK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/pricing/money.h"

namespace sonde::pricing {

/// What is billed. The names are those of the usage record's components.
enum class Unit : uint8_t {
  kInput,  ///< Uncached input tokens, text (and whatever has no rate of its own).
  kCacheRead,
  kCacheWrite5m,
  kCacheWrite1h,
  kCacheWriteOther,
  kOutput,  ///< Reasoning included unless the book prices it apart.
  kReasoning,
  kInputAudio,
  kCacheReadAudio,
  kOutputAudio,
  kWebSearch,  ///< Per call.
  kRequest,    ///< A fee per request, added by the book itself.
  kUncounted,  ///< Something the card bills that no quantity stands for: never has a rate.
};
inline constexpr int kUnitCount = 13;
std::string_view UnitName(Unit unit);  ///< "input", "cache_read", "cache_write_5m", ...

/// How the model was found (section 1.4's ladder).
enum class Match : uint8_t { kNone, kOverride, kExact, kAlias, kDateSuffix, kFamily, kInherited };
std::string_view MatchName(Match match);

enum class CostStatus : uint8_t { kProvider, kGateway, kComputed, kPartial, kEstimated, kUnpriced };
std::string_view StatusName(CostStatus status);

/// Quantities are disjoint: their amounts are added. Zero quantities may be left out.
struct Query {
  std::string provider;        ///< Price book id, from ProviderForHost; empty when unknown.
  std::string response_model;  ///< Tried first,
  std::string request_model;   ///< then this.
  std::string tier;            ///< Response's service tier, as sent; empty is standard.
  std::string region_class;    ///< "us", "eu", "global", ...; empty when not stated.
  int64_t start_unix_ns = 0;   ///< Chooses the card.
  std::vector<std::pair<Unit, int64_t>> quantities;
};

struct Component {
  Unit unit = Unit::kInput;
  int64_t quantity = 0;
  std::optional<Rate> rate;  ///< Absent: the book has no price for it.
  std::optional<PicoUsd> amount;
};

/// The answer: rows, and their sum when all (kComputed) or some (kPartial, a lower bound) have a
/// price.
struct Quote {
  CostStatus status = CostStatus::kUnpriced;
  std::string reason;  ///< For kUnpriced: unknown_provider, unknown_model, unknown_tier,
                       ///< opaque_profile, fine_tune, self_hosted, no_usage, aborted. For kPartial
                       ///< it may be tier_not_stated or region_not_priced.
  Match match = Match::kNone;
  std::string provider;      ///< Book id the price came from.
  std::string model;         ///< Book id of the model.
  std::string tier;          ///< Tier of the card that was used.
  std::string region_class;  ///< Its region; empty when the card is for any.
  std::vector<Component> components;
  std::optional<PicoUsd> total;
  std::string book_version;
};

/// Thread-safe because immutable; shared by whoever priced with it.
class PriceBook {
 public:
  virtual ~PriceBook() = default;

  virtual const std::string& version() const = 0;
  /// Lower-case hex SHA-256 over the files it was made of.
  virtual const std::string& hash() const = 0;
  virtual Quote Price(const Query& query) const = 0;
  /// Book id of the provider behind a host ("api.openai.com", "localhost:8443"); user hosts first,
  /// with and without port; exact or dot-suffix. Empty when nobody's.
  virtual std::string ProviderForHost(std::string_view host, uint16_t port) const = 0;
  /// gen_ai.provider.name of a book id; the id itself when the book states none.
  virtual std::string SemconvName(std::string_view provider) const = 0;
  /// Nobody's host on a port where model servers of one's own usually listen (8000, 11434, and what
  /// the book says). A query with provider "self_hosted" is unpriced for that reason.
  virtual bool IsSelfHosted(std::string_view /*host*/, uint16_t /*port*/) const { return false; }
  /// Hosts of known model providers, for "unseen TLS connections to a provider".
  virtual bool IsProviderHost(std::string_view host) const = 0;
};

struct BookSource {
  std::string file;  ///< Named in errors.
  std::string text;
};

/// The book built into the binary, with `overrides` merged over it in order. A broken source fails
/// the whole load with "FILE:LINE: reason".
absl::StatusOr<std::shared_ptr<const PriceBook>> LoadPriceBook(
    const std::vector<BookSource>& overrides);

/// Reads DIR/*.json in name order.
absl::StatusOr<std::vector<BookSource>> ReadOverrideDirectory(const std::string& directory);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_PRICE_BOOK_H_
