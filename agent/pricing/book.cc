#include "agent/pricing/book.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sonde::pricing {
namespace {

constexpr std::string_view kSelfHosted = "self_hosted";

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

void Tell(Steps* steps, std::string line) {
  if (steps != nullptr) steps->push_back(std::move(line));
}

}  // namespace

Book::Book(BookData data, std::string version, std::string hash)
    : data_(std::move(data)), version_(std::move(version)), hash_(std::move(hash)) {
  hosts_ = HostTable(data_.hosts);
  BuildIndex();
}

void Book::BuildIndex() {
  indexes_.resize(data_.providers.size());
  for (size_t i = 0; i < data_.providers.size(); ++i) {
    Index& index = indexes_[i];
    for (const Model& model : data_.providers[i].models) {
      for (const std::string& name : model.names) {
        if (name.find('*') != name.npos) {
          index.globs.push_back({name, &model});
        } else {
          index.names.emplace(name, &model);
        }
      }
      for (const std::string& stem : model.family) index.stems.push_back({stem, &model});
    }
    std::stable_sort(index.stems.begin(), index.stems.end(),
                     [](const Stem& a, const Stem& b) { return a.text.size() > b.text.size(); });
    std::stable_sort(index.globs.begin(), index.globs.end(), [](const Stem& a, const Stem& b) {
      if (a.model->layer != b.model->layer) return a.model->layer > b.model->layer;
      return a.text.size() > b.text.size();
    });
  }
}

const Book::Index& Book::IndexOf(const Provider& provider) const {
  return indexes_[static_cast<size_t>(&provider - data_.providers.data())];
}

const Provider* Book::FindProvider(std::string_view id) const {
  for (const Provider& provider : data_.providers) {
    if (provider.id == id) return &provider;
  }
  return nullptr;
}

const Model* Book::FindModel(const Provider& provider, std::string_view name) const {
  const ModelKey key = MakeModelKey(name, provider.key_form.value_or(ModelKeyForm::kPlain));
  return ByName(IndexOf(provider), key).model;
}

std::string Book::ProviderForHost(std::string_view host, uint16_t port) const {
  return std::string(hosts_.Find(host, port));
}

std::string Book::SemconvName(std::string_view provider) const {
  const Provider* found = FindProvider(provider);
  return found != nullptr && found->semconv ? *found->semconv : std::string(provider);
}

bool Book::IsProviderHost(std::string_view host) const {
  const std::string_view provider = hosts_.Find(host, 0);
  return !provider.empty() && provider != kSelfHosted;
}

bool Book::IsSelfHosted(std::string_view host, uint16_t port) const {
  const std::string_view provider = hosts_.Find(host, port);
  if (!provider.empty()) return provider == kSelfHosted;
  const auto& ports = data_.self_hosted_ports;
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

Book::Hit Book::Overridden(const Index& index, const ModelKey& key) const {
  for (const std::string& name : {key.raw, key.plain}) {
    const auto exact = index.names.find(name);
    if (exact != index.names.end() && exact->second->layer > 0) {
      return {exact->second, pricing::Match::kOverride};
    }
  }
  for (const std::string& name : {key.raw, key.plain}) {
    for (const Stem& glob : index.globs) {
      if (MatchesGlob(glob.text, name)) return {glob.model, pricing::Match::kOverride};
    }
  }
  return {};
}

Book::Hit Book::ByName(const Index& index, const ModelKey& key) const {
  for (const std::string& name : {key.raw, key.plain}) {
    const auto found = index.names.find(name);
    if (found == index.names.end()) continue;
    const bool is_id = found->second->id == name;
    return {found->second, is_id ? pricing::Match::kExact : pricing::Match::kAlias};
  }
  return {};
}

Book::Hit Book::ByDate(const Index& index, const ModelKey& key) const {
  const auto stem = WithoutDate(key.plain);
  if (!stem) return {};
  const auto found = index.names.find(std::string(*stem));
  if (found == index.names.end() || !found->second->date_suffix.value_or(false)) return {};
  return {found->second, pricing::Match::kDateSuffix};
}

Book::Hit Book::ByFamily(const Index& index, const ModelKey& key, Steps* steps) const {
  const std::string_view name = key.plain;
  const Stem* best = nullptr;
  for (const Stem& stem : index.stems) {
    if (best != nullptr && stem.text.size() < best->text.size()) break;
    if (name.substr(0, stem.text.size()) != stem.text) continue;
    if (!IsFamilyRest(name.substr(stem.text.size()))) continue;
    if (best != nullptr && best->model != stem.model) {
      Tell(steps, absl::StrCat("family: \"", best->model->id, "\" and \"", stem.model->id,
                               "\" fit equally: unknown"));
      return {};
    }
    best = &stem;
  }
  if (best == nullptr) return {};
  return {best->model, pricing::Match::kFamily};
}

Book::Hit Book::InProvider(const Provider& provider, const ModelKey& key, Steps* steps) const {
  const Index& index = IndexOf(provider);
  Hit hit = Overridden(index, key);
  if (hit.model == nullptr) hit = ByName(index, key);
  if (hit.model == nullptr) hit = ByDate(index, key);
  if (hit.model == nullptr) hit = ByFamily(index, key, steps);
  if (hit.model == nullptr) {
    Tell(steps, absl::StrCat("override, exact, alias, date_suffix, family: none in \"", provider.id,
                             "\""));
  } else {
    Tell(steps, absl::StrCat(Absl(MatchName(hit.match)), ": \"", key.plain, "\" is \"",
                             hit.model->id, "\" of \"", provider.id, "\""));
  }
  return hit;
}

Found Book::WithCards(const Provider& provider, const Hit& hit) const {
  Found found{.provider = &provider, .model = hit.model, .match = hit.match};
  if (hit.model == nullptr || !hit.model->cards.empty() || !provider.inherits) return found;
  for (const std::string& id : *provider.inherits) {
    const Provider* parent = FindProvider(id);
    if (parent == nullptr) continue;
    const auto same = IndexOf(*parent).names.find(hit.model->id);
    if (same == IndexOf(*parent).names.end() || same->second->cards.empty()) continue;
    found.provider = parent;
    found.model = same->second;
    return found;
  }
  return found;
}

Found Book::Match(const Provider& provider, std::string_view name, Steps* steps) const {
  const ModelKey key = MakeModelKey(name, provider.key_form.value_or(ModelKeyForm::kPlain));
  Found found;
  if (key.raw.empty()) return found;
  // A user may price what the name alone cannot: fine-tunes, opaque profiles.
  const Hit user = Overridden(IndexOf(provider), key);
  if (user.model == nullptr && !key.unpriced.empty()) {
    Tell(steps, absl::StrCat("\"", key.raw, "\": ", Absl(key.unpriced)));
    found.unpriced = key.unpriced;
    return found;
  }
  const Hit hit = InProvider(provider, key, steps);
  if (hit.model != nullptr) {
    found = WithCards(provider, hit);
    found.region_class = key.region_class;
    return found;
  }
  if (!provider.inherits) return found;
  for (const std::string& id : *provider.inherits) {
    const Provider* parent = FindProvider(id);
    if (parent == nullptr) continue;
    const Hit inherited = InProvider(*parent, key, steps);
    if (inherited.model == nullptr) continue;
    found = WithCards(*parent, inherited);
    found.match = pricing::Match::kInherited;
    found.region_class = key.region_class;
    return found;
  }
  return found;
}

Quote Book::Price(const Query& query, Steps* steps, const Card** used) const {
  Quote quote;
  quote.book_version = version_;
  quote.provider = query.provider;
  for (const auto& [unit, quantity] : query.quantities) {
    if (quantity != 0) quote.components.push_back({.unit = unit, .quantity = quantity});
  }
  const auto unpriced = [&quote](std::string_view reason) {
    quote.status = CostStatus::kUnpriced;
    quote.reason = reason;
    return quote;
  };
  if (query.provider == kSelfHosted) return unpriced(kSelfHosted);
  const Provider* provider = FindProvider(query.provider);
  if (provider == nullptr) return unpriced("unknown_provider");

  Found found = Match(*provider, query.response_model, steps);
  if (found.model == nullptr && found.unpriced.empty() &&
      query.request_model != query.response_model) {
    found = Match(*provider, query.request_model, steps);
  }
  if (!found.unpriced.empty()) return unpriced(found.unpriced);
  if (found.model == nullptr) return unpriced("unknown_model");
  quote.match = found.match;
  quote.provider = found.provider->id;
  quote.model = found.model->id;
  quote.tier = NormalTier(query.tier);

  const std::string region =
      found.region_class.empty() ? absl::AsciiStrToLower(query.region_class) : found.region_class;
  const Card* card = ChooseCard(found.model->cards, quote.tier, region, query.start_unix_ns);
  if (card == nullptr) {
    Tell(steps, absl::StrCat("no card for tier \"", quote.tier, "\" and region \"", region,
                             "\" on that day"));
    return unpriced("unknown_tier");
  }
  if (used != nullptr) *used = card;
  quote.region_class = card->key.region_class;
  PriceWithCard(*card, query, quote);
  return quote;
}

}  // namespace sonde::pricing
