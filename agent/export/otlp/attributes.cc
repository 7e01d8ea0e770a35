#include "agent/export/otlp/attributes.h"

#include <algorithm>
#include <cmath>

#include "agent/export/text.h"

namespace sonde::exporter {

void AttributeList::Text(Attribute attribute, std::string_view value) {
  if (value.empty()) return;
  AnyValue any;
  any.set_string_value(CleanUtf8(value, kAttributeBytes));
  Put(attribute, any);
}

void AttributeList::Texts(Attribute attribute, const std::vector<std::string>& values) {
  if (values.empty()) return;
  AnyValue any;
  const size_t count = std::min(values.size(), kAttributeItems);
  for (size_t i = 0; i < count; ++i) {
    any.mutable_array_value()->add_values()->set_string_value(
        CleanUtf8(values[i], kAttributeBytes));
  }
  Put(attribute, any);
}

void AttributeList::Integer(Attribute attribute, std::optional<int64_t> value) {
  if (!value) return;
  AnyValue any;
  any.set_int_value(*value);
  Put(attribute, any);
}

void AttributeList::Number(Attribute attribute, std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return;
  AnyValue any;
  any.set_double_value(*value);
  Put(attribute, any);
}

void AttributeList::Flag(Attribute attribute, bool value) {
  AnyValue any;
  any.set_bool_value(value);
  Put(attribute, any);
}

void AttributeList::Custom(std::string_view key, std::string_view value) {
  AnyValue any;
  any.set_string_value(CleanUtf8(value, kAttributeBytes));
  PutNamed(CleanUtf8(key, kAttributeBytes), any);
}

void AttributeList::Put(Attribute attribute, const AnyValue& value) {
  const Spelling spelling = SpellingOf(profile_, attribute);
  PutNamed(spelling.name, value);
  PutNamed(spelling.alias, value);
}

void AttributeList::PutNamed(std::string_view name, const AnyValue& value) {
  if (name.empty()) return;
  auto* attribute = target_->Add();
  attribute->set_key(name.data(), name.size());
  *attribute->mutable_value() = value;
}

}  // namespace sonde::exporter
