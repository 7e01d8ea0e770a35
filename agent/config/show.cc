#include "agent/config/show.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/config/fields.h"
#include "agent/config/kinds.h"

namespace sonde::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kHidden[] = "********";

/// The largest unit that leaves a whole number.
std::string ShowBytes(uint64_t count) {
  static constexpr const char* kUnits[] = {"", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (unit < 4 && count != 0 && count % 1024 == 0) {
    count /= 1024;
    ++unit;
  }
  return absl::StrCat(count, kUnits[unit]);
}

/// A value as JSON has it; also what a default is in the schema.
struct ToJson {
  Json out = Json::object();

  template <class T>
  void operator()(const char* name, const T& member, const char* /*meaning*/, Bounds = {}) {
    if constexpr (kIsOptional<T>) {
      if (member) out[name] = Value(*member);  // There is no text for "not given".
    } else {
      out[name] = Value(member);
    }
  }

  template <class T>
  static Json Value(const T& value) {
    if constexpr (std::is_same_v<T, absl::Duration>) {
      return absl::FormatDuration(value);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return ShowBytes(value.count);
    } else if constexpr (std::is_same_v<T, Secret>) {
      return value.value.empty() ? "" : kHidden;
    } else if constexpr (std::is_enum_v<T>) {
      return Words<T>::kAll[static_cast<size_t>(value)];
    } else if constexpr (kIsList<T>) {
      Json list = Json::array();
      for (const auto& element : value) list.push_back(Value(element));
      return list;
    } else if constexpr (kIsTable<T>) {
      Json table = Json::object();
      for (const auto& [key, element] : value) table[key] = Value(element);
      return table;
    } else if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>) {
      ToJson inner;
      Fields(inner, value);
      return inner.out;
    } else {
      return value;
    }
  }
};

void Emit(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, element] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      Emit(out, element);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& element : value) Emit(out, element);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else {
    out << value.dump();
  }
}

struct ToSchema {
  Json properties = Json::object();

  template <class T>
  void operator()(const char* name, const T& member, const char* meaning, Bounds bounds = {}) {
    Json schema = Of(member, bounds);
    schema["description"] = meaning;
    if constexpr (!kIsOptional<T>) {
      if (!schema.contains("properties")) schema["default"] = ToJson::Value(member);
    }
    properties[name] = std::move(schema);
  }

  template <class T>
  static Json Of(const T& value, const Bounds& bounds) {
    if constexpr (std::is_same_v<T, bool>) {
      return {{"type", "boolean"}};
    } else if constexpr (std::is_same_v<T, uint32_t> || std::is_same_v<T, double>) {
      Json schema = {{"type", std::is_same_v<T, double> ? "number" : "integer"}};
      schema["minimum"] = Plain(bounds.least);
      if (bounds.most != Bounds{}.most) schema["maximum"] = Plain(bounds.most);
      return schema;
    } else if constexpr (std::is_same_v<T, absl::Duration>) {
      return {{"type", "string"}, {"pattern", R"(^([0-9.]+(h|m|s|ms|us|ns))+$)"}};
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return {{"type", {"string", "integer"}}, {"pattern", "^[0-9]+([kKmMgGtT]([iI][bB])?)?$"}};
    } else if constexpr (std::is_enum_v<T>) {
      Json schema;
      for (const std::string_view word : Words<T>::kAll) schema["enum"].push_back(word);
      return schema;
    } else if constexpr (kIsOptional<T>) {
      return Of(typename T::value_type{}, bounds);
    } else if constexpr (kIsList<T>) {
      return {{"type", "array"}, {"items", Of(typename T::value_type{}, {})}};
    } else if constexpr (kIsTable<T>) {
      return {{"type", "object"}, {"additionalProperties", Of(typename T::mapped_type{}, {})}};
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Secret>) {
      return {{"type", "string"}};
    } else {
      ToSchema inner;
      Fields(inner, value);
      return {{"type", "object"},
              {"additionalProperties", false},
              {"properties", std::move(inner.properties)}};
    }
  }

  /// Whole numbers without a fraction.
  static Json Plain(double value) {
    const auto whole = static_cast<int64_t>(value);
    return static_cast<double>(whole) == value ? Json(whole) : Json(value);
  }
};

}  // namespace

std::string ShowConfig(const Config& config) {
  YAML::Emitter out;
  Emit(out, ToJson::Value(config));
  return absl::StrCat(out.c_str(), "\n");
}

std::string ConfigSchema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "Configuration of sonde agent"}};
  schema.update(ToSchema::Of(Config{}, {}));
  return schema.dump(2) + "\n";
}

}  // namespace sonde::config
