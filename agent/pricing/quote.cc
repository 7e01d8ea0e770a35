// From a model's cards and the quantities of a request to money.
#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include "absl/strings/ascii.h"
#include "agent/pricing/book.h"
#include "agent/pricing/money.h"

namespace sonde::pricing {
namespace {

constexpr int64_t kNsPerMinute = 60'000'000'000;
constexpr int64_t kMinutesPerDay = 24 * 60;
constexpr int kThursday = 3;  // 1970-01-01, counted from Monday.

constexpr Unit kInputUnits[] = {Unit::kInput,          Unit::kCacheRead,  Unit::kCacheWrite5m,
                                Unit::kCacheWrite1h,   Unit::kInputAudio, Unit::kCacheReadAudio,
                                Unit::kCacheWriteOther};

/// Words that providers use for the tier everyone gets.
constexpr std::string_view kStandardWords[] = {"", "default", "standard", "on_demand"};

size_t Slot(Unit unit) { return static_cast<size_t>(unit); }

/// Division that rounds down, also before 1970.
int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

bool InWindow(const UtcWindow& window, int64_t minute) {
  if (window.begin < window.end) return minute >= window.begin && minute < window.end;
  return minute >= window.begin || minute < window.end;
}

bool HoldsAt(const CardKey& key, int64_t unix_ns) {
  const int64_t minutes = FloorDiv(unix_ns, kNsPerMinute);
  const int64_t day = FloorDiv(minutes, kMinutesPerDay);
  const int64_t minute = minutes - day * kMinutesPerDay;
  if (key.from && day < *key.from) return false;
  if (key.to && day >= *key.to) return false;
  const int64_t weekday = ((day + kThursday) % 7 + 7) % 7;
  if ((key.weekdays >> weekday & 1) == 0) return false;
  return !key.window || InWindow(*key.window, minute);
}

/// How well a card's region fits, 0: not at all. "regional" stands for every region but "global"
/// and is what a request without a stated region gets where the book makes the difference.
int RegionFit(std::string_view card, std::string_view asked) {
  if (card == asked) return 3;
  if (card.empty()) return 1;
  return card == "regional" && asked != "global" ? 2 : 0;
}

/// Components by unit, with units that have no rate of their own moved to the one they are part of.
using Quantities = std::array<int64_t, kUnitCount>;

/// False when the sum does not fit: the component then keeps its own row, without a rate.
bool Move(Unit from, Unit to, Quantities& quantities) {
  int64_t sum = 0;
  if (__builtin_add_overflow(quantities[Slot(from)], quantities[Slot(to)], &sum)) return false;
  quantities[Slot(to)] = sum;
  quantities[Slot(from)] = 0;
  return true;
}

void Fold(const Rates& rates, Quantities& quantities) {
  const auto priced = [&rates](Unit unit) { return rates[Slot(unit)].has_value(); };
  if (!priced(Unit::kReasoning)) Move(Unit::kReasoning, Unit::kOutput, quantities);
  // A card that prices some audio means its other rates for text only.
  if (!priced(Unit::kInputAudio) && !priced(Unit::kCacheReadAudio)) {
    Move(Unit::kInputAudio, Unit::kInput, quantities);
    Move(Unit::kCacheReadAudio, Unit::kCacheRead, quantities);
  }
  if (!priced(Unit::kOutputAudio)) Move(Unit::kOutputAudio, Unit::kOutput, quantities);
}

/// All input, saturating: only compared with thresholds.
int64_t TotalInput(const Quantities& quantities) {
  int64_t total = 0;
  for (const Unit unit : kInputUnits) {
    if (__builtin_add_overflow(total, quantities[Slot(unit)], &total)) {
      return std::numeric_limits<int64_t>::max();
    }
  }
  return total;
}

const Rates& RatesFor(const Card& card, int64_t input) {
  const RateRow* row = &card.rows.front();
  for (const RateRow& candidate : card.rows) {
    if (candidate.above_input == 0 || input > candidate.above_input) row = &candidate;
  }
  return row->rates;
}

}  // namespace

std::string NormalTier(std::string_view tier) {
  std::string lower = absl::AsciiStrToLower(
      absl::StripAsciiWhitespace(absl::string_view(tier.data(), tier.size())));
  const bool standard = std::find(std::begin(kStandardWords), std::end(kStandardWords), lower) !=
                        std::end(kStandardWords);
  return standard ? "standard" : lower;
}

const Card* ChooseCard(const std::vector<Card>& cards, std::string_view tier,
                       std::string_view region_class, int64_t unix_ns) {
  const Card* best = nullptr;
  const auto rank = [region_class](const Card& card) {
    return std::tuple(card.layer, RegionFit(card.key.region_class, region_class),
                      card.key.window.has_value(), card.key.weekdays != 0x7f,
                      card.key.from.value_or(std::numeric_limits<int32_t>::min()));
  };
  for (const Card& card : cards) {
    if (card.key.tier != tier || RegionFit(card.key.region_class, region_class) == 0 ||
        !HoldsAt(card.key, unix_ns)) {
      continue;
    }
    if (best == nullptr || rank(*best) < rank(card)) best = &card;
  }
  return best;
}

void PriceWithCard(const Card& card, const Query& query, Quote& quote) {
  Quantities quantities{};
  bool whole = true;  // Every component has an amount.
  for (const auto& [unit, quantity] : query.quantities) {
    int64_t& slot = quantities[Slot(unit)];
    if (__builtin_add_overflow(slot, quantity, &slot)) {
      slot = std::numeric_limits<int64_t>::max();
    }
  }
  const Rates& row = RatesFor(card, TotalInput(quantities));
  Rates rates = row;
  rates[Slot(Unit::kWebSearch)] = card.web_search;
  rates[Slot(Unit::kRequest)] = card.request;
  Fold(rates, quantities);
  if (card.request) quantities[Slot(Unit::kRequest)] = 1;
  if (!card.uncounted.empty()) quantities[Slot(Unit::kUncounted)] = 1;

  quote.components.clear();
  PicoUsd total = 0;
  for (int i = 0; i < kUnitCount; ++i) {
    if (quantities[i] == 0) continue;
    Component component{.unit = static_cast<Unit>(i), .quantity = quantities[i]};
    component.rate = rates[i];
    PicoUsd sum = 0;
    if (component.rate && component.quantity > 0) {
      const absl::StatusOr<PicoUsd> amount = Cost(component.quantity, *component.rate);
      if (amount.ok() && !__builtin_add_overflow(total, *amount, &sum)) {
        component.amount = *amount;
        total = sum;
      }
    }
    whole = whole && component.amount.has_value();
    quote.components.push_back(component);
  }
  const bool some = std::any_of(quote.components.begin(), quote.components.end(),
                                [](const Component& c) { return c.amount.has_value(); });
  if (whole || some) quote.total = total;
  // Nothing priced at all is still a lower bound of zero known parts: say partial, no total.
  quote.status = whole ? CostStatus::kComputed : CostStatus::kPartial;
}

}  // namespace sonde::pricing
