// A JSON document with the line of every value, so that a wrong price can be pointed at.
#ifndef SONDE_AGENT_PRICING_JSON_TREE_H_
#define SONDE_AGENT_PRICING_JSON_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sonde::pricing {

/// Bounds of one document; beyond them it is refused.
inline constexpr size_t kMaxBookBytes = 8 << 20;
inline constexpr int kMaxBookDepth = 16;
inline constexpr size_t kMaxBookMembers = 1024;  ///< Of one object.
inline constexpr size_t kMaxBookItems = 20'000;  ///< Of one list.

struct JsonMember;

struct JsonNode {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  int line = 0;       ///< From 1. Of the opening bracket, or of the value's last character.
  bool flag = false;  ///< For kBool.
  std::string text;   ///< For kString the value, for kNumber the token as written.
  std::vector<JsonNode> items;      ///< For kArray.
  std::vector<JsonMember> members;  ///< For kObject, in the order of the file.

  /// The member's value, or null.
  const JsonNode* Find(std::string_view key) const;
};

struct JsonMember {
  std::string key;
  int line = 0;
  JsonNode value;
};

/// "a text", "a list", ... for messages.
std::string_view KindName(JsonNode::Kind kind);

/// Errors read "FILE:LINE: reason": syntax, a key written twice, too deep, too large.
absl::StatusOr<JsonNode> ParseJsonTree(const std::string& file, std::string_view text);

/// An error at a line of a file, in the form above.
absl::Status ErrorAt(std::string_view file, int line, std::string_view reason);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_JSON_TREE_H_
