// A JSON body that may have holes: read forwards up to the first, and its last members backwards
// from its end.
#ifndef SONDE_DECODERS_DIALECTS_JSON_BODY_H_
#define SONDE_DECODERS_DIALECTS_JSON_BODY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "decoders/json/extractor.h"

namespace sonde::dialects {

class JsonBody {
 public:
  /// Kept of what follows the last hole. Members that begin earlier are lost.
  static constexpr size_t kTailBytes = size_t{32} * 1024;

  JsonBody(const json::Schema* schema, json::Handler* handler) : extractor_(schema, handler) {}

  void Feed(std::string_view bytes);
  void Gap();
  /// The body ended. Reads what stands behind the last hole, if the last bytes are the body's
  /// (`whole_end`). Returns whether the document was complete, or its members behind the hole were.
  bool Finish(bool whole_end);

  bool done() const { return extractor_.done() && !has_gap_; }
  bool failed() const { return extractor_.failed(); }
  /// Values that are reported now stand behind a hole.
  bool after_gap() const { return after_gap_; }
  size_t MemoryBytes() const;

 private:
  json::Extractor extractor_;
  bool has_gap_ = false;
  bool after_gap_ = false;
  std::string tail_;
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_JSON_BODY_H_
