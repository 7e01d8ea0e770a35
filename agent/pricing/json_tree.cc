#include "agent/pricing/json_tree.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::pricing {
namespace {

using Json = nlohmann::json;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

/// Where the parser is. It reads one character beyond a number, so both lines are kept.
struct Position {
  int line = 1;           ///< Of the last character read.
  int previous_line = 1;  ///< Of the one before it.
  bool after_newline = false;

  void Read(char c) {
    previous_line = line;
    if (after_newline) ++line;
    after_newline = c == '\n';
  }
};

/// Hands characters to the parser and counts lines as they go.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Position* position) : at_(at), position_(position) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    position_->Read(*at_);
    ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Position* position_;
};

/// Builds the tree. `open_` are the containers around the next value; pointers stay valid because
/// only the innermost container grows.
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  TreeBuilder(const Position& position, JsonNode* root) : position_(position), root_(root) {}

  int error_line() const { return error_line_; }
  const std::string& error() const { return error_; }

  bool null() override { return Add(JsonNode::Kind::kNull, position_.line) != nullptr; }
  bool boolean(bool value) override {
    JsonNode* node = Add(JsonNode::Kind::kBool, position_.line);
    if (node != nullptr) node->flag = value;
    return node != nullptr;
  }
  bool number_integer(number_integer_t value) override { return Number(absl::StrCat(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Number(absl::StrCat(value)); }
  bool number_float(number_float_t, const string_t& token) override { return Number(token); }
  bool string(string_t& value) override {
    JsonNode* node = Add(JsonNode::Kind::kString, position_.line);
    if (node != nullptr) node->text = std::move(value);
    return node != nullptr;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(JsonNode::Kind::kObject); }
  bool start_array(size_t) override { return Open(JsonNode::Kind::kArray); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    std::vector<JsonMember>& members = open_.back()->members;
    const auto same = std::find_if(members.begin(), members.end(),
                                   [&](const JsonMember& m) { return m.key == name; });
    if (same != members.end()) {
      return Fail(position_.line,
                  absl::StrCat("\"", name, "\" is written twice, first in line ", same->line));
    }
    if (members.size() >= kMaxBookMembers) return Fail(position_.line, "too many keys");
    members.push_back({.key = std::move(name), .line = position_.line, .value = {}});
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    if (!error_.empty()) return false;
    // "[json.exception.parse_error.101] parse error at line 1, column 2: what": keep the last part.
    std::string_view what = error.what();
    const size_t colon = what.find(": ");
    if (colon != std::string_view::npos) what.remove_prefix(colon + 2);
    std::string message = absl::StrCat("not valid JSON: ", Absl(what.substr(0, 200)));
    std::replace_if(
        message.begin(), message.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return Fail(position_.line, message);
  }

 private:
  bool Fail(int line, std::string reason) {
    error_line_ = line;
    error_ = std::move(reason);
    return false;
  }

  JsonNode* Add(JsonNode::Kind kind, int line) {
    JsonNode* slot = root_;
    if (!open_.empty()) {
      JsonNode* parent = open_.back();
      if (parent->items.size() >= kMaxBookItems) {
        Fail(line, "too many entries in one list");
        return nullptr;
      }
      slot = parent->kind == JsonNode::Kind::kArray ? &parent->items.emplace_back()
                                                    : &parent->members.back().value;
    }
    slot->kind = kind;
    slot->line = line;
    return slot;
  }

  /// The parser has read one character beyond the number.
  bool Number(std::string token) {
    JsonNode* node = Add(JsonNode::Kind::kNumber, position_.previous_line);
    if (node != nullptr) node->text = std::move(token);
    return node != nullptr;
  }

  bool Open(JsonNode::Kind kind) {
    if (open_.size() >= static_cast<size_t>(kMaxBookDepth)) {
      return Fail(position_.line, "nested too deeply");
    }
    JsonNode* node = Add(kind, position_.line);
    if (node != nullptr) open_.push_back(node);
    return node != nullptr;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  const Position& position_;
  JsonNode* root_;
  std::vector<JsonNode*> open_;
  int error_line_ = 1;
  std::string error_;
};

}  // namespace

const JsonNode* JsonNode::Find(std::string_view key) const {
  for (const JsonMember& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string_view KindName(JsonNode::Kind kind) {
  switch (kind) {
    case JsonNode::Kind::kNull:
      return "null";
    case JsonNode::Kind::kBool:
      return "true or false";
    case JsonNode::Kind::kNumber:
      return "a number";
    case JsonNode::Kind::kString:
      return "a text";
    case JsonNode::Kind::kArray:
      return "a list";
    case JsonNode::Kind::kObject:
      return "an object";
  }
  return "unknown";
}

absl::Status ErrorAt(std::string_view file, int line, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(Absl(file), ":", line, ": ", Absl(reason)));
}

absl::StatusOr<JsonNode> ParseJsonTree(const std::string& file, std::string_view text) {
  if (text.size() > kMaxBookBytes) {
    return ErrorAt(file, 1, absl::StrCat("larger than ", kMaxBookBytes >> 20, " MiB"));
  }
  Position position;
  JsonNode root;
  TreeBuilder builder(position, &root);
  const CountingIterator begin(text.data(), &position);
  const CountingIterator end(text.data() + text.size(), &position);
  if (!Json::sax_parse(begin, end, &builder)) {
    const std::string& error = builder.error();
    return ErrorAt(file, builder.error_line(), error.empty() ? "not valid JSON" : error);
  }
  return root;
}

}  // namespace sonde::pricing
