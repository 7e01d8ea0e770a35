#include "agent/config/read.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "agent/config/check.h"
#include "agent/config/fields.h"
#include "agent/config/kinds.h"
#include "agent/text/nearest.h"

namespace sonde::config {
namespace {

using Lines = std::map<std::string, int>;

/// What one reading of a file shares.
struct Reading {
  Lookup environment;
  Problems problems;
  Lines lines;  ///< Of every key that was met.

  void Fail(const std::string& path, const YAML::Node& node, std::string text) {
    problems.Add({true, path, node.Mark().line + 1, std::move(text)});
  }
};

std::string KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Scalar:
      return absl::StrCat("\"", node.Scalar().substr(0, 60), "\"");
    default:
      return "nothing";
  }
}

/// Text with its ${env:NAME} replaced; nothing after telling what is wrong.
std::optional<std::string> Text(Reading& reading, const std::string& path, const YAML::Node& node) {
  if (!node.IsScalar()) {
    reading.Fail(path, node, absl::StrCat("expects text, found ", KindOf(node)));
    return std::nullopt;
  }
  static constexpr std::string_view kOpen = "${env:";
  const std::string& scalar = node.Scalar();
  std::string out;
  size_t at = 0;
  for (;;) {
    const size_t open = scalar.find(kOpen, at);
    if (open == std::string::npos) return out + scalar.substr(at);
    const size_t close = scalar.find('}', open);
    if (close == std::string::npos) {
      reading.Fail(path, node, "\"${env:\" without its \"}\"");
      return std::nullopt;
    }
    const std::string name = scalar.substr(open + kOpen.size(), close - open - kOpen.size());
    const char* value = reading.environment(name.c_str());
    if (value == nullptr) {
      reading.Fail(path, node, absl::StrCat("the environment has no variable ", name));
      return std::nullopt;
    }
    out += scalar.substr(at, open - at) + value;
    at = close + 1;
  }
}

std::string Number(double value) { return absl::StrFormat("%.15g", value); }

bool Within(Reading& reading, const std::string& path, const YAML::Node& node, double value,
            const Bounds& bounds, std::string_view unit) {
  if (value >= bounds.least && value <= bounds.most) return true;
  reading.Fail(path, node,
               bounds.most == Bounds{}.most
                   ? absl::StrCat("must be at least ", Number(bounds.least), std::string(unit))
                   : absl::StrCat("must be from ", Number(bounds.least), " to ",
                                  Number(bounds.most), std::string(unit)));
  return false;
}

template <class T>
void Read(Reading& reading, const std::string& path, const YAML::Node& node, T& out,
          const Bounds& bounds);

/// Visits the keys of one mapping.
class MapReader {
 public:
  MapReader(Reading& reading, std::string path, const YAML::Node& node)
      : reading_(reading), path_(std::move(path)), node_(node) {}

  template <class T>
  void operator()(const char* name, T& member, const char* /*meaning*/, Bounds bounds = {}) {
    known_.emplace_back(name);
    const YAML::Node value = node_[name];
    if (!value.IsDefined() || value.IsNull()) return;  // "key:" alone leaves the default.
    const std::string path = path_.empty() ? name : absl::StrCat(path_, ".", name);
    reading_.lines[path] = value.Mark().line + 1;
    Read(reading_, path, value, member, bounds);
  }

  /// After the visit: keys nobody asked for, and keys said twice.
  void CheckKeys() const {
    std::set<std::string> met;
    for (const auto& entry : node_) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
      if (!met.insert(key).second) {
        reading_.Fail(path_, entry.first, absl::StrCat("\"", key, "\" is said twice"));
      } else if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        reading_.Fail(path_, entry.first,
                      absl::StrCat("unknown key \"", key, "\"", text::DidYouMean(key, known_)));
      }
    }
  }

 private:
  Reading& reading_;
  std::string path_;
  const YAML::Node node_;
  std::vector<std::string_view> known_;
};

void ReadBool(Reading& reading, const std::string& path, const YAML::Node& node, bool& out) {
  const std::string word = node.IsScalar() ? absl::AsciiStrToLower(node.Scalar()) : "";
  if (word == "true" || word == "false") {
    out = word == "true";
  } else {
    reading.Fail(path, node, absl::StrCat("expects true or false, found ", KindOf(node)));
  }
}

void ReadInteger(Reading& reading, const std::string& path, const YAML::Node& node, uint32_t& out,
                 const Bounds& bounds) {
  int64_t value = 0;
  if (!node.IsScalar() || !absl::SimpleAtoi(node.Scalar(), &value)) {
    reading.Fail(path, node, absl::StrCat("expects a whole number, found ", KindOf(node)));
  } else if (Within(reading, path, node, static_cast<double>(value),
                    {bounds.least, std::min(bounds.most, 4294967295.0)}, "")) {
    out = static_cast<uint32_t>(value);
  }
}

void ReadNumber(Reading& reading, const std::string& path, const YAML::Node& node, double& out,
                const Bounds& bounds) {
  double value = 0;
  if (!node.IsScalar() || !absl::SimpleAtod(node.Scalar(), &value) || !std::isfinite(value)) {
    reading.Fail(path, node, absl::StrCat("expects a number, found ", KindOf(node)));
  } else if (Within(reading, path, node, value, bounds, "")) {
    out = value;
  }
}

void ReadDuration(Reading& reading, const std::string& path, const YAML::Node& node,
                  absl::Duration& out, const Bounds& bounds) {
  absl::Duration value;
  if (!node.IsScalar() || !absl::ParseDuration(node.Scalar(), &value)) {
    reading.Fail(path, node,
                 absl::StrCat("expects a duration such as 500ms, 10s or 5m, found ", KindOf(node)));
  } else if (Within(reading, path, node, absl::ToDoubleSeconds(value), bounds, " seconds")) {
    out = value;
  }
}

void ReadBytes(Reading& reading, const std::string& path, const YAML::Node& node, Bytes& out,
               const Bounds& bounds) {
  uint64_t value = 0;
  if (!node.IsScalar() || !ParseBytes(node.Scalar(), &value)) {
    reading.Fail(path, node,
                 absl::StrCat("expects a size such as 64KiB or 16MiB, found ", KindOf(node)));
  } else if (Within(reading, path, node, static_cast<double>(value), bounds, " bytes")) {
    out.count = value;
  }
}

template <class E>
void ReadWord(Reading& reading, const std::string& path, const YAML::Node& node, E& out) {
  const auto& words = Words<E>::kAll;
  const auto found =
      node.IsScalar() ? std::find(words.begin(), words.end(), node.Scalar()) : words.end();
  if (found == words.end()) {
    reading.Fail(
        path, node,
        absl::StrCat("expects one of ",
                     absl::StrJoin(std::vector<std::string>(words.begin(), words.end()), ", "),
                     "; found ", KindOf(node)));
  } else {
    out = static_cast<E>(found - words.begin());
  }
}

template <class T>
void ReadList(Reading& reading, const std::string& path, const YAML::Node& node,
              std::vector<T>& out) {
  if (!node.IsSequence()) {
    reading.Fail(path, node, absl::StrCat("expects a list, found ", KindOf(node)));
    return;
  }
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string place = absl::StrCat(path, "[", i, "]");
    reading.lines[place] = node[i].Mark().line + 1;
    Read(reading, place, node[i], out.emplace_back(), {});
  }
}

template <class T>
void ReadTable(Reading& reading, const std::string& path, const YAML::Node& node,
               std::map<std::string, T>& out) {
  if (!node.IsMap()) {
    reading.Fail(path, node, absl::StrCat("expects a mapping, found ", KindOf(node)));
    return;
  }
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (out.contains(key)) {
      reading.Fail(path, entry.first, absl::StrCat("\"", key, "\" is said twice"));
      continue;
    }
    const std::string place = absl::StrCat(path, ".", key);
    reading.lines[place] = entry.second.Mark().line + 1;
    Read(reading, place, entry.second, out[key], {});
  }
}

template <class T>
void Read(Reading& reading, const std::string& path, const YAML::Node& node, T& out,
          const Bounds& bounds) {
  if constexpr (std::is_same_v<T, bool>) {
    ReadBool(reading, path, node, out);
  } else if constexpr (std::is_same_v<T, uint32_t>) {
    ReadInteger(reading, path, node, out, bounds);
  } else if constexpr (std::is_same_v<T, double>) {
    ReadNumber(reading, path, node, out, bounds);
  } else if constexpr (std::is_same_v<T, absl::Duration>) {
    ReadDuration(reading, path, node, out, bounds);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    ReadBytes(reading, path, node, out, bounds);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (auto text = Text(reading, path, node)) out = *std::move(text);
  } else if constexpr (std::is_same_v<T, Secret>) {
    if (auto text = Text(reading, path, node)) out.value = *std::move(text);
  } else if constexpr (std::is_enum_v<T>) {
    ReadWord(reading, path, node, out);
  } else if constexpr (kIsOptional<T>) {
    Read(reading, path, node, out.emplace(), bounds);
  } else if constexpr (kIsList<T>) {
    ReadList(reading, path, node, out);
  } else if constexpr (kIsTable<T>) {
    ReadTable(reading, path, node, out);
  } else if (!node.IsMap()) {
    reading.Fail(path, node, absl::StrCat("expects a mapping, found ", KindOf(node)));
  } else {
    MapReader reader(reading, path, node);
    Fields(reader, out);
    reader.CheckKeys();
  }
}

/// Line of the key, or of the nearest thing around it that stands in the file.
int LineOf(const Lines& lines, std::string path) {
  while (!path.empty()) {
    if (const auto found = lines.find(path); found != lines.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return 0;
}

}  // namespace

Loaded ReadConfig(const std::string& text, Lookup environment) {
  Reading reading{environment, {}, {}};
  auto config = std::make_shared<Config>();
  try {
    if (text.size() > kMostBytes) {
      reading.problems.Add({true, "", 0, absl::StrCat("larger than ", kMostBytes, " bytes")});
    } else {
      const std::vector<YAML::Node> documents = YAML::LoadAll(text);
      if (documents.size() > 1) {
        reading.problems.Add({true, "", documents[1].Mark().line + 1, "more than one document"});
      } else if (!documents.empty() && !documents[0].IsNull()) {
        Read(reading, "", documents[0], *config, {});
      }
    }
  } catch (const YAML::Exception& error) {
    reading.problems.Add({true, "", error.mark.line + 1, absl::StrCat("no YAML: ", error.msg)});
  }
  // What a wrong value left at its default would only be told a second time.
  if (!reading.problems.fatal()) {
    Check(*config, [&reading](Problem problem) {
      problem.line = LineOf(reading.lines, problem.path);
      reading.problems.Add(std::move(problem));
    });
  }
  Loaded loaded;
  if (!reading.problems.fatal()) loaded.config = std::move(config);
  loaded.problems = std::move(reading.problems);
  return loaded;
}

Loaded LoadConfig(const std::string& path, Lookup environment) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || file.bad()) {
    Loaded loaded;
    loaded.problems.Add({true, "", 0, "cannot be read; does it exist, and may this user read it?"});
    return loaded;
  }
  return ReadConfig(text.str(), environment);
}

bool ParseBytes(std::string_view text, uint64_t* count) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) {
    ++digits;
  }
  std::string unit = absl::AsciiStrToLower(std::string(text.substr(digits)));
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  static const std::map<std::string, int> kShifts = {
      {"", 0}, {"k", 10}, {"m", 20}, {"g", 30}, {"t", 40}};
  const auto shift = kShifts.find(unit);
  uint64_t value = 0;
  if (shift == kShifts.end() || !absl::SimpleAtoi(std::string(text.substr(0, digits)), &value) ||
      value > (~uint64_t{0} >> shift->second)) {
    return false;
  }
  *count = value << shift->second;
  return true;
}

}  // namespace sonde::config
