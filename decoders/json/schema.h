// Which values of a JSON document are wanted.
#ifndef SONDE_DECODERS_JSON_SCHEMA_H_
#define SONDE_DECODERS_JSON_SCHEMA_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::json {

/// The caller's name for a path. 0 is reserved.
using Tag = uint16_t;

/// What happens to a string found at a path.
enum class Strings : uint8_t {
  kCapture,  ///< Handed on whole, cut to `limit` bytes.
  kText,     ///< Handed on in pieces, unescaped, never stored.
  kIgnore,
};

struct PathSpec {
  /// Keys joined by "."; "[]" after a key stands for every element: "choices[].delta.content". The
  /// empty path is the document itself.
  std::string path;
  Tag tag = 0;
  Strings strings = Strings::kCapture;
  uint32_t limit = 256;
};

using Paths = std::vector<PathSpec>;

/// The same paths below `prefix`; the empty path becomes `prefix` itself.
Paths Under(std::string_view prefix, Paths paths);
Paths Join(std::initializer_list<Paths> lists);

/// An immutable trie of paths. Build it once; extractors share it.
class Schema {
 public:
  using NodeIndex = uint16_t;
  static constexpr NodeIndex kNone = 0;  ///< Nobody asks for this value.
  static constexpr NodeIndex kRoot = 1;
  /// Nesting of the longest path.
  static constexpr size_t kMaxDepth = 16;
  static constexpr size_t kMaxKeyBytes = 64;

  struct Node {
    Tag tag = 0;  ///< 0: only on the way to others.
    Strings strings = Strings::kIgnore;
    uint32_t limit = 0;
    NodeIndex element = kNone;
    bool has_keys = false;
  };

  Schema(std::initializer_list<PathSpec> paths) : Schema(Paths(paths)) {}
  explicit Schema(const Paths& paths);

  const Node& node(NodeIndex index) const { return nodes_[index]; }
  /// The node of `key` in an object at `parent`, or kNone.
  NodeIndex Find(NodeIndex parent, std::string_view key) const {
    const Slot* slot = &slots_[Hash(parent, key)];
    for (NodeIndex at = slot->first; at != kNone; at = keys_[at].next) {
      const Key& candidate = keys_[at];
      if (candidate.parent == parent && candidate.text == key) return candidate.node;
    }
    return kNone;
  }

 private:
  static constexpr size_t kSlots = 512;
  struct Slot {
    NodeIndex first = kNone;
  };
  struct Key {
    NodeIndex parent = kNone;
    NodeIndex node = kNone;
    NodeIndex next = kNone;
    std::string text;
  };

  static size_t Hash(NodeIndex parent, std::string_view key) {
    if (key.empty()) return parent % kSlots;
    const auto first = static_cast<uint8_t>(key.front());
    const auto last = static_cast<uint8_t>(key.back());
    const auto middle = static_cast<uint8_t>(key[key.size() / 2]);
    return (parent * 41U + key.size() * 7U + first + last * 3U + middle * 5U) % kSlots;
  }
  NodeIndex Child(NodeIndex parent, std::string_view key);
  void Add(const PathSpec& spec);

  std::vector<Node> nodes_;
  std::vector<Key> keys_;
  std::vector<Slot> slots_;
};

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_SCHEMA_H_
