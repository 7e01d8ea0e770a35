// One direction of one connection: follows HTTP/1.x messages to know which bytes are heads, and
// says for every byte what may be stored.
//
//   state      bytes that fit                  bytes that do not    a hole
//   kStart     head -> kHead, TLS -> kHello    -> kLost             -> kLost
//   kHead      ... end -> body or kStart       -> kLost             -> kLost
//   kLength    n bytes, then kStart                                 stays while it fits the length
//   kChunk*    by chunk, then kTrailer         -> kLost             stays inside one chunk's data
//   kUntilEnd  all                                                  stays
//   kHello     one TLS record                                       -> kOpaque
//   kLost      dropped; an event that begins with a whole start line -> kHead
//   kOpaque    dropped for good (HTTP/2, TLS)
#ifndef SONDE_AGENT_CAPTURE_FILE_DIRECTION_MASKER_H_
#define SONDE_AGENT_CAPTURE_FILE_DIRECTION_MASKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/capture/file/head_masker.h"
#include "agent/capture/file/text_masker.h"

namespace sonde::capture {

/// Bytes of an event that are stored, or of which only the length is.
struct Segment {
  size_t length = 0;
  bool kept = false;
};

struct MaskCounters {
  uint64_t dropped_bytes = 0;    ///< Seen, but stored as lengths: nobody could say what they are.
  uint64_t lost_directions = 0;  ///< Times that a direction could no longer be followed.
  uint64_t evicted = 0;          ///< Connections forgotten because too many were open.
};

/// Methods of requests whose replies have no body, in the order of the requests.
struct PendingMethods {
  static constexpr size_t kMost = 64;
  std::vector<bool> bodiless;  ///< HEAD.
  std::vector<bool> tunnel;    ///< CONNECT.
};

class DirectionMasker {
 public:
  struct Options {
    bool text = false;    ///< Mask the text of bodies.
    bool socket = false;  ///< Bytes of a socket: TLS is possible.
    bool from_start = false;
  };
  DirectionMasker(const Options& options, PendingMethods* methods, MaskCounters* counters)
      : options_(options), methods_(methods), counters_(counters) {
    state_ = options.from_start ? State::kStart : State::kLost;
  }

  /// Whether Feed would leave these bytes as they are.
  bool KeepsAll(std::string_view bytes) const;
  /// Counts bytes for which KeepsAll is true.
  void Skip(size_t length) {
    if (state_ != State::kUntilEnd) left_ -= length;
  }
  /// The bytes of one event, changed in place; segments are appended.
  void Feed(std::string* bytes, std::vector<Segment>* segments);
  /// Bytes that were not seen.
  void Hole(uint64_t length);
  /// From here on the order of bytes is not known.
  void Lose();

 private:
  enum class State : uint8_t {
    kStart,
    kHead,
    kLength,
    kUntilEnd,
    kChunkSize,
    kChunkSizeEnd,
    kChunkExtension,
    kChunkData,
    kChunkEnd,
    kTrailer,
    kPreface,
    kHello,
    kLost,
    kOpaque,
  };
  enum class Body : uint8_t { kPlain, kJson, kEventStream, kUnknown, kDropped };

  void Classify(std::string_view rest);
  bool FeedHead(std::string* bytes, size_t* at);
  void EndHead();
  void BeginBody();
  bool FeedBody(std::string* bytes, size_t* at, std::vector<Segment>* segments);
  bool FeedChunkFraming(char c);
  void MaskBody(std::string* bytes, size_t begin, size_t end, std::vector<Segment>* segments);
  void MaskEmbeddedHead(std::string* bytes, size_t at) const;
  void Push(size_t length, bool kept, std::vector<Segment>* segments);
  void EndMessage();

  Options options_;
  PendingMethods* methods_;
  MaskCounters* counters_;
  State state_;
  Body body_ = Body::kPlain;
  HeadMasker head_;
  uint64_t left_ = 0;  ///< Of a body, a chunk, a preface or a TLS record.
  uint8_t size_digits_ = 0;
  uint32_t extension_bytes_ = 0;
  uint8_t hello_bytes_ = 0;
  std::unique_ptr<JsonTextMasker> json_;
  std::unique_ptr<SseTextMasker> sse_;
};

/// Whether an event's bytes begin with a whole HTTP/1.x start line.
bool BeginsWithStartLine(std::string_view bytes);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_DIRECTION_MASKER_H_
