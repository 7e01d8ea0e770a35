// One API's way of writing requests and replies. A dialect is one pair of files and one line in
// registry.cc.
#ifndef SONDE_DECODERS_DIALECTS_DIALECT_H_
#define SONDE_DECODERS_DIALECTS_DIALECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "decoders/dialects/facts.h"
#include "decoders/wire/http.h"
#include "decoders/wire/stamp.h"

namespace sonde::dialects {

/// Reads one exchange. Fed in order; state is bounded whatever the bodies' sizes. Not thread-safe.
class ExchangeReader {
 public:
  virtual ~ExchangeReader() = default;
  virtual void RequestBody(std::string_view bytes) = 0;
  virtual void RequestGap(uint64_t length) = 0;
  /// `end`: kComplete only if the body's last bytes were its last; then what stands behind a hole
  /// can be read from there.
  virtual void RequestEnd(wire::MessageEnd end = wire::MessageEnd::kComplete) = 0;
  virtual void ResponseHead(const wire::ResponseHead& head) = 0;
  virtual void ResponseBody(std::string_view bytes, wire::Stamp stamp) = 0;
  virtual void ResponseGap(uint64_t length) = 0;
  /// `end` tells whether the framing was complete.
  virtual void ResponseEnd(wire::MessageEnd end, wire::Stamp stamp) = 0;

  virtual const RequestFacts& request() const = 0;
  virtual const ResponseFacts& response() const = 0;
  /// Heap bytes held.
  virtual size_t MemoryBytes() const = 0;
};

/// What a call is, before its body is read. Static storage.
struct Dialect {
  std::string_view name;       ///< "openai.chat", "anthropic.messages".
  std::string_view operation;  ///< gen_ai.operation.name: "chat".
  std::string_view api_type;   ///< openai.api.type, or empty.
  /// Host-independent: method, path and headers.
  bool (*matches)(const wire::RequestHead& head);
  std::unique_ptr<ExchangeReader> (*open)(const wire::RequestHead& head);
  /// Whether the beginning of a reply's body, or a piece of its stream, is of this dialect; for
  /// replies whose requests were not seen.
  bool (*matches_reply)(std::string_view body);
};

/// The dialect of a request, or null when it is not a call to a model (then it is nobody's cost).
/// Pure; first match in registration order.
const Dialect* Recognize(const wire::RequestHead& head);

/// The dialect of a reply whose request was not seen, by some of its bytes; null when they do not
/// tell.
const Dialect* RecognizeReply(std::string_view body);

/// Whether `body` holds `"key":"value...` with or without a blank behind the colon.
bool HoldsMember(std::string_view body, std::string_view key, std::string_view value);

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_DIALECT_H_
