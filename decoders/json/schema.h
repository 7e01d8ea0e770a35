// Which values of a JSON document are wanted.
#ifndef SONDE_DECODERS_JSON_SCHEMA_H_
#define SONDE_DECODERS_JSON_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
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
    const Words words = WordsOf(key);
    for (NodeIndex at = slots_[Slot(parent, words)]; at != kNone; at = keys_[at].next) {
      const Key& candidate = keys_[at];
      if (candidate.words.first == words.first && candidate.words.last == words.last &&
          candidate.parent == parent && candidate.text.size() == key.size() &&
          (key.size() <= 2 * sizeof(uint64_t) || candidate.text == key)) {
        return candidate.node;
      }
    }
    return kNone;
  }

 private:
  static constexpr int kSlotBits = 9;
  /// The first and the last eight bytes of a key (they overlap in short ones): all of it up to
  /// sixteen bytes.
  struct Words {
    uint64_t first = 0;
    uint64_t last = 0;
  };
  struct Key {
    NodeIndex parent = kNone;
    NodeIndex node = kNone;
    NodeIndex next = kNone;
    Words words;
    std::string text;
  };

  template <typename T>
  static uint64_t Load(const char* bytes) {
    T word;
    memcpy(&word, bytes, sizeof(word));
    return word;
  }
  static Words WordsOf(std::string_view key) {
    const char* const begin = key.data();
    const char* const end = begin + key.size();
    if (key.size() >= 8) return {Load<uint64_t>(begin), Load<uint64_t>(end - 8)};
    if (key.size() >= 4) return {Load<uint32_t>(begin), Load<uint32_t>(end - 4)};
    if (key.size() >= 2) return {Load<uint16_t>(begin), Load<uint16_t>(end - 2)};
    return {key.empty() ? uint64_t{0} : static_cast<uint8_t>(*begin), 0};
  }
  static size_t Slot(NodeIndex parent, const Words& words) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
    const uint64_t mixed = (words.first ^ (words.last << 1 | words.last >> 63) ^ parent) * kOdd;
    return static_cast<size_t>(mixed >> (64 - kSlotBits));
  }
  NodeIndex Child(NodeIndex parent, std::string_view key);
  void Add(const PathSpec& spec);

  std::vector<Node> nodes_;
  std::vector<Key> keys_;
  std::vector<NodeIndex> slots_;  // The first key of each.
};

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_SCHEMA_H_
