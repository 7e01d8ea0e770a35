// Server-sent events: the event stream format of the WHATWG HTML standard, section 9.2.
#ifndef SONDE_DECODERS_WIRE_SSE_H_
#define SONDE_DECODERS_WIRE_SSE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sonde::wire {

/// Receives events. The data of one event comes in pieces, so that an event of any size costs no
/// memory; an event that lies whole in one buffer on one line comes as one piece.
class SseHandler {
 public:
  virtual ~SseHandler() = default;
  /// A piece of the current event's data; the lines of one event are joined by "\n".
  virtual void OnEventData(std::string_view piece) = 0;
  /// The event is complete. `name`: its `event` field, cut to SseParser::kMaxNameBytes; empty means
  /// "message". `flushed`: the stream ended without the blank line. The standard drops such an
  /// event; SDKs hand it on.
  virtual void OnEvent(std::string_view name, bool flushed) = 0;
  /// The current event's pieces so far are to be dropped: bytes were lost inside it.
  virtual void OnEventDropped() = 0;
};

/// Incremental parser with constant memory. Lines end with "\n", "\r" or "\r\n". Not thread-safe.
///
/// State    | meaning
/// ---------+------------------------------------------------------------------------
/// kBom     | at the stream's first bytes: a byte order mark is passed over
/// kField   | reading a field's name
/// kSpace   | after the colon: one space is passed over
/// kValue   | reading a field's value
/// kSkip    | in a comment or an unknown field
/// kLost    | after lost bytes, until a blank line
class SseParser {
 public:
  static constexpr size_t kMaxNameBytes = 128;

  /// `handler` must outlive the parser.
  explicit SseParser(SseHandler* handler) : handler_(handler) {}

  void Feed(std::string_view bytes);
  /// Bytes of the stream were lost here: drops the event they may belong to.
  void Gap();
  /// The stream ended: hands on a last event that lacks its blank line.
  void Finish();

  size_t MemoryBytes() const { return name_.capacity() > 15 ? name_.capacity() : 0; }

 private:
  enum class State : uint8_t { kBom, kField, kSpace, kValue, kSkip, kLost };
  enum class Field : uint8_t { kOther, kData, kEvent };

  const char* FastLines(const char* p, const char* end);
  const char* Step(const char* p, const char* end);
  const char* ReadBom(const char* p, const char* end);
  const char* ReadField(const char* p, const char* end);
  const char* ReadValue(const char* p, const char* end);
  const char* SkipLost(const char* p, const char* end);
  void BeginValue();
  void Value(std::string_view piece);
  void EndLine(char terminator);
  void Dispatch(bool flushed);

  SseHandler* const handler_;
  State state_ = State::kBom;
  Field field_ = Field::kOther;
  bool skip_lf_ = false;     // The previous byte was "\r".
  bool has_data_ = false;    // The event has a data line.
  bool lost_blank_ = false;  // In kLost: the current line is empty so far and began after a break.
  uint8_t field_bytes_ = 0;
  uint8_t bom_bytes_ = 0;
  char field_name_[8] = {};
  std::string name_;
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_SSE_H_
