#include "agent/pricing/book_merge.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/pricing/json_tree.h"
#include "agent/pricing/nearest_name.h"

namespace sonde::pricing {
namespace {

template <typename T>
T* Find(std::vector<T>& list, std::string_view id) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& t) { return t.id == id; });
  return found == list.end() ? nullptr : &*found;
}

void AddNames(const std::vector<std::string>& names, std::vector<std::string>& to) {
  for (const std::string& name : names) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
  }
}

void Erase(std::vector<std::string>& names, const std::string& name) {
  names.erase(std::remove(names.begin(), names.end(), name), names.end());
}

std::vector<std::string_view> ProviderIds(const BookData& book) {
  std::vector<std::string_view> ids;
  for (const Provider& provider : book.providers) ids.push_back(provider.id);
  return ids;
}

/// "unknown provider "opnai", did you mean "openai"?"
absl::Status UnknownProvider(const std::string& file, int line, const std::string& id,
                             const BookData& book) {
  return ErrorAt(file, line,
                 absl::StrCat("unknown provider \"", id, "\"", DidYouMean(id, ProviderIds(book))));
}

void MergeCards(const std::vector<Card>& cards, Model& model) {
  for (const Card& card : cards) {
    std::vector<Card>& have = model.cards;
    have.erase(std::remove_if(have.begin(), have.end(),
                              [&](const Card& old) { return old.key.SameAs(card.key); }),
               have.end());
    if (!card.remove) have.push_back(card);
  }
}

void MergeModel(const Model& addition, Provider& provider) {
  if (addition.remove) {
    auto& models = provider.models;
    models.erase(std::remove_if(models.begin(), models.end(),
                                [&](const Model& m) { return m.id == addition.id; }),
                 models.end());
    return;
  }
  Model* model = Find(provider.models, addition.id);
  if (model == nullptr) {
    model = &provider.models.emplace_back();
    model->id = addition.id;
    AddNames({addition.id}, model->names);
  }
  for (Model& other : provider.models) {
    if (&other == model) continue;
    for (const std::string& name : addition.names) Erase(other.names, name);
    for (const std::string& stem : addition.family) Erase(other.family, stem);
  }
  AddNames(addition.names, model->names);
  AddNames(addition.family, model->family);
  if (addition.date_suffix) model->date_suffix = addition.date_suffix;
  MergeCards(addition.cards, *model);
  model->layer = std::max(model->layer, addition.layer);
  model->line = addition.line;
}

absl::Status MergeProvider(const std::string& file, const Provider& addition, BookData& base) {
  if (addition.remove) {
    if (Find(base.providers, addition.id) == nullptr) {
      return UnknownProvider(file, addition.line, addition.id, base);
    }
    auto& providers = base.providers;
    providers.erase(std::remove_if(providers.begin(), providers.end(),
                                   [&](const Provider& p) { return p.id == addition.id; }),
                    providers.end());
    auto& hosts = base.hosts;
    hosts.erase(std::remove_if(hosts.begin(), hosts.end(),
                               [&](const HostRule& h) { return h.provider == addition.id; }),
                hosts.end());
    return absl::OkStatus();
  }
  Provider* provider = Find(base.providers, addition.id);
  if (provider == nullptr) {
    if (addition.models.empty() && !addition.inherits) {
      // A new provider has prices of its own or of others; anything else is a slip of the pen.
      return UnknownProvider(file, addition.line, addition.id, base);
    }
    provider = &base.providers.emplace_back();
    provider->id = addition.id;
  }
  if (addition.semconv) provider->semconv = addition.semconv;
  if (addition.key_form) provider->key_form = addition.key_form;
  if (addition.inherits) provider->inherits = addition.inherits;
  for (const Model& model : addition.models) MergeModel(model, *provider);
  return absl::OkStatus();
}

/// Some card for the id in the provider or, one step on, in those it inherits from.
bool HasCards(const BookData& book, const Provider& provider, const Model& model) {
  if (!model.cards.empty()) return true;
  if (!provider.inherits) return false;
  for (const std::string& parent : *provider.inherits) {
    for (const Provider& other : book.providers) {
      if (other.id != parent) continue;
      for (const Model& same : other.models) {
        if (same.id == model.id && !same.cards.empty()) return true;
      }
    }
  }
  return false;
}

absl::Status CheckReferences(const std::string& file, const BookData& addition, BookData& base) {
  for (const Provider& stated : addition.providers) {
    const Provider* provider = Find(base.providers, stated.id);
    if (provider == nullptr) continue;
    for (size_t i = 0; stated.inherits && i < stated.inherits->size(); ++i) {
      const std::string& parent = (*stated.inherits)[i];
      if (Find(base.providers, parent) == nullptr) {
        return UnknownProvider(file, stated.inherits_lines[i], parent, base);
      }
    }
    for (const Model& model : stated.models) {
      if (model.remove) continue;
      const auto merged = std::find_if(provider->models.begin(), provider->models.end(),
                                       [&](const Model& m) { return m.id == model.id; });
      if (merged != provider->models.end() && !HasCards(base, *provider, *merged)) {
        return ErrorAt(file, model.line,
                       absl::StrCat("model \"", model.id, "\" has no price: give it cards, or the ",
                                    "id of a model that \"", stated.id, "\" inherits"));
      }
    }
  }
  for (const HostRule& rule : addition.hosts) {
    if (rule.provider != "self_hosted" && Find(base.providers, rule.provider) == nullptr) {
      return UnknownProvider(file, rule.line, rule.provider, base);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MergeBook(const std::string& file, const BookData& addition, BookData& base) {
  if (!addition.version.empty()) base.version = addition.version;
  for (const Provider& provider : addition.providers) {
    if (absl::Status status = MergeProvider(file, provider, base); !status.ok()) return status;
  }
  for (const HostRule& rule : addition.hosts) base.hosts.push_back(rule);
  for (const uint16_t port : addition.self_hosted_ports) {
    auto& ports = base.self_hosted_ports;
    if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
  }
  return CheckReferences(file, addition, base);
}

}  // namespace sonde::pricing
