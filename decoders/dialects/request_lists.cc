#include "decoders/dialects/request_lists.h"

namespace sonde::dialects {

void AddBounded(std::vector<std::string>* list, std::string_view text, size_t bound) {
  if (text.empty() || list->size() >= bound) return;
  size_t bytes = text.size();
  for (const std::string& entry : *list) {
    if (entry == text) return;
    bytes += entry.size();
  }
  if (bytes <= kMaxListBytes) list->emplace_back(text);
}

std::string_view OutputTypeOf(std::string_view format) {
  if (format.substr(0, 4) == "json") return "json";
  return format == "text" ? "text" : "";
}

void CacheControl::OnTtl(const json::Scalar& scalar, RequestFacts* facts) {
  if (scalar.kind != json::Kind::kString) return;
  seen_ttl_ = true;
  (scalar.text == "1h" ? facts->asks_1h_cache : facts->asks_5m_cache) = true;
}

void CacheControl::OnEnd(RequestFacts* facts) {
  if (!seen_ttl_) facts->asks_5m_cache = true;
}

}  // namespace sonde::dialects
