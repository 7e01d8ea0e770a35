// Length of text by script class, as it streams by.
#ifndef SONDE_DECODERS_JSON_TEXT_COUNTER_H_
#define SONDE_DECODERS_JSON_TEXT_COUNTER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sonde::json {

/// Counts UTF-8 text given in pieces cut anywhere. Constant memory; no text is kept.
class TextCounter {
 public:
  /// An ASCII run without a blank of at least so many bytes is not prose (base64, hashes).
  static constexpr uint64_t kLongRun = 40;

  void Add(std::string_view piece);
  /// The text ends here; what is added next is another one.
  void Break();

  uint64_t ascii_bytes() const { return ascii_; }
  uint64_t wide_characters() const { return wide_; }
  /// ASCII bytes in long runs, the open one included once it is long enough.
  uint64_t unbroken_run_bytes() const { return long_ + (run_ >= kLongRun ? run_ : 0); }

 private:
  void AddBlock(const char* bytes, size_t count);

  uint64_t ascii_ = 0;
  uint64_t wide_ = 0;
  uint64_t long_ = 0;  // In long runs that ended.
  uint64_t run_ = 0;   // The open run.
};

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_TEXT_COUNTER_H_
