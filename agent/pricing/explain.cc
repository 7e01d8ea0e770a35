#include "agent/pricing/explain.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "agent/pricing/book.h"
#include "agent/pricing/book_reader.h"
#include "agent/pricing/money.h"
#include "agent/pricing/nearest_name.h"

namespace sonde::pricing {
namespace {

constexpr std::string_view kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

absl::StatusOr<const Book*> Concrete(const PriceBook& book) {
  const auto* concrete = dynamic_cast<const Book*>(&book);
  if (concrete == nullptr) return absl::InvalidArgumentError("this price book cannot be shown");
  return concrete;
}

std::string Thousands(int64_t number) {
  std::string digits = absl::StrCat(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string PerText(uint32_t per) {
  if (per == 1'000'000) return "1M";
  if (per == 1) return "1";
  return Thousands(per);
}

std::string TimeOfDay(int minute) { return absl::StrFormat("%02d:%02d", minute / 60, minute % 60); }

/// "standard, from 2026-08-17, 01:00-04:00 UTC"
std::string KeyText(const CardKey& key) {
  std::vector<std::string> parts = {key.tier};
  if (!key.region_class.empty()) parts.push_back(absl::StrCat("region ", key.region_class));
  if (key.from) parts.push_back(absl::StrCat("from ", FormatDay(*key.from)));
  if (key.to) parts.push_back(absl::StrCat("before ", FormatDay(*key.to)));
  if (key.window) {
    parts.push_back(
        absl::StrCat(TimeOfDay(key.window->begin), "-", TimeOfDay(key.window->end), " UTC"));
  }
  if (key.weekdays != 0x7f) {
    std::vector<std::string> days;
    for (int i = 0; i < 7; ++i) {
      if ((key.weekdays >> i & 1) != 0) days.emplace_back(kWeekdays[i]);
    }
    parts.push_back(absl::StrJoin(days, " "));
  }
  return absl::StrJoin(parts, ", ");
}

/// "input 5, cache_read 0.5, output 30"
std::string RatesText(const Rates& rates) {
  std::vector<std::string> parts;
  for (const RateKey& key : kRateKeys) {
    const std::optional<Rate>& rate = rates[static_cast<size_t>(key.unit)];
    if (rate) parts.push_back(absl::StrCat(Absl(key.name), " ", FormatUsd(rate->pico_usd)));
  }
  return absl::StrJoin(parts, ", ");
}

std::string CardText(const Card& card) {
  std::string out =
      absl::StrCat("  ", KeyText(card.key), card.layer > 0 ? "  (from an override)" : "", "\n");
  for (const RateRow& row : card.rows) {
    absl::StrAppend(&out, "    ");
    if (card.rows.size() > 1) {
      absl::StrAppend(&out, row.above_input == 0
                                ? "any input: "
                                : absl::StrCat("input above ", Thousands(row.above_input), ": "));
    }
    absl::StrAppend(&out, RatesText(row.rates), " USD per 1M tokens\n");
  }
  const auto per_call = [&out](std::string_view name, const std::optional<Rate>& rate) {
    if (!rate) return;
    absl::StrAppend(&out, "    ", Absl(name), " ", FormatUsd(rate->pico_usd), " USD per ",
                    PerText(rate->per), "\n");
  };
  per_call("web_search", card.web_search);
  per_call("request", card.request);
  if (!card.uncounted.empty()) {
    absl::StrAppend(
        &out, "    also billed, not counted by Sonde: ", absl::StrJoin(card.uncounted, ", "), "\n");
  }
  return out;
}

std::string ProviderList(const Book& book) {
  std::string out =
      absl::StrFormat("price book %s, sha256 %s\n%-15s %-18s %6s  %s\n", book.version(),
                      book.hash(), "provider", "telemetry name", "models", "hosts");
  for (const Provider& provider : book.data().providers) {
    std::vector<std::string> hosts;
    for (const HostRule& rule : book.data().hosts) {
      if (rule.provider == provider.id) hosts.push_back(rule.host);
    }
    absl::StrAppendFormat(&out, "%-15s %-18s %6d  %s\n", provider.id,
                          provider.semconv.value_or(provider.id), provider.models.size(),
                          absl::StrJoin(hosts, " "));
  }
  return out;
}

/// The card a plain request would get: the standard tier, region as the card list has it.
const Card* PlainCard(const Model& model, int64_t now) {
  const Card* card = ChooseCard(model.cards, "standard", "", now);
  return card != nullptr ? card : ChooseCard(model.cards, "standard", "global", now);
}

std::string ModelList(const Provider& provider, int64_t now) {
  std::string out = absl::StrCat(provider.id, ", USD per 1M tokens\n");
  for (const Model& model : provider.models) {
    const Card* card = PlainCard(model, now);
    std::string prices = "no price at this time";
    if (card != nullptr) {
      prices = RatesText(card->rows.front().rates);
      if (card->rows.size() > 1) {
        absl::StrAppend(&prices, "; dearer above ", Thousands(card->rows[1].above_input), " input");
      }
    } else if (model.cards.empty()) {
      prices = "as inherited";
    }
    absl::StrAppendFormat(&out, "  %-40s %s\n", model.id, prices);
  }
  if (provider.inherits && !provider.inherits->empty()) {
    absl::StrAppend(
        &out, "  other models at the price of: ", absl::StrJoin(*provider.inherits, ", "), "\n");
  }
  return out;
}

std::string ModelCard(const Found& found) {
  const Model& model = *found.model;
  std::string out =
      absl::StrCat(found.provider->id, " ", model.id, " (", Absl(MatchName(found.match)), ")\n");
  absl::StrAppend(&out, "  names: ", absl::StrJoin(model.names, " "), "\n");
  if (model.date_suffix.value_or(false)) absl::StrAppend(&out, "  also with a date behind it\n");
  if (!model.family.empty()) {
    absl::StrAppend(&out, "  also continued (-latest, -preview, -001): ",
                    absl::StrJoin(model.family, " "), "\n");
  }
  for (const Card& card : model.cards) absl::StrAppend(&out, CardText(card));
  return out;
}

/// "  input      1,204 x 0.25 / 1M = 0.000301 USD"
std::string ComponentText(const Component& component) {
  std::string out = absl::StrFormat("  %-17s %15s", std::string(UnitName(component.unit)),
                                    Thousands(component.quantity));
  if (!component.rate) return absl::StrCat(out, "  has no price in this book\n");
  absl::StrAppend(&out, "  x ", FormatUsd(component.rate->pico_usd), " / ",
                  PerText(component.rate->per));
  if (!component.amount) return absl::StrCat(out, "  is beyond what can be counted\n");
  return absl::StrCat(out, " = ", FormatUsd(*component.amount), " USD\n");
}

std::string MomentText(int64_t unix_ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixNanos(unix_ns), absl::UTCTimeZone());
}

std::string PriceText(const Card* card, const Quote& quote) {
  std::string out;
  if (card != nullptr) absl::StrAppend(&out, "card\n", CardText(*card));
  absl::StrAppend(&out, "amounts\n");
  for (const Component& component : quote.components) {
    absl::StrAppend(&out, ComponentText(component));
  }
  if (!quote.total) return absl::StrCat(out, "total    none\n");
  return absl::StrCat(out, "total    ", quote.status == CostStatus::kPartial ? "at least " : "",
                      FormatUsd(*quote.total), " USD\n");
}

}  // namespace

absl::StatusOr<std::string> ShowBook(const PriceBook& book, std::string_view provider,
                                     std::string_view model, int64_t now_unix_ns) {
  const absl::StatusOr<const Book*> concrete = Concrete(book);
  if (!concrete.ok()) return concrete.status();
  if (provider.empty()) return ProviderList(**concrete);
  const std::string id = absl::AsciiStrToLower(Absl(provider));
  const Provider* found = (*concrete)->FindProvider(id);
  if (found == nullptr) {
    std::vector<std::string_view> ids;
    for (const Provider& each : (*concrete)->data().providers) ids.push_back(each.id);
    return absl::NotFoundError(
        absl::StrCat("no provider \"", id, "\" in the price book", DidYouMean(id, ids)));
  }
  if (model.empty()) return ModelList(*found, now_unix_ns);
  const Found match = (*concrete)->Match(*found, model, nullptr);
  if (match.model == nullptr) {
    std::vector<std::string_view> ids;
    for (const Model& each : found->models) ids.push_back(each.id);
    const std::string name = absl::AsciiStrToLower(Absl(model));
    return absl::NotFoundError(absl::StrCat("no model \"", name, "\" of \"", id,
                                            "\" in the price book", DidYouMean(name, ids)));
  }
  return ModelCard(match);
}

std::vector<std::string> ProvidersWith(const PriceBook& book, std::string_view model) {
  std::vector<std::string> ids;
  const absl::StatusOr<const Book*> concrete = Concrete(book);
  if (!concrete.ok()) return ids;
  for (const Provider& provider : (*concrete)->data().providers) {
    const Found found = (*concrete)->Match(provider, model, nullptr);
    if (found.model != nullptr && found.provider == &provider) ids.push_back(provider.id);
  }
  return ids;
}

bool HasProvider(const PriceBook& book, std::string_view id) {
  const absl::StatusOr<const Book*> concrete = Concrete(book);
  return concrete.ok() && (*concrete)->FindProvider(absl::AsciiStrToLower(Absl(id))) != nullptr;
}

absl::StatusOr<std::string> Explain(const PriceBook& book, const Query& query) {
  const absl::StatusOr<const Book*> concrete = Concrete(book);
  if (!concrete.ok()) return concrete.status();
  Steps steps;
  const Card* card = nullptr;
  const Quote quote = (*concrete)->Price(query, &steps, &card);
  std::string out = absl::StrCat("book     ", quote.book_version, "\n");
  absl::StrAppend(&out, "at       ", MomentText(query.start_unix_ns), "\n");
  for (size_t i = 0; i < steps.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? "ladder   " : "         ", steps[i], "\n");
  }
  if (quote.status == CostStatus::kUnpriced) {
    absl::StrAppend(&out, "status   unpriced: ", quote.reason, "\n");
    if (quote.reason == "unknown_provider") {
      std::vector<std::string_view> ids;
      for (const Provider& each : (*concrete)->data().providers) ids.push_back(each.id);
      absl::StrAppend(&out, "         no provider \"", query.provider, "\"",
                      DidYouMean(query.provider, ids), "\n");
    }
    return out;
  }
  absl::StrAppend(&out, "model    ", quote.model, " of ", quote.provider, " (",
                  Absl(MatchName(quote.match)), "), tier ", quote.tier, "\n");
  absl::StrAppend(&out, "status   ", Absl(StatusName(quote.status)), "\n");
  return absl::StrCat(out, PriceText(card, quote));
}

std::optional<int64_t> ParseMoment(std::string_view text) {
  absl::Time time;
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S",
                             "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"}) {
    std::string error;
    if (absl::ParseTime(format, Absl(text), absl::UTCTimeZone(), &time, &error)) {
      return absl::ToUnixNanos(time);
    }
  }
  return std::nullopt;
}

}  // namespace sonde::pricing
