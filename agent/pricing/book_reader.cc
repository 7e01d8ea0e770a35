#include "agent/pricing/book_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "agent/pricing/json_tree.h"
#include "agent/pricing/nearest_name.h"

namespace sonde::pricing {
namespace {

using Kind = JsonNode::Kind;

constexpr uint32_t kTokensPerRate = 1'000'000;
constexpr int64_t kLargestThreshold = 1'000'000'000;
constexpr size_t kLongestName = 256;
constexpr std::string_view kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(Absl(text)); }

/// Reads one file. The first fault ends the reading: every function returns false from then on.
class Reader {
 public:
  Reader(const BookSource& source, int layer) : source_(source), layer_(layer) {}

  absl::StatusOr<BookData> Read() {
    absl::StatusOr<JsonNode> root = ParseJsonTree(source_.file, source_.text);
    if (!root.ok()) return root.status();
    BookData book;
    if (!ReadRoot(*root, book)) return error_;
    return book;
  }

 private:
  bool Fail(int line, std::string_view reason) {
    error_ = ErrorAt(source_.file, line, reason);
    return false;
  }

  bool Expect(const JsonNode& node, Kind kind, std::string_view what) {
    if (node.kind == kind) return true;
    return Fail(node.line, absl::StrCat(Absl(what), " must be ", Absl(KindName(kind)), ", not ",
                                        Absl(KindName(node.kind))));
  }

  bool CheckKeys(const JsonNode& object, std::string_view what,
                 const std::vector<std::string_view>& known) {
    if (!Expect(object, Kind::kObject, what)) return false;
    for (const JsonMember& member : object.members) {
      if (std::find(known.begin(), known.end(), member.key) == known.end()) {
        return Fail(member.line, absl::StrCat("unknown key \"", member.key, "\" in ", Absl(what),
                                              DidYouMean(member.key, known)));
      }
    }
    return true;
  }

  bool ReadText(const JsonNode& node, std::string_view what, std::string& out) {
    if (!Expect(node, Kind::kString, what)) return false;
    if (node.text.empty()) return Fail(node.line, absl::StrCat(Absl(what), " is empty"));
    if (node.text.size() > kLongestName) {
      return Fail(node.line, absl::StrCat(Absl(what), " is longer than ", kLongestName, " bytes"));
    }
    const bool printable = std::all_of(node.text.begin(), node.text.end(), [](char c) {
      return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
    });
    if (!printable) {
      return Fail(node.line, absl::StrCat(Absl(what), " has a blank or a control character"));
    }
    out = node.text;
    return true;
  }

  bool ReadNames(const JsonNode& node, std::string_view what, std::vector<std::string>& out,
                 std::vector<int>* lines = nullptr) {
    if (!Expect(node, Kind::kArray, what)) return false;
    for (const JsonNode& item : node.items) {
      std::string name;
      if (!ReadText(item, absl::StrCat("an entry of ", Absl(what)), name)) return false;
      name = Lower(name);
      if (std::find(out.begin(), out.end(), name) != out.end()) continue;
      out.push_back(std::move(name));
      if (lines != nullptr) lines->push_back(item.line);
    }
    return true;
  }

  bool ReadFlag(const JsonNode& node, std::string_view what, bool& out) {
    if (!Expect(node, Kind::kBool, what)) return false;
    out = node.flag;
    return true;
  }

  bool ReadWhole(const JsonNode& node, std::string_view what, int64_t least, int64_t most,
                 int64_t& out) {
    if (!Expect(node, Kind::kNumber, what)) return false;
    const char* end = node.text.data() + node.text.size();
    const auto parsed = std::from_chars(node.text.data(), end, out);
    if (parsed.ec != std::errc() || parsed.ptr != end || out < least || out > most) {
      return Fail(node.line, absl::StrCat(Absl(what), " must be a whole number from ", least,
                                          " to ", most, ", not ", node.text));
    }
    return true;
  }

  bool ReadPrice(const JsonNode& node, std::string_view what, PicoUsd& out) {
    if (node.kind == Kind::kNumber && node.text.starts_with("-")) {
      return Fail(node.line,
                  absl::StrCat(Absl(what), ": ", node.text, " is no price: it is ",
                               "negative; leave the line out when the price is unknown"));
    }
    if (node.kind == Kind::kNumber) {
      return Fail(node.line, absl::StrCat(Absl(what), " must be a text with a decimal, like \"",
                                          node.text, "\": a bare number could be rounded"));
    }
    if (!Expect(node, Kind::kString, what)) return false;
    const absl::StatusOr<PicoUsd> price = ParseUsd(node.text);
    if (!price.ok()) {
      const absl::string_view reason = price.status().message();
      return Fail(node.line, absl::StrCat(Absl(what), ": ", reason));
    }
    out = *price;
    return true;
  }

  bool ReadRoot(const JsonNode& root, BookData& book);
  bool ReadSelfHosted(const JsonNode& list, BookData& book);
  bool ReadHostMap(const JsonNode& map, BookData& book);
  bool ReadHost(const JsonNode& node, const std::string& provider, BookData& book);
  bool ReadHostText(const std::string& text, int line, const std::string& provider, BookData& book);
  bool ReadProvider(const JsonNode& node, BookData& book);
  bool ReadModel(const JsonNode& node, Provider& provider);
  bool ReadCard(const JsonNode& node, Model& model);
  bool ReadCardKey(const JsonNode& node, CardKey& key);
  bool ReadDay(const JsonNode& node, std::string_view what, std::optional<int32_t>& out);
  bool ReadWindow(const JsonNode& node, UtcWindow& out);
  bool ReadWeekdays(const JsonNode& node, uint8_t& out);
  bool ReadRows(const JsonNode& list, Card& card);
  bool ReadRow(const JsonNode& node, Card& card);
  bool ReadPerCall(const JsonNode& node, Card& card);

  const BookSource& source_;
  const int layer_;
  absl::Status error_;
};

bool Reader::ReadRoot(const JsonNode& root, BookData& book) {
  if (!CheckKeys(root, "the book",
                 {"schema", "version", "currency", "sources", "about", "providers", "self_hosted",
                  "host_map"})) {
    return false;
  }
  const JsonNode* schema = root.Find("schema");
  if (schema == nullptr) return Fail(root.line, "no \"schema\": write \"schema\": \"pricebook/1\"");
  if (schema->kind != Kind::kString || schema->text != "pricebook/1") {
    return Fail(schema->line, "unknown schema: this agent reads \"pricebook/1\"");
  }
  if (const JsonNode* currency = root.Find("currency")) {
    if (currency->kind != Kind::kString || currency->text != "USD") {
      return Fail(currency->line, "currency must be \"USD\"");
    }
  }
  if (const JsonNode* version = root.Find("version")) {
    if (!ReadText(*version, "version", book.version)) return false;
  }
  if (const JsonNode* list = root.Find("providers")) {
    if (!Expect(*list, Kind::kArray, "providers")) return false;
    for (const JsonNode& provider : list->items) {
      if (!ReadProvider(provider, book)) return false;
    }
  }
  if (const JsonNode* map = root.Find("host_map")) {
    if (!ReadHostMap(*map, book)) return false;
  }
  const JsonNode* self_hosted = root.Find("self_hosted");
  return self_hosted == nullptr || ReadSelfHosted(*self_hosted, book);
}

bool Reader::ReadSelfHosted(const JsonNode& list, BookData& book) {
  if (!Expect(list, Kind::kArray, "self_hosted")) return false;
  for (const JsonNode& rule : list.items) {
    if (!CheckKeys(rule, "a self_hosted rule", {"match", "policy", "about"})) return false;
    const JsonNode* policy = rule.Find("policy");
    if (policy == nullptr || policy->kind != Kind::kString || policy->text != "unpriced") {
      return Fail(policy == nullptr ? rule.line : policy->line,
                  "the policy of a self_hosted rule must be \"unpriced\"");
    }
    const JsonNode* match = rule.Find("match");
    if (match == nullptr) return Fail(rule.line, "a self_hosted rule needs \"match\"");
    if (!CheckKeys(*match, "match", {"port"})) return false;
    const JsonNode* ports = match->Find("port");
    if (ports == nullptr) return Fail(match->line, "match needs \"port\"");
    if (!Expect(*ports, Kind::kArray, "port")) return false;
    for (const JsonNode& port : ports->items) {
      int64_t number = 0;
      if (!ReadWhole(port, "a port", 1, 65535, number)) return false;
      book.self_hosted_ports.push_back(static_cast<uint16_t>(number));
    }
  }
  return true;
}

bool Reader::ReadHostMap(const JsonNode& map, BookData& book) {
  if (!Expect(map, Kind::kObject, "host_map")) return false;
  for (const JsonMember& member : map.members) {
    std::string provider;
    if (!ReadText(member.value, "the provider of a host", provider)) return false;
    if (!ReadHostText(member.key, member.line, Lower(provider), book)) return false;
  }
  return true;
}

bool Reader::ReadHostText(const std::string& text, int line, const std::string& provider,
                          BookData& book) {
  const std::string host = Lower(text);
  // A pattern has to leave at least one label fixed, or it would claim every host there is.
  const bool fixed_label = [&host] {
    size_t begin = 0;
    while (begin <= host.size()) {
      const size_t end = std::min(host.find('.', begin), host.size());
      const std::string_view label = std::string_view(host).substr(begin, end - begin);
      if (!label.empty() && label.find('*') == std::string_view::npos) return true;
      begin = end + 1;
    }
    return false;
  }();
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' ||
           c == '*' || c == ':' || c == '[' || c == ']';
  };
  if (host.empty() || host.size() > kLongestName || !fixed_label ||
      !std::all_of(host.begin(), host.end(), allowed)) {
    return Fail(line, absl::StrCat("\"", text.substr(0, 60),
                                   "\" is no host: write a name, a name with a port, or .suffix"));
  }
  book.hosts.push_back({.host = host, .provider = provider, .layer = layer_, .line = line});
  return true;
}

bool Reader::ReadProvider(const JsonNode& node, BookData& book) {
  if (!CheckKeys(
          node, "a provider",
          {"id", "semconv", "hosts", "inherits", "model_key", "models", "delete", "about"})) {
    return false;
  }
  Provider provider;
  provider.line = node.line;
  const JsonNode* id = node.Find("id");
  if (id == nullptr) return Fail(node.line, "a provider needs an \"id\"");
  if (!ReadText(*id, "the id of a provider", provider.id)) return false;
  provider.id = Lower(provider.id);
  const bool twice = std::any_of(book.providers.begin(), book.providers.end(),
                                 [&](const Provider& other) { return other.id == provider.id; });
  if (twice) return Fail(id->line, absl::StrCat("provider \"", provider.id, "\" is here twice"));
  if (const JsonNode* semconv = node.Find("semconv")) {
    if (!ReadText(*semconv, "semconv", provider.semconv.emplace())) return false;
  }
  if (const JsonNode* form = node.Find("model_key")) {
    if (!Expect(*form, Kind::kString, "model_key")) return false;
    if (form->text != "plain" && form->text != "bedrock") {
      return Fail(form->line, "model_key must be \"plain\" or \"bedrock\"");
    }
    provider.key_form = form->text == "plain" ? ModelKeyForm::kPlain : ModelKeyForm::kBedrock;
  }
  if (const JsonNode* hosts = node.Find("hosts")) {
    if (!Expect(*hosts, Kind::kArray, "hosts")) return false;
    for (const JsonNode& host : hosts->items) {
      std::string text;
      if (!ReadText(host, "a host", text)) return false;
      if (!ReadHostText(text, host.line, provider.id, book)) return false;
    }
  }
  if (const JsonNode* inherits = node.Find("inherits")) {
    provider.inherits.emplace();
    if (!ReadNames(*inherits, "inherits", *provider.inherits, &provider.inherits_lines)) {
      return false;
    }
  }
  if (const JsonNode* remove = node.Find("delete")) {
    if (!ReadFlag(*remove, "delete", provider.remove)) return false;
  }
  if (const JsonNode* models = node.Find("models")) {
    if (!Expect(*models, Kind::kArray, "models")) return false;
    for (const JsonNode& model : models->items) {
      if (!ReadModel(model, provider)) return false;
    }
  }
  book.providers.push_back(std::move(provider));
  return true;
}

bool Reader::ReadModel(const JsonNode& node, Provider& provider) {
  if (!CheckKeys(node, "a model",
                 {"id", "names", "date_suffix", "family", "cards", "delete", "about"})) {
    return false;
  }
  Model model;
  model.line = node.line;
  model.layer = layer_;
  const JsonNode* id = node.Find("id");
  if (id == nullptr) return Fail(node.line, "a model needs an \"id\"");
  if (!ReadText(*id, "the id of a model", model.id)) return false;
  model.id = Lower(model.id);
  const auto same = std::find_if(provider.models.begin(), provider.models.end(),
                                 [&](const Model& other) { return other.id == model.id; });
  if (same != provider.models.end()) {
    return Fail(id->line,
                absl::StrCat("model \"", model.id, "\" is here twice, first in line ", same->line));
  }
  if (const JsonNode* names = node.Find("names")) {
    if (!ReadNames(*names, "names", model.names)) return false;
    const bool has_glob = std::any_of(model.names.begin(), model.names.end(),
                                      [](const auto& n) { return n.find('*') != n.npos; });
    if (has_glob && layer_ == 0) return Fail(names->line, "the built-in book has no patterns");
  }
  if (const JsonNode* family = node.Find("family")) {
    if (!ReadNames(*family, "family", model.family)) return false;
  }
  if (const JsonNode* date = node.Find("date_suffix")) {
    if (!ReadFlag(*date, "date_suffix", model.date_suffix.emplace())) return false;
  }
  if (const JsonNode* remove = node.Find("delete")) {
    if (!ReadFlag(*remove, "delete", model.remove)) return false;
  }
  if (const JsonNode* cards = node.Find("cards")) {
    if (!Expect(*cards, Kind::kArray, "cards")) return false;
    for (const JsonNode& card : cards->items) {
      if (!ReadCard(card, model)) return false;
    }
  }
  provider.models.push_back(std::move(model));
  return true;
}

bool Reader::ReadDay(const JsonNode& node, std::string_view what, std::optional<int32_t>& out) {
  if (!Expect(node, Kind::kString, what)) return false;
  out = ParseDay(node.text);
  if (out) return true;
  return Fail(node.line, absl::StrCat(Absl(what), " must be a day like \"2026-08-17\", not \"",
                                      node.text.substr(0, 40), "\""));
}

bool Reader::ReadWindow(const JsonNode& node, UtcWindow& out) {
  const auto minutes = [](const JsonNode& text) {
    const std::string& t = text.text;
    const auto digit = [&t](size_t i) { return absl::ascii_isdigit(t[i]) ? t[i] - '0' : 100; };
    if (text.kind != Kind::kString || t.size() != 5 || t[2] != ':') return -1;
    const int hour = digit(0) * 10 + digit(1);
    const int minute = digit(3) * 10 + digit(4);
    return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
  };
  const bool two = node.kind == Kind::kArray && node.items.size() == 2;
  if (two) {
    out = {.begin = minutes(node.items[0]), .end = minutes(node.items[1])};
    if (out.begin >= 0 && out.end >= 0 && out.begin != out.end) return true;
  }
  return Fail(node.line, "utc_window must be two different times like [\"16:30\", \"00:30\"]");
}

bool Reader::ReadWeekdays(const JsonNode& node, uint8_t& out) {
  std::vector<std::string> names;
  if (!ReadNames(node, "weekdays", names)) return false;
  out = 0;
  for (const std::string& name : names) {
    const auto* found = std::find(std::begin(kWeekdays), std::end(kWeekdays), name);
    if (found == std::end(kWeekdays)) {
      return Fail(node.line, absl::StrCat("\"", name, "\" is no weekday: mon, tue, ... sun"));
    }
    out |= static_cast<uint8_t>(1U << (found - std::begin(kWeekdays)));
  }
  return out != 0 || Fail(node.line, "weekdays is empty");
}

bool Reader::ReadCardKey(const JsonNode& node, CardKey& key) {
  if (const JsonNode* from = node.Find("from")) {
    if (!ReadDay(*from, "from", key.from)) return false;
  }
  if (const JsonNode* to = node.Find("to")) {
    if (!ReadDay(*to, "to", key.to)) return false;
    if (key.from && *key.to <= *key.from) return Fail(to->line, "to must be later than from");
  }
  if (const JsonNode* tier = node.Find("tier")) {
    if (!ReadText(*tier, "tier", key.tier)) return false;
    key.tier = Lower(key.tier);
    if (key.tier == "default") key.tier = "standard";
  }
  if (const JsonNode* region = node.Find("region_class")) {
    if (!ReadText(*region, "region_class", key.region_class)) return false;
    key.region_class = Lower(key.region_class);
  }
  if (const JsonNode* window = node.Find("utc_window")) {
    if (!ReadWindow(*window, key.window.emplace())) return false;
  }
  const JsonNode* weekdays = node.Find("weekdays");
  return weekdays == nullptr || ReadWeekdays(*weekdays, key.weekdays);
}

bool Reader::ReadCard(const JsonNode& node, Model& model) {
  if (!CheckKeys(node, "a card",
                 {"from", "to", "tier", "region_class", "utc_window", "weekdays", "rates",
                  "per_call", "uncounted", "delete", "about"})) {
    return false;
  }
  Card card;
  card.layer = layer_;
  if (!ReadCardKey(node, card.key)) return false;
  const bool twice = std::any_of(model.cards.begin(), model.cards.end(),
                                 [&](const Card& other) { return other.key.SameAs(card.key); });
  if (twice) {
    return Fail(node.line, absl::StrCat("model \"", model.id, "\" has two cards with the same ",
                                        "from, tier, region_class, utc_window and weekdays"));
  }
  if (const JsonNode* remove = node.Find("delete")) {
    if (!ReadFlag(*remove, "delete", card.remove)) return false;
  }
  const JsonNode* rates = node.Find("rates");
  if (rates == nullptr && !card.remove) return Fail(node.line, "a card needs \"rates\"");
  if (rates != nullptr && !ReadRows(*rates, card)) return false;
  if (const JsonNode* per_call = node.Find("per_call")) {
    if (!ReadPerCall(*per_call, card)) return false;
  }
  if (const JsonNode* uncounted = node.Find("uncounted")) {
    if (!ReadNames(*uncounted, "uncounted", card.uncounted)) return false;
  }
  model.cards.push_back(std::move(card));
  return true;
}

bool Reader::ReadRows(const JsonNode& list, Card& card) {
  if (!Expect(list, Kind::kArray, "rates")) return false;
  if (list.items.empty()) return Fail(list.line, "rates is empty");
  for (const JsonNode& row : list.items) {
    if (!ReadRow(row, card)) return false;
  }
  return true;
}

bool Reader::ReadRow(const JsonNode& node, Card& card) {
  std::vector<std::string_view> known = {"above_input"};
  for (const RateKey& key : kRateKeys) known.push_back(key.name);
  if (!CheckKeys(node, "a row of rates", known)) return false;
  RateRow row;
  if (const JsonNode* above = node.Find("above_input")) {
    if (!ReadWhole(*above, "above_input", 0, kLargestThreshold, row.above_input)) return false;
  }
  if (card.rows.empty() ? row.above_input != 0 : row.above_input <= card.rows.back().above_input) {
    return Fail(node.line, "rows of rates must begin with \"above_input\": 0 and rise");
  }
  for (const RateKey& key : kRateKeys) {
    const JsonNode* value = node.Find(key.name);
    if (value == nullptr) continue;
    std::optional<Rate>& rate = row.rates[static_cast<size_t>(key.unit)];
    const std::optional<Rate>& input = row.rates[static_cast<size_t>(Unit::kInput)];
    if (value->kind == Kind::kString && value->text == "=input") {
      // The only way that cached tokens cost what uncached ones do: the book says so.
      if (!input || key.unit == Unit::kInput) {
        return Fail(value->line, "\"=input\" needs a rate for input in the same row");
      }
      rate = input;
      continue;
    }
    PicoUsd price = 0;
    if (!ReadPrice(*value, key.name, price)) return false;
    rate = Rate{.pico_usd = price, .per = kTokensPerRate};
  }
  card.rows.push_back(row);
  return true;
}

bool Reader::ReadPerCall(const JsonNode& node, Card& card) {
  if (!CheckKeys(node, "per_call", {"web_search", "request"})) return false;
  for (const JsonMember& member : node.members) {
    if (!CheckKeys(member.value, "a price per call", {"usd", "per"})) return false;
    Rate rate;
    const JsonNode* usd = member.value.Find("usd");
    if (usd == nullptr) return Fail(member.line, "a price per call needs \"usd\"");
    if (!ReadPrice(*usd, "usd", rate.pico_usd)) return false;
    int64_t per = 1;
    if (const JsonNode* value = member.value.Find("per")) {
      if (!ReadWhole(*value, "per", 1, kTokensPerRate, per)) return false;
    }
    rate.per = static_cast<uint32_t>(per);
    (member.key == "request" ? card.request : card.web_search) = rate;
  }
  return true;
}

}  // namespace

absl::StatusOr<BookData> ReadBook(const BookSource& source, int layer) {
  return Reader(source, layer).Read();
}

std::optional<int32_t> ParseDay(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [text](size_t begin, size_t length) {
    int value = -1;
    const char* end = text.data() + begin + length;
    const auto parsed = std::from_chars(text.data() + begin, end, value);
    return parsed.ec == std::errc() && parsed.ptr == end ? value : -1;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  if (year < 1970 || month < 1 || day < 1) return std::nullopt;
  const absl::CivilDay civil(year, month, day);  // Normalises 02-30, which is then not the same.
  if (civil.month() != month || civil.day() != day) return std::nullopt;
  return static_cast<int32_t>(civil - absl::CivilDay(1970, 1, 1));
}

std::string FormatDay(int32_t day) {
  return absl::FormatCivilTime(absl::CivilDay(1970, 1, 1) + day);
}

}  // namespace sonde::pricing
