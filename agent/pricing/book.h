// The price book behind the interface: an index over merged data, the ladder, the choice of a card.
#ifndef SONDE_AGENT_PRICING_BOOK_H_
#define SONDE_AGENT_PRICING_BOOK_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/pricing/book_data.h"
#include "agent/pricing/host_table.h"
#include "agent/pricing/model_key.h"
#include "agent/pricing/price_book.h"

namespace sonde::pricing {

/// What the ladder found for one model name.
struct Found {
  const Provider* provider = nullptr;  ///< The one whose cards hold; null: nothing found.
  const Model* model = nullptr;
  Match match = Match::kNone;
  std::string region_class;   ///< From the name.
  std::string_view unpriced;  ///< The name says that no price can be right.
};

/// Receives one line per step that was tried; may be null.
using Steps = std::vector<std::string>;

class Book : public PriceBook {
 public:
  Book(BookData data, std::string version, std::string hash);

  const std::string& version() const override { return version_; }
  const std::string& hash() const override { return hash_; }
  Quote Price(const Query& query) const override { return Price(query, nullptr, nullptr); }
  std::string ProviderForHost(std::string_view host, uint16_t port) const override;
  std::string SemconvName(std::string_view provider) const override;
  bool IsProviderHost(std::string_view host) const override;
  bool IsSelfHosted(std::string_view host, uint16_t port) const override;

  /// As Price; also tells the steps and the card that was used.
  Quote Price(const Query& query, Steps* steps, const Card** card) const;
  const BookData& data() const { return data_; }
  const Provider* FindProvider(std::string_view id) const;
  /// By id or any of its names, within one provider.
  const Model* FindModel(const Provider& provider, std::string_view name) const;
  Found Match(const Provider& provider, std::string_view name, Steps* steps) const;

 private:
  struct Stem {
    std::string_view text;
    const Model* model;
  };
  struct Index {
    absl::flat_hash_map<std::string, const Model*> names;
    std::vector<Stem> stems;  ///< Longest first.
    std::vector<Stem> globs;  ///< From overrides; later files first.
  };
  struct Hit {
    const Model* model = nullptr;
    pricing::Match match = pricing::Match::kNone;
  };

  void BuildIndex();
  const Index& IndexOf(const Provider& provider) const;
  Hit Overridden(const Index& index, const ModelKey& key) const;
  Hit ByName(const Index& index, const ModelKey& key) const;
  Hit ByDate(const Index& index, const ModelKey& key) const;
  Hit ByFamily(const Index& index, const ModelKey& key, Steps* steps) const;
  Hit InProvider(const Provider& provider, const ModelKey& key, Steps* steps) const;
  /// The model whose cards hold: itself, or the inherited one of the same id.
  Found WithCards(const Provider& provider, const Hit& hit) const;

  BookData data_;
  std::string version_;
  std::string hash_;
  HostTable hosts_;
  std::vector<Index> indexes_;  ///< One per provider, in their order.
};

/// The card for a moment, tier and region, or null. Cards of later files come first, then the more
/// exact region, then those with a time of day, then the latest start.
const Card* ChooseCard(const std::vector<Card>& cards, std::string_view tier,
                       std::string_view region_class, int64_t unix_ns);

/// "default" and other words for the standard tier become "standard"; the rest in lower case.
std::string NormalTier(std::string_view tier);

/// Fills components, total and status from a card.
void PriceWithCard(const Card& card, const Query& query, Quote& quote);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_BOOK_H_
