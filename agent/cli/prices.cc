// `sonde prices show`, `explain` and `check`.
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/cli/commands.h"
#include "agent/cli/nearest.h"
#include "agent/cli/outputs.h"
#include "agent/pricing/explain.h"

namespace sonde::cli {
namespace {

int64_t NowUnixNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

absl::StatusOr<int64_t> Moment(const std::string& text) {
  if (text.empty()) return NowUnixNs();
  const std::optional<int64_t> moment = pricing::ParseMoment(text);
  if (moment) return *moment;
  return absl::InvalidArgumentError(
      absl::StrCat("--at ", text, ": write 2026-11-21 or 2026-11-21T12:00:00Z"));
}

int Print(const absl::StatusOr<std::string>& text) {
  if (!text.ok()) return Fail(1, text.status());
  std::fputs(text->c_str(), stdout);
  return 0;
}

/// "input=180" as a quantity.
absl::StatusOr<std::pair<pricing::Unit, int64_t>> ParseQuantity(const std::string& word) {
  const size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  std::vector<std::string> names;
  for (int i = 0; i < pricing::kUnitCount; ++i) {
    const auto unit = static_cast<pricing::Unit>(i);
    names.emplace_back(pricing::UnitName(unit));
    if (names.back() != name) continue;
    int64_t count = 0;
    if (equals == std::string::npos || !absl::SimpleAtoi(word.substr(equals + 1), &count) ||
        count < 0) {
      return absl::InvalidArgumentError(absl::StrCat(word, ": write ", name, "=COUNT"));
    }
    return std::make_pair(unit, count);
  }
  return absl::InvalidArgumentError(absl::StrCat(word, ": no such unit", Nearest(name, names)));
}

/// A host stands for its provider.
std::string ProviderId(const pricing::PriceBook& book, const std::string& text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  std::string host = text;
  if (colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &port)) {
    host = text.substr(0, colon);
  }
  const std::string found = book.ProviderForHost(host, static_cast<uint16_t>(port));
  return found.empty() ? text : found;
}

/// Fills in what was typed as words: [PROVIDER] [MODEL] [UNIT=COUNT...].
absl::StatusOr<PriceOptions> TakeWords(PriceOptions price, const pricing::PriceBook& book) {
  std::vector<std::string> names;
  for (const std::string& word : price.words) {
    (word.find('=') == std::string::npos ? names : price.quantities).push_back(word);
  }
  for (const std::string& name : names) {
    const bool is_provider = pricing::HasProvider(book, ProviderId(book, name));
    const bool first_of_two = &name == &names.front() && names.size() == 2;
    if (price.provider.empty() && (is_provider || first_of_two)) {
      price.provider = name;
    } else if (price.model.empty()) {
      price.model = name;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("one word too many: ", name));
    }
  }
  if (!price.provider.empty() || price.model.empty()) return price;
  const std::vector<std::string> sellers = pricing::ProvidersWith(book, price.model);
  if (sellers.empty()) {
    return absl::NotFoundError(absl::StrCat(price.model, " is neither a provider nor a model of ",
                                            "the price book; sonde prices show lists providers"));
  }
  if (sellers.size() == 1) price.provider = sellers.front();
  return price;
}

int Show(const Options& options, const pricing::PriceBook& book) {
  const absl::StatusOr<PriceOptions> price = TakeWords(options.price, book);
  if (!price.ok()) return Fail(kExitUsage, price.status());
  std::vector<std::string> providers = {ProviderId(book, price->provider)};
  if (price->provider.empty() && !price->model.empty()) {
    providers = pricing::ProvidersWith(book, price->model);
  }
  int status = 0;
  for (const std::string& provider : providers) {
    status |= Print(pricing::ShowBook(book, provider, price->model, NowUnixNs()));
  }
  return status;
}

int ExplainPrice(const Options& options, const pricing::PriceBook& book) {
  const absl::StatusOr<PriceOptions> price = TakeWords(options.price, book);
  if (!price.ok()) return Fail(kExitUsage, price.status());
  if (price->model.empty()) {
    return Fail(kExitUsage, "which model? sonde prices explain [PROVIDER] MODEL [UNIT=COUNT...]");
  }
  if (price->provider.empty()) {
    return Fail(kExitUsage,
                absl::StrCat("several providers have ", price->model, ": put one of ",
                             absl::StrJoin(pricing::ProvidersWith(book, price->model), ", "),
                             " before it"));
  }
  pricing::Query query;
  query.provider = ProviderId(book, price->provider);
  query.response_model = price->model;
  query.tier = price->tier;
  query.region_class = price->region;
  const absl::StatusOr<int64_t> at = Moment(price->at);
  if (!at.ok()) return Fail(kExitUsage, at.status());
  query.start_unix_ns = *at;
  for (const std::string& word : price->quantities) {
    const auto quantity = ParseQuantity(word);
    if (!quantity.ok()) return Fail(kExitUsage, quantity.status());
    query.quantities.push_back(*quantity);
  }
  return Print(pricing::Explain(book, query));
}

absl::StatusOr<std::vector<pricing::BookSource>> ReadSources(
    const std::vector<std::string>& paths) {
  std::vector<pricing::BookSource> sources;
  for (const std::string& path : paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      auto files = pricing::ReadOverrideDirectory(path);
      if (!files.ok()) return files.status();
      sources.insert(sources.end(), files->begin(), files->end());
      continue;
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
    sources.push_back({path, std::string{std::istreambuf_iterator<char>(file), {}}});
  }
  return sources;
}

int Check(const Options& options) {
  const auto sources = ReadSources(options.price.paths);
  if (!sources.ok()) return Fail(1, sources.status());
  if (sources->empty()) return Fail(1, "no *.json file there");
  bool all_ok = true;
  for (const pricing::FileCheck& check : pricing::CheckBooks(*sources)) {
    all_ok = all_ok && check.ok;
    std::fprintf(check.ok ? stdout : stderr, "%s\n", check.message.c_str());
    for (const std::string& warning : check.warnings) {
      std::fprintf(stdout, "%s: warning: %s\n", check.file.c_str(), warning.c_str());
    }
  }
  return all_ok ? 0 : 1;
}

}  // namespace

int PricesCommand(const Options& options) {
  if (options.command == Command::kPricesCheck) return Check(options);
  const auto book = LoadPrices(options.output);
  if (!book.ok()) return Fail(1, book.status());
  return options.command == Command::kPricesShow ? Show(options, **book)
                                                 : ExplainPrice(options, **book);
}

}  // namespace sonde::cli
