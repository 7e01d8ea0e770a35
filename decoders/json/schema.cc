#include "decoders/json/schema.h"

#include <algorithm>
#include <cassert>

namespace sonde::json {

Paths Under(std::string_view prefix, Paths paths) {
  for (PathSpec& spec : paths) {
    const bool joins = spec.path.empty() || spec.path.front() == '[';
    spec.path = std::string(prefix) + (joins ? "" : ".") + spec.path;
  }
  return paths;
}

Paths Join(std::initializer_list<Paths> lists) {
  Paths all;
  for (const Paths& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

Schema::Schema(const Paths& paths) : nodes_(2), keys_(1), slots_(size_t{1} << kSlotBits, kNone) {
  for (const PathSpec& spec : paths) Add(spec);
}

Schema::NodeIndex Schema::Child(NodeIndex parent, std::string_view key) {
  if (const NodeIndex found = Find(parent, key); found != kNone) return found;
  const auto made = static_cast<NodeIndex>(nodes_.size());
  nodes_.emplace_back();
  nodes_[parent].has_keys = true;
  const Words words = WordsOf(key);
  NodeIndex& slot = slots_[Slot(parent, words)];
  const auto index = static_cast<NodeIndex>(keys_.size());
  keys_.push_back({parent, made, slot, words, std::string(key)});
  slot = index;
  return made;
}

void Schema::Add(const PathSpec& spec) {
  NodeIndex at = kRoot;
  size_t depth = 0;
  std::string_view rest = spec.path;
  while (!rest.empty()) {
    assert(depth < kMaxDepth);
    ++depth;
    if (rest.front() == '.') rest.remove_prefix(1);
    if (rest.substr(0, 2) == "[]") {
      if (nodes_[at].element == kNone) {
        nodes_[at].element = static_cast<NodeIndex>(nodes_.size());
        nodes_.emplace_back();
      }
      at = nodes_[at].element;
      rest.remove_prefix(2);
      continue;
    }
    const size_t stop = std::min(rest.find_first_of(".["), rest.size());
    assert(stop > 0 && stop <= kMaxKeyBytes);
    at = Child(at, rest.substr(0, stop));
    rest.remove_prefix(stop);
  }
  assert(nodes_[at].tag == 0 && spec.tag != 0);
  nodes_[at].tag = spec.tag;
  nodes_[at].strings = spec.strings;
  nodes_[at].limit = spec.limit;
}

}  // namespace sonde::json
