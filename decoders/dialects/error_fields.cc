#include "decoders/dialects/error_fields.h"

namespace sonde::dialects {
namespace {

void SetIfEmpty(std::string* field, std::string_view value) {
  if (field->empty()) *field = value;
}

}  // namespace

json::Paths ErrorPaths() {
  return {
      {"error", kErrorTag},
      {"error.type", kErrorTypeTag},
      {"error.code", kErrorCodeTag},
      {"error.message", kErrorMessageTag},
      {"error.status", kErrorStatusTag},
      {"error.details.error_code", kErrorDetailCodeTag},
      {"error.metadata.error_type", kErrorMetadataTypeTag},
      {"type", kLooseTypeTag},
      {"code", kLooseCodeTag},
      {"message", kLooseMessageTag},
      {"detail", kLooseDetailTag},
      {"detail[].msg", kLooseDetailMessageTag},
  };
}

void ErrorFields::OnStart(json::Tag tag) {
  if (tag != kErrorTag) return;
  touched_ = true;
  present_ = true;
  type_.clear();
  code_.clear();
  message_.clear();
  detail_code_.clear();
}

bool ErrorFields::OnScalar(json::Tag tag, const json::Scalar& scalar) {
  if (tag < kErrorTag || tag >= kFirstDialectTag) return false;
  touched_ = true;
  const bool has_text = scalar.kind == json::Kind::kString || scalar.kind == json::Kind::kNumber;
  const std::string_view text = has_text ? scalar.text : std::string_view();
  switch (tag) {
    case kErrorTag:
      OnStart(tag);
      present_ = !text.empty() || (scalar.kind == json::Kind::kBool && scalar.boolean);
      message_ = text;
      break;
    case kErrorTypeTag:
      type_ = text;
      break;
    case kErrorStatusTag:
    case kErrorMetadataTypeTag:
      SetIfEmpty(&type_, text);
      break;
    case kErrorCodeTag:
      code_ = text;
      break;
    case kErrorDetailCodeTag:
      detail_code_ = text;
      break;
    case kErrorMessageTag:
      message_ = text;
      break;
    case kLooseTypeTag:
      loose_type_ = text;
      break;
    case kLooseCodeTag:
      loose_code_ = text;
      break;
    case kLooseMessageTag:
      loose_message_ = text;
      break;
    case kLooseDetailTag:
    case kLooseDetailMessageTag:
      SetIfEmpty(&loose_message_, text);
      break;
    default:
      break;
  }
  return true;
}

ErrorFacts ErrorFields::Facts(bool loose) const {
  ErrorFacts facts;
  facts.present = true;
  facts.type = type_;
  facts.code = code_.empty() ? detail_code_ : code_;
  facts.message = message_;
  if (loose && !present_) {
    if (loose_type_ != "error") facts.type = loose_type_;
    facts.code = loose_code_;
    facts.message = loose_message_;
  }
  return facts;
}

}  // namespace sonde::dialects
