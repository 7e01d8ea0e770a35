// A list of OTLP attributes under construction. Names come from the table of names.
#ifndef SONDE_AGENT_EXPORT_OTLP_ATTRIBUTES_H_
#define SONDE_AGENT_EXPORT_OTLP_ATTRIBUTES_H_

#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/export/names.h"
#include "opentelemetry/proto/common/v1/common.pb.h"

namespace sonde::exporter {

inline constexpr size_t kAttributeBytes = 1024;  ///< Longest text of one value.
inline constexpr size_t kAttributeItems = 64;    ///< Most items of one list.

/// Every method leaves the attribute out when its value is absent, empty, not finite, or the
/// profile has no name for it; with an alias it is put twice.
class AttributeList {
 public:
  using Target = google::protobuf::RepeatedPtrField<opentelemetry::proto::common::v1::KeyValue>;

  /// `target` must outlive this.
  AttributeList(Profile profile, Target* target) : profile_(profile), target_(target) {}

  void Text(Attribute attribute, std::string_view value);
  void Texts(Attribute attribute, const std::vector<std::string>& values);
  void Integer(Attribute attribute, std::optional<int64_t> value);
  void Number(Attribute attribute, std::optional<double> value);
  void Flag(Attribute attribute, bool value);
  /// An attribute the user named.
  void Custom(std::string_view key, std::string_view value);

 private:
  using AnyValue = opentelemetry::proto::common::v1::AnyValue;
  void Put(Attribute attribute, const AnyValue& value);
  void PutNamed(std::string_view name, const AnyValue& value);

  Profile profile_;
  Target* target_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_ATTRIBUTES_H_
