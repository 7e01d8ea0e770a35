// How documents that follow one another begin: the events of a stream repeat ids and names up to
// their text, so what one beginning said is said again without reading it again.
#ifndef SONDE_DECODERS_JSON_BEGINNING_H_
#define SONDE_DECODERS_JSON_BEGINNING_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "decoders/json/schema.h"

namespace sonde::json {

/// The bytes of a document up to its first wanted text, and what a handler was told in them.
/// Constant memory.
class Beginning {
 public:
  static constexpr size_t kMaxBytes = 512;
  static constexpr size_t kMaxSteps = 24;

  enum class Told : uint8_t { kStart, kEnd, kScalar };
  struct Step {
    Told told = Told::kStart;
    uint8_t kind = 0;
    bool boolean = false;
    bool truncated = false;
    Tag tag = 0;
    uint16_t at = 0;    ///< Of a scalar's text.
    uint16_t size = 0;  ///< ... and its length.
  };

  /// Whether a document that begins so begins like the one that was kept.
  bool Starts(std::string_view document) {
    const bool same =
        size_ != 0 && document.size() > size_ && memcmp(document.data(), bytes_, size_) == 0;
    ++(same ? hits_ : misses_);
    return same;
  }
  /// False once it has turned out that beginnings differ: then keeping them is no use.
  bool Pays() const { return misses_ < kTrials || misses_ / 2 < hits_; }

  void Clear() { size_ = steps_ = texts_ = 0; }
  /// False when there is no room: the beginning is then not kept.
  bool Add(Step step, std::string_view text) {
    if (steps_ == kMaxSteps || texts_ + text.size() > kMaxBytes) return false;
    step.at = static_cast<uint16_t>(texts_);
    step.size = static_cast<uint16_t>(text.size());
    text.copy(text_ + texts_, text.size());
    texts_ += text.size();
    told_[steps_++] = step;
    return true;
  }
  void Keep(std::string_view bytes) {
    if (bytes.size() > kMaxBytes) return;
    size_ = bytes.size();
    memcpy(bytes_, bytes.data(), size_);
  }

  size_t size() const { return size_; }
  const Step* begin() const { return told_; }
  const Step* end() const { return told_ + steps_; }
  std::string_view text(const Step& step) const { return {text_ + step.at, step.size}; }

 private:
  static constexpr uint64_t kTrials = 16;

  size_t size_ = 0;  // 0: nothing is kept.
  size_t steps_ = 0;
  size_t texts_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  Step told_[kMaxSteps];
  char bytes_[kMaxBytes];
  char text_[kMaxBytes];
};

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_BEGINNING_H_
