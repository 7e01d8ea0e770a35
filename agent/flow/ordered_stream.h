// One direction of a connection, put in order by offset. What is missing becomes a hole.
#ifndef SONDE_AGENT_FLOW_ORDERED_STREAM_H_
#define SONDE_AGENT_FLOW_ORDERED_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/events/event.h"
#include "decoders/wire/stamp.h"

namespace sonde::flow {

/// Bytes of one direction and what is known about the invocation that moved them. `bytes` may be
/// shorter than `length`: the rest, after them, was not captured.
struct Range {
  uint64_t offset = 0;
  uint64_t length = 0;
  std::string_view bytes;
  wire::Stamp stamp;
  uint32_t tid = 0;
  bool after_gap = false;   ///< Tail of an invocation whose middle was not captured.
  bool concurrent = false;  ///< Another invocation was inside on the same direction.
};

/// Takes one direction in order.
class RangeSink {
 public:
  virtual ~RangeSink() = default;
  /// `range.bytes` is the whole range here; the view lives until the call returns.
  virtual void OnRange(events::Direction direction, const Range& range) = 0;
  /// `length` bytes are missing before what comes next. `stamp` is that of the range beside it.
  virtual void OnHole(events::Direction direction, uint64_t length, wire::Stamp stamp) = 0;
};

struct OrderLimits {
  /// Kept of ranges that came before their predecessors.
  size_t waiting_bytes = size_t{24} * 1024;
  size_t waiting_ranges = 64;
  uint64_t wait_ns = 200'000'000;  ///< Event time after which a missing piece is a hole.
};

struct OrderStats {
  uint64_t reordered = 0;        ///< Ranges that came too early and were put in place.
  uint64_t duplicate_bytes = 0;  ///< Bytes that came twice; the first copy counts.
  uint64_t holes = 0;
  uint64_t hole_bytes = 0;
  uint64_t refused = 0;  ///< Ranges that cannot be true (offset + length overflows).
};

/// State: `expected_` is the offset of the next byte. Behind it may lie a known hole up to
/// `missing_until_` (an invocation of which only the front was captured) and ranges that wait.
///
///   event                               | effect
///   ------------------------------------+---------------------------------------------------------
///   range at expected_                  | delivered, then whatever waits behind it
///   range before expected_              | the part already delivered is dropped
///   range behind a known hole           | the hole is told, the range delivered
///   tail of the invocation just seen    | the same
///   other later range                   | waits, bounded
///   bound or wait_ns reached, or Finish | the hole before the first waiting range is told
///
/// Not thread-safe.
class OrderedStream {
 public:
  /// `sink` and `stats` must outlive the stream.
  OrderedStream(events::Direction direction, const OrderLimits& limits, RangeSink* sink,
                OrderStats* stats);

  /// Begins at `offset` instead of 0 (the connection's beginning was not seen). Before any Add.
  void StartAt(uint64_t offset) { expected_ = offset; }

  void Add(const Range& range, events::MonoNs now);
  /// Gives up waiting when the deadline has passed.
  void Expire(events::MonoNs now);
  /// No more will come. `total`: the kernel's count of this direction's bytes, when it is known.
  void Finish(std::optional<uint64_t> total);

  /// When Expire has something to do; nothing waits when absent.
  std::optional<events::MonoNs> deadline() const;
  uint64_t expected() const { return expected_; }
  size_t MemoryBytes() const;

 private:
  struct Waiting {
    Range range;  // Its view is not used: `bytes` owns them.
    std::string bytes;
  };

  void Deliver(Range range);
  void DeliverWaiting();
  void TellHole(uint64_t until);
  void GiveUp();
  bool IsTailOfLast(const Range& range) const;
  void Keep(const Range& range);
  void NoteProgress(events::MonoNs now);

  const events::Direction direction_;
  const OrderLimits limits_;
  RangeSink* const sink_;
  OrderStats* const stats_;
  uint64_t expected_ = 0;
  uint64_t missing_until_ = 0;
  wire::Stamp last_stamp_;
  uint32_t last_tid_ = 0;
  std::optional<events::MonoNs> stalled_since_;
  std::vector<Waiting> waiting_;  // By offset.
  size_t waiting_bytes_ = 0;
};

}  // namespace sonde::flow

#endif  // SONDE_AGENT_FLOW_ORDERED_STREAM_H_
