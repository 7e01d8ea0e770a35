// How providers write errors: an object or a string at "error", or loose members of the body.
#ifndef SONDE_DECODERS_DIALECTS_ERROR_FIELDS_H_
#define SONDE_DECODERS_DIALECTS_ERROR_FIELDS_H_

#include <string>
#include <string_view>

#include "decoders/dialects/facts.h"
#include "decoders/json/extractor.h"

namespace sonde::dialects {

inline constexpr size_t kErrorMessageBytes = 256;

/// Tags of the paths below in every reply's schema.
enum ErrorTag : json::Tag {
  kErrorTag = 1,
  kErrorTypeTag,
  kErrorCodeTag,
  kErrorMessageTag,
  kErrorStatusTag,
  kErrorDetailCodeTag,
  kErrorMetadataTypeTag,
  kLooseTypeTag,
  kLooseCodeTag,
  kLooseMessageTag,
  kLooseDetailTag,
  kLooseDetailMessageTag,
  kFirstDialectTag = 16,
};

/// The part of a reply's schema that ErrorFields reads.
json::Paths ErrorPaths();

/// The error members of one document.
class ErrorFields {
 public:
  void Clear() {
    if (touched_) *this = ErrorFields();
  }
  void OnStart(json::Tag tag);
  /// Returns whether the tag was one of ErrorTag.
  bool OnScalar(json::Tag tag, const json::Scalar& scalar);

  /// The document has an "error" that is not null.
  bool present() const { return present_; }
  /// What the document says, as an error. `loose`: also from members outside "error".
  ErrorFacts Facts(bool loose) const;

 private:
  bool present_ = false;
  bool touched_ = false;  ///< Something was set since the last Clear().
  std::string type_, code_, message_, detail_code_;
  std::string loose_type_, loose_code_, loose_message_;
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_ERROR_FIELDS_H_
