// From HTTP exchanges to calls: recognises them, lets the dialect read them, joins request and
// reply, and says what became of each.
#ifndef SONDE_AGENT_CALLS_CALL_TRACKER_H_
#define SONDE_AGENT_CALLS_CALL_TRACKER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "agent/calls/call.h"
#include "agent/calls/process_table.h"
#include "agent/calls/retry_table.h"
#include "agent/events/event.h"
#include "agent/flow/exchange_sink.h"
#include "agent/pricing/price_book.h"
#include "decoders/dialects/dialect.h"

namespace sonde::calls {

struct TrackerLimits {
  /// Calls under way at once; the one that began first is given up (Incomplete::kEvicted).
  size_t open_calls = 16384;
  size_t retry_bodies = 4096;
  size_t notices = 1024;
  /// How long a complete reply waits for the end of its request (a record may come late).
  uint64_t request_wait_ns = 1'000'000'000;
};

/// Counters since the start, and gauges.
struct TrackerStats {
  uint64_t exchanges = 0;           ///< Requests seen, of whatever kind.
  uint64_t calls = 0;               ///< Of them, calls to models that have ended.
  uint64_t incomplete = 0;          ///< Calls with any Incomplete.
  uint64_t evicted = 0;             ///< Calls given up to stay within open_calls.
  uint64_t implausible_usage = 0;   ///< Usage refused because it cannot be true.
  uint64_t usage_not_sent = 0;      ///< Whole streams without usage.
  uint64_t unsupported_coding = 0;  ///< Calls with a body in a coding that is not decoded.
  uint64_t retries_forgotten = 0;
  size_t open_calls = 0;
  size_t memory_bytes = 0;  ///< Of open calls; filled by stats().
};

/// A pure function of what it is told, in that order. Not thread-safe.
class CallTracker final : public flow::ExchangeSink {
 public:
  /// `seed` makes the ids; `processes` and `sink` must outlive the tracker.
  CallTracker(const TrackerLimits& limits, std::string seed,
              std::shared_ptr<const pricing::PriceBook> book, ProcessTable* processes,
              CallSink* sink);
  ~CallTracker() override;

  /// For calls that start from here on; open ones keep the book they began with.
  void SetPriceBook(std::shared_ptr<const pricing::PriceBook> book) { book_ = std::move(book); }
  void OnClockOffset(const events::ClockOffset& event);
  /// Event time passed.
  void Advance(events::MonoNs now);

  TrackerStats stats() const;

  // flow::ExchangeSink
  void OnRequestHead(const flow::ConnectionView& connection, uint64_t exchange,
                     const wire::RequestHead& head, wire::Stamp stamp) override;
  void OnRequestBody(const flow::ConnectionView& connection, uint64_t exchange,
                     std::string_view bytes, wire::Stamp stamp) override;
  void OnRequestGap(const flow::ConnectionView& connection, uint64_t exchange,
                    uint64_t length) override;
  void OnRequestEnd(const flow::ConnectionView& connection, uint64_t exchange, wire::MessageEnd end,
                    wire::Stamp stamp) override;
  void OnResponseHead(const flow::ConnectionView& connection, uint64_t exchange,
                      const wire::ResponseHead& head, wire::Stamp stamp) override;
  void OnResponseBody(const flow::ConnectionView& connection, uint64_t exchange,
                      std::string_view bytes, wire::Stamp stamp) override;
  void OnResponseGap(const flow::ConnectionView& connection, uint64_t exchange,
                     uint64_t length) override;
  void OnResponseEnd(const flow::ConnectionView& connection, uint64_t exchange,
                     wire::MessageEnd end, wire::Stamp stamp) override;
  void OnProtocol(const flow::ConnectionView& connection, wire::Protocol protocol) override;
  void OnConnectionEnd(const flow::ConnectionView& connection) override;

 private:
  struct OpenCall;
  struct ConnectionCalls;

  OpenCall* Find(const flow::ConnectionView& connection, uint64_t exchange);
  OpenCall* Open(const flow::ConnectionView& connection, uint64_t exchange,
                 const dialects::Dialect& dialect, const wire::RequestHead& head,
                 wire::Stamp stamp);
  void RecognizeLone(const flow::ConnectionView& connection, std::string_view bytes,
                     wire::Stamp stamp);
  void Place(const flow::ConnectionView& connection, const wire::RequestHead& head, OpenCall& open);
  void CompleteIfWhole(const flow::ConnectionView& connection, OpenCall& open);
  void Complete(const flow::ConnectionView* connection, OpenCall& open);
  void Deliver(OpenCall& open);
  void LinkRetry(OpenCall& open);
  void NoticeMissingUsage(const OpenCall& open);
  void NoticeCoding(OpenCall& open, const std::string& coding);
  void NoticeOnce(const Call& call, std::string_view key, std::string_view text);
  void EvictFirst();

  const TrackerLimits limits_;
  const std::string seed_;
  std::shared_ptr<const pricing::PriceBook> book_;
  ProcessTable* const processes_;
  CallSink* const sink_;
  RetryTable retries_;
  TrackerStats stats_;
  std::map<uint64_t, OpenCall*> open_;                     // By number; owned by their connections.
  std::set<std::pair<events::MonoNs, uint64_t>> waiting_;  // Replies done, requests not.
  std::set<std::string> noticed_;
  uint64_t next_number_ = 1;
  events::MonoNs now_ = 0;
  bool clock_known_ = false;
  int64_t wall_minus_mono_ns_ = 0;
};

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_CALL_TRACKER_H_
