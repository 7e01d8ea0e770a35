// What a price book says, as plain data: read from files, merged, then only looked at.
#ifndef SONDE_AGENT_PRICING_BOOK_DATA_H_
#define SONDE_AGENT_PRICING_BOOK_DATA_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/pricing/money.h"
#include "agent/pricing/price_book.h"

namespace sonde::pricing {

/// Rates by Unit; absent where the book states none.
using Rates = std::array<std::optional<Rate>, kUnitCount>;

/// Rates of a request whose whole input is larger than `above_input` tokens. They hold for all of
/// its tokens, not for those beyond the limit.
struct RateRow {
  int64_t above_input = 0;
  Rates rates;
};

/// Minutes of the UTC day; begin > end goes over midnight. The end is outside.
struct UtcWindow {
  int begin = 0;
  int end = 0;
  auto operator<=>(const UtcWindow&) const = default;
};

/// What makes a card another card of the same model. Days are counted from 1970-01-01, UTC.
struct CardKey {
  std::optional<int32_t> from;  ///< First day.
  std::optional<int32_t> to;    ///< First day after. Not part of the identity.
  std::string tier = "standard";
  std::string region_class;
  std::optional<UtcWindow> window;
  uint8_t weekdays = 0x7f;  ///< Bit 0 is Monday.

  bool SameAs(const CardKey& other) const {
    return from == other.from && tier == other.tier && region_class == other.region_class &&
           window == other.window && weekdays == other.weekdays;
  }
};

struct Card {
  CardKey key;
  std::vector<RateRow> rows;  ///< Ascending; the first is above 0.
  std::optional<Rate> web_search;
  std::optional<Rate> request;
  std::vector<std::string> uncounted;  ///< Billed things Sonde cannot count: "output_image", ...
  int layer = 0;                       ///< 0 built in, then one per override file.
  bool remove = false;                 ///< In a file: delete the card with this key.
};

struct Model {
  std::string id;                  ///< Lower case, as all names.
  std::vector<std::string> names;  ///< Ids and aliases; from an override also globs with '*'.
  std::vector<std::string> family;
  std::optional<bool> date_suffix;
  std::vector<Card> cards;  ///< None: the cards of the inherited model with this id.
  int layer = 0;            ///< Of the last file that spoke of it.
  bool remove = false;
  int line = 0;  ///< In the file it was read from, for messages.
};

/// How ids of this provider are written.
enum class ModelKeyForm : uint8_t { kPlain, kBedrock };

struct Provider {
  std::string id;
  std::optional<std::string> semconv;
  std::vector<std::string> hosts;
  std::optional<std::vector<std::string>> inherits;
  std::optional<ModelKeyForm> key_form;
  std::vector<Model> models;
  bool remove = false;
  int line = 0;
  std::vector<int> inherits_lines;
};

struct HostRule {
  std::string host;  ///< Lower case: exact, ".suffix" or with '*' inside a label.
  std::string provider;
  int layer = 0;
  int line = 0;
};

/// One file, or all of them merged.
struct BookData {
  std::string version;
  std::vector<Provider> providers;
  std::vector<HostRule> hosts;  ///< Of all providers, and of host_map.
  std::vector<uint16_t> self_hosted_ports;
};

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_BOOK_DATA_H_
