// Takes credentials, and on request message text, out of events before anything is stored.
#ifndef SONDE_AGENT_CAPTURE_FILE_MASKER_H_
#define SONDE_AGENT_CAPTURE_FILE_MASKER_H_

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/capture/file/direction_masker.h"
#include "agent/events/event.h"

namespace sonde::capture {

/// A sink in front of a CaptureWriter. Every byte keeps its place: credentials in HTTP/1.x heads
/// become 'x' of the same length behind the kind of credential; what cannot be located (another
/// protocol, after a hole, a connection met in its middle before its next head) is passed on as a
/// length without bytes. With `mask_text` the strings of JSON and SSE bodies are masked too, and
/// compressed or other bodies are passed on as lengths. Not thread-safe.
class Masker final : public events::EventSink {
 public:
  /// More connections than this are not followed at once; the least recently used is forgotten and
  /// treated as met in its middle if it speaks again.
  static constexpr size_t kMostConnections = 16'384;

  /// `next` outlives the masker.
  Masker(bool mask_text, events::EventSink* next) : mask_text_(mask_text), next_(next) {}

  void OnEvent(const events::Event& event) override;
  const MaskCounters& counters() const { return counters_; }

 private:
  struct Direction {
    explicit Direction(const DirectionMasker::Options& options, PendingMethods* methods,
                       MaskCounters* counters)
        : masker(options, methods, counters) {}
    DirectionMasker masker;
    uint64_t expected = 0;  ///< Offset of the next byte.
  };
  struct Connection {
    PendingMethods methods;
    bool mid_stream = true;
    std::array<std::optional<Direction>, events::kDirections> directions;
    std::list<events::ConnectionId>::iterator used;
  };

  Connection& Touch(const events::ConnectionId& id);
  void Forget(const events::ConnectionId& id);
  Direction& DirectionOf(const events::Data& data, Connection& connection);
  void OnData(const events::Data& data);
  void Emit(const events::Data& data, const std::vector<Segment>& segments);

  const bool mask_text_;
  events::EventSink* const next_;
  MaskCounters counters_;
  std::map<events::ConnectionId, std::unique_ptr<Connection>> connections_;
  std::list<events::ConnectionId> order_;  ///< Least recently used first.
  std::string scratch_;
  std::vector<Segment> segments_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_MASKER_H_
