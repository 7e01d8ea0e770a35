// Small parts that requests of several APIs have in common.
#ifndef SONDE_DECODERS_DIALECTS_REQUEST_LISTS_H_
#define SONDE_DECODERS_DIALECTS_REQUEST_LISTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decoders/dialects/facts.h"
#include "decoders/json/extractor.h"

namespace sonde::dialects {

inline constexpr size_t kMaxTools = 64;
inline constexpr size_t kMaxToolResults = 128;
inline constexpr size_t kMaxStopSequences = 16;

inline constexpr size_t kMaxListBytes = size_t{4} * 1024;  ///< Text of one list.
inline constexpr uint32_t kMaxIdBytes = 128;  ///< Of an id or a name; longer ones are cut.

/// Adds `text` unless it is empty, there already, or the list is full.
void AddBounded(std::vector<std::string>* list, std::string_view text, size_t bound);

/// "json" for "json_object" and "json_schema", "text" for "text", else empty.
std::string_view OutputTypeOf(std::string_view format);

/// Notes the lifetimes that cache_control objects ask for; 5m is the default.
class CacheControl {
 public:
  void OnStart() { seen_ttl_ = false; }
  void OnTtl(const json::Scalar& scalar, RequestFacts* facts);
  void OnEnd(RequestFacts* facts);

 private:
  bool seen_ttl_ = false;
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_REQUEST_LISTS_H_
