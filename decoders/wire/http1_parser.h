// One direction of HTTP/1.x: message heads and body framing (RFC 9112 sections 2 to 7).
#ifndef SONDE_DECODERS_WIRE_HTTP1_PARSER_H_
#define SONDE_DECODERS_WIRE_HTTP1_PARSER_H_

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decoders/wire/chunked_body.h"
#include "decoders/wire/http.h"

namespace sonde::wire {

/// llhttp reads heads. Bodies are counted here, so that lost bytes inside them can be passed over.
class Http1Parser {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };

  struct Head {
    std::string method;  ///< Requests.
    std::string target;  ///< Requests.
    int status = 0;      ///< Responses.
    std::string version;
    std::vector<Header> headers;
    bool other_transfer_coding = false;  ///< Something besides chunked.
  };

  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnHead(const Head& head) = 0;
    /// Body bytes without their transfer coding.
    virtual void OnBody(std::string_view bytes) = 0;
  };

  enum class Status : uint8_t {
    kNeedMore,
    kMessageEnd,  ///< One message is complete; what follows was not looked at.
    kGarbled,     ///< Not HTTP, or past a limit. Reset() before the next Feed().
    kHttp2,       ///< The preface of HTTP/2.
  };
  struct Result {
    Status status;
    size_t consumed;
  };

  Http1Parser(Kind kind, size_t head_bytes, size_t header_count, Sink* sink);
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;

  /// The request that the next response answers, which decides whether it has a body.
  void Answers(bool head_request, bool connect_request) {
    answers_head_ = head_request;
    answers_connect_ = connect_request;
  }

  /// Reads up to the end of the current message.
  Result Feed(std::string_view bytes);
  /// Passes over lost bytes. Returns how many belong to the current body; fewer than `length` when
  /// it ended inside the hole. Zero when framing is lost with them.
  uint64_t Hole(uint64_t length);
  /// The body has come to its end by length after Hole().
  bool AtBodyEnd() const { return state_ == State::kLength && remaining_ == 0; }
  /// Forgets the current message.
  void Reset();

  /// A message's first byte was seen and its last was not.
  bool InMessage() const { return begun_ || state_ != State::kHead; }
  bool InHead() const { return state_ == State::kHead; }
  bool UntilClose() const { return state_ == State::kUntilClose; }
  size_t MemoryBytes() const;

 private:
  enum class State : uint8_t { kHead, kLength, kUntilClose, kChunked };
  enum class Part : uint8_t { kNone, kName, kValue };

  Result FeedLength(std::string_view bytes);
  Result FeedChunked(std::string_view bytes);
  Result FeedHead(std::string_view bytes);
  void ReadyForHead();
  bool Room(size_t bytes);
  int HeadersComplete();
  bool HasNoBody() const;
  void FinishMessage();

  static const llhttp_settings_t& Settings();
  static Http1Parser* Self(llhttp_t* parser) { return static_cast<Http1Parser*>(parser->data); }
  static int OnBegin(llhttp_t* parser);
  static int OnMethod(llhttp_t* parser, const char* at, size_t length);
  static int OnUrl(llhttp_t* parser, const char* at, size_t length);
  static int OnName(llhttp_t* parser, const char* at, size_t length);
  static int OnNameComplete(llhttp_t* parser);
  static int OnValue(llhttp_t* parser, const char* at, size_t length);
  static int OnHeadersComplete(llhttp_t* parser);
  static int OnMessageComplete(llhttp_t* parser);

  const Kind kind_;
  const size_t head_limit_;
  const size_t count_limit_;
  Sink* const sink_;
  llhttp_t llhttp_;
  State state_ = State::kHead;
  Part part_ = Part::kNone;
  bool begun_ = false;
  bool answers_head_ = false;
  bool answers_connect_ = false;
  size_t head_bytes_ = 0;   // Kept of the current head.
  size_t head_seen_ = 0;    // Read of the current head.
  uint64_t remaining_ = 0;  // Of a body of known length.
  ChunkedBody chunked_;
  Head head_;
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_HTTP1_PARSER_H_
