// Masks message text in bodies at equal length: what remains is valid JSON or SSE with the same
// structure, keys, numbers, ids, models and usage, and letters that say nothing. Blanks stay where
// they were and a character of n UTF-8 bytes becomes another of n bytes, so that estimates of
// tokens survive too.
#ifndef SONDE_AGENT_CAPTURE_FILE_TEXT_MASKER_H_
#define SONDE_AGENT_CAPTURE_FILE_TEXT_MASKER_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "agent/capture/file/head_masker.h"

namespace sonde::capture {

/// One JSON text, or several behind each other. What is no JSON is masked whole from there on.
class JsonTextMasker {
 public:
  /// `stream_end`: "[DONE]" is let through.
  explicit JsonTextMasker(bool stream_end = false) : stream_end_(stream_end) {}
  char Mask(char c);
  /// Forgets everything: the next byte begins a new text.
  void Reset() { *this = JsonTextMasker(stream_end_); }

 private:
  static constexpr int kDeepest = 64;
  /// What stands around a value.
  struct Frame {
    bool object = false;
    bool free_form = false;  ///< A user's own structure: no string in it is kept, no number either.
    bool named = false;      ///< Its "name" is that of a tool.
    bool error = false;      ///< Its "code" is the provider's.
    bool keep_strings = false;  ///< For lists under a kept key.
  };
  enum class State : uint8_t { kStructure, kKey, kText, kLiteral, kNumber, kBroken };
  enum class Escape : uint8_t { kNone, kBackslash, kHex };

  char MaskStructure(char c);
  char MaskNumber(char c);
  char MaskLiteral(char c);
  char MaskString(char c);
  char MaskHex(char c);
  char MaskUtf8(char c);
  void Open(bool object);
  bool Close(bool object);
  bool KeepsValue() const;
  Frame& top() { return frames_[static_cast<size_t>(depth_)]; }
  const Frame& top() const { return frames_[static_cast<size_t>(depth_)]; }

  bool stream_end_;
  State state_ = State::kStructure;
  Escape escape_ = Escape::kNone;
  bool expect_key_ = false;
  bool keep_ = false;  ///< The string being read is kept.
  bool first_in_list_ = false;
  std::array<Frame, kDeepest + 1> frames_{};
  int depth_ = 0;
  SmallText<32> key_;
  std::string_view literal_;  ///< What is left of true, false, null.
  uint8_t hex_left_ = 0;
  char hex_first_ = 0;
  char hex_second_ = 0;
  uint8_t utf8_left_ = 0;
  uint8_t utf8_size_ = 0;
};

/// An event stream whose data lines are JSON.
class SseTextMasker {
 public:
  char Mask(char c);

 private:
  enum class State : uint8_t { kField, kBlank, kData, kWord, kOther };
  State state_ = State::kField;
  bool line_is_empty_ = true;
  SmallText<8> field_;
  SmallText<64> word_;
  JsonTextMasker json_{true};
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_TEXT_MASKER_H_
