// Takes a few values out of a JSON document of any size, given in pieces, in constant memory.
#ifndef SONDE_DECODERS_JSON_EXTRACTOR_H_
#define SONDE_DECODERS_JSON_EXTRACTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "decoders/json/beginning.h"
#include "decoders/json/schema.h"

namespace sonde::json {

enum class Kind : uint8_t { kObject, kArray, kString, kNumber, kBool, kNull };

/// A string, number, bool or null at a wanted path.
struct Scalar {
  Kind kind = Kind::kNull;
  bool boolean = false;
  bool truncated = false;  ///< The string is longer than its path's limit.
  std::string_view text;   ///< The string unescaped, or the number as written. Lives for the call.
};

/// The number's value when it is a whole number that fits ("12", "12.0", "1.2e1").
std::optional<int64_t> ToInteger(const Scalar& scalar);
std::optional<double> ToDouble(const Scalar& scalar);

/// Receives wanted values in document order. A repeated key is reported again each time: the last
/// one is meant, as in JSON.parse and the SDKs, so a handler starts afresh at each OnStart and
/// overwrites at each OnScalar.
class Handler {
 public:
  virtual ~Handler() = default;
  /// An object or array begins, or ends, at a wanted path.
  virtual void OnStart(Tag, Kind) {}
  virtual void OnEnd(Tag, Kind) {}
  virtual void OnScalar(Tag, const Scalar&) {}
  /// A piece of a Strings::kText string; its end.
  virtual void OnText(Tag, std::string_view) {}
  virtual void OnTextEnd(Tag) {}
};

/// A resumable push parser. What nobody asks for is passed over without being looked into, to any
/// depth, with one counter; so mismatched brackets inside are not noticed. Strings are never
/// mistaken for structure. Invalid UTF-8 and raw control characters are let through; a byte order
/// mark and blanks around the document are ignored. Not thread-safe.
class Extractor {
 public:
  /// Both must outlive the extractor.
  Extractor(const Schema* schema, Handler* handler) : schema_(schema), handler_(handler) {
    Reset();
  }

  /// The documents to come are alike up to their text: a beginning that is the one before is told
  /// to the handler again without being read. Makes no difference but speed.
  void ExpectLikeBeginnings() { beginning_ = std::make_unique<Beginning>(); }

  /// Ready for another document.
  void Reset();
  void Feed(std::string_view bytes);
  /// No more bytes come: a number at the end of the input ends here. Returns whether the input was
  /// one whole document.
  bool Finish();

  /// The document is complete; only blanks may follow.
  bool done() const { return state_ == State::kDone; }
  /// The input is not JSON, or more than a document; nothing more is reported.
  bool failed() const { return state_ == State::kFailed || has_trailer_; }
  /// Something besides blanks and a byte order mark was seen.
  bool started() const { return state_ != State::kBegin; }

  size_t MemoryBytes() const {
    return (capture_.capacity() > 15 ? capture_.capacity() : 0) +
           (beginning_ ? sizeof(Beginning) : 0);
  }

 private:
  enum class State : uint8_t {
    kBegin,       // Before the document.
    kValue,       // A value must follow.
    kFirstValue,  // A value or "]".
    kFirstKey,    // A key or "}".
    kKey,         // A key must follow.
    kColon,
    kAfter,    // "," or a closing bracket.
    kKeyText,  // Inside a key.
    kString,   // Inside a string.
    kScalar,   // Inside a number or a literal.
    kSkip,     // Inside a container that nobody asks for.
    kDone,
    kFailed,
  };
  struct Frame {
    Schema::NodeIndex node = Schema::kNone;
    bool array = false;
  };
  /// What becomes of the string being read.
  enum class Use : uint8_t { kPass, kCapture, kText };

  const char* Step(const char* p, const char* end);
  const char* ReadBegin(const char* p, const char* end);
  const char* ReadValue(const char* p, const char* end);
  const char* ReadKey(const char* p, const char* end);
  const char* ReadAfter(const char* p);
  const char* ReadString(const char* p, const char* end);
  const char* ReadEscape(const char* p, const char* end);
  const char* ReadScalar(const char* p, const char* end);
  const char* Skip(const char* p, const char* end);
  const char* SkipBytes(const char* p, const char* end);
  size_t SkipBlock(const char* p);
  void EndSkip();

  const char* TakeBeginning(const char* p, const char* end);
  void KeepBeginning(const char* end);
  void Record(const Beginning::Step& step, std::string_view text);
  void TellStart(Tag tag, Kind kind);
  void TellEnd(Tag tag, Kind kind);
  void TellScalar(Tag tag, const Scalar& scalar);

  void BeginString();
  void EndString();
  void Piece(std::string_view piece);
  void FlushText();
  void UnescapedUnit(uint32_t unit);
  void EndSurrogate() {
    if (surrogate_ != 0) LoneSurrogate();
  }
  void LoneSurrogate();
  void PutSimpleEscape(char escaped);
  void EmitCodePoint(uint32_t code);
  void EndKey(std::string_view key);
  bool EndScalar(std::string_view text);
  const char* Open(char bracket, const char* p);
  void Close();
  void ValueDone();
  const char* Fail(const char* end) {
    state_ = State::kFailed;
    return end;
  }

  const Schema* const schema_;
  Handler* const handler_;
  State state_ = State::kBegin;
  Use use_ = Use::kPass;
  bool has_trailer_ = false;  // Something follows the document.
  bool in_key_ = false;
  bool truncated_ = false;
  bool skip_in_string_ = false;
  bool skip_escaped_ = false;
  bool skip_array_ = false;
  uint8_t escape_ = 0;  // 0 outside; 1 after a backslash; 2 to 5 hexadecimal digits awaited.
  uint8_t bom_bytes_ = 0;
  uint16_t unit_ = 0;       // The \u unit being read.
  uint16_t surrogate_ = 0;  // A high surrogate that waits for its low one.
  uint32_t limit_ = 0;
  Schema::NodeIndex node_ = Schema::kNone;  // Of the value that comes or is being read.
  size_t depth_ = 0;
  uint64_t skip_depth_ = 0;
  std::array<Frame, Schema::kMaxDepth + 1> frames_;
  std::string capture_;  // A captured string, key or number that is cut or escaped.
  std::unique_ptr<Beginning> beginning_;
  // Where the extractor stands at its end.
  std::array<Frame, Schema::kMaxDepth + 1> beginning_frames_;
  size_t beginning_depth_ = 0;
  Schema::NodeIndex beginning_node_ = Schema::kNone;
  const char* recorded_from_ = nullptr;  // The document's first byte, while its beginning is kept.
  uint16_t pending_bytes_ = 0;
  std::array<char, 256> pending_;  // Text between close escapes, joined to larger pieces.
};

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_EXTRACTOR_H_
