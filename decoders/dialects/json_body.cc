#include "decoders/dialects/json_body.h"

#include <optional>

#include "decoders/json/tail.h"

namespace sonde::dialects {

void JsonBody::Feed(std::string_view bytes) {
  if (!has_gap_) {
    extractor_.Feed(bytes);
    return;
  }
  if (bytes.size() >= kTailBytes) {
    tail_.assign(bytes.substr(bytes.size() - kTailBytes));
    return;
  }
  if (tail_.size() + bytes.size() > kTailBytes) {
    tail_.erase(0, tail_.size() + bytes.size() - kTailBytes);
  }
  tail_.append(bytes);
}

void JsonBody::Gap() {
  has_gap_ = true;
  tail_.clear();
}

bool JsonBody::Finish(bool whole_end) {
  if (!has_gap_) return extractor_.Finish();
  const std::optional<size_t> members = whole_end ? json::FindLastMembers(tail_) : std::nullopt;
  bool complete = false;
  if (members) {
    after_gap_ = true;
    extractor_.Reset();
    extractor_.Feed("{");
    extractor_.Feed(std::string_view(tail_).substr(*members));
    complete = extractor_.Finish();
    after_gap_ = false;
  }
  tail_ = std::string();
  return complete;
}

size_t JsonBody::MemoryBytes() const {
  return extractor_.MemoryBytes() + (tail_.capacity() > 15 ? tail_.capacity() : 0);
}

}  // namespace sonde::dialects
