#include "agent/cli/environment.h"

#include <algorithm>

namespace sonde::cli {
namespace {

auto Find(auto& variables, std::string_view name) {
  return std::find_if(variables.begin(), variables.end(),
                      [&](const auto& variable) { return variable.first == name; });
}

}  // namespace

Environment Environment::FromArray(const char* const* array) {
  Environment environment;
  for (; array != nullptr && *array != nullptr; ++array) environment.AddWord(*array);
  return environment;
}

Environment Environment::FromBlock(std::string_view block) {
  Environment environment;
  while (!block.empty()) {
    const size_t end = std::min(block.find('\0'), block.size());
    environment.AddWord(block.substr(0, end));
    block.remove_prefix(std::min(end + 1, block.size()));
  }
  return environment;
}

void Environment::AddWord(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return;
  const std::string_view name = word.substr(0, equals);
  if (Find(variables_, name) != variables_.end()) return;
  variables_.emplace_back(name, word.substr(equals + 1));
}

std::optional<std::string> Environment::Get(std::string_view name) const {
  const auto found = Find(variables_, name);
  if (found == variables_.end()) return std::nullopt;
  return found->second;
}

void Environment::Set(std::string_view name, std::string_view value) {
  const auto found = Find(variables_, name);
  if (found == variables_.end()) {
    variables_.emplace_back(name, value);
  } else {
    found->second = value;
  }
}

void Environment::Erase(std::string_view name) {
  const auto found = Find(variables_, name);
  if (found != variables_.end()) variables_.erase(found);
}

std::vector<std::string> Environment::Words() const {
  std::vector<std::string> words;
  words.reserve(variables_.size());
  for (const auto& [name, value] : variables_) {
    words.push_back(name);
    words.back().append("=").append(value);
  }
  return words;
}

}  // namespace sonde::cli
