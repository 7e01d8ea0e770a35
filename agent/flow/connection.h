// One connection: orders its directions, finds out what it carries and decodes HTTP/1.x.
#ifndef SONDE_AGENT_FLOW_CONNECTION_H_
#define SONDE_AGENT_FLOW_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/events/event.h"
#include "agent/flow/exchange_sink.h"
#include "agent/flow/ordered_stream.h"
#include "agent/flow/sniff.h"
#include "decoders/wire/http1_connection.h"

namespace sonde::flow {

struct FlowLimits {
  size_t max_connections = 16384;
  /// Kept of a connection until it is known what it carries.
  size_t undecided_bytes = size_t{16} * 1024;
  /// A connection without an open exchange is forgotten after so much event time,
  uint64_t idle_ns = 900'000'000'000;
  /// one with an open exchange after so much.
  uint64_t stuck_ns = 3'600'000'000'000;
  size_t remembered_closed = 4096;  ///< Ids of closed connections, to know late records.
  /// Of all open content decoders; a body that would need more is a hole from there on.
  size_t decoder_bytes = size_t{32} * 1024 * 1024;
  OrderLimits order;
  wire::Http1Connection::Limits http = {.early_reply_bytes = size_t{24} * 1024};
};

/// Counters since the start; one per cause.
struct FlowStats {
  OrderStats order;
  uint64_t data_events = 0;
  uint64_t data_bytes = 0;
  uint64_t connections = 0;
  uint64_t connections_closed = 0;
  uint64_t connections_evicted = 0;  ///< To stay within max_connections.
  uint64_t connections_idle = 0;     ///< Forgotten after idle_ns or stuck_ns.
  uint64_t late_records = 0;         ///< Bytes of a connection that was closed already.
  uint64_t lost_records = 0;         ///< Said by the kernel at connections' ends.
  uint64_t mid_stream = 0;
  uint64_t http1 = 0;
  uint64_t http2 = 0;
  uint64_t websocket = 0;
  uint64_t quic = 0;
  uint64_t tls_sockets = 0;
  uint64_t server_side = 0;
  uint64_t not_http = 0;
  uint64_t order_unknown = 0;    ///< Ranges moved by two invocations at once.
  uint64_t unmatched_bytes = 0;  ///< Seen and given to no exchange.
  uint64_t verdicts = 0;
  uint64_t decoders_refused = 0;  ///< Coded bodies not decoded: see FlowLimits::decoder_bytes.
  // Gauges, filled by Flow::stats().
  size_t open_connections = 0;
  size_t memory_bytes = 0;
};

/// What all connections share. Outlives them.
struct FlowContext {
  FlowLimits limits;
  FlowStats stats;
  ExchangeSink* sink = nullptr;
  VerdictSink* verdicts = nullptr;  ///< May be null: then nobody hears them.
  wire::DecoderMemory decoders;
  events::MonoNs now = 0;  ///< The greatest event time so far.
};

/// State        | what comes                      | becomes
/// -------------+---------------------------------+----------------------------------------------
/// kUndecided   | an HTTP request going out       | kHttp, role client
///              | an HTTP request coming in       | kIgnored, role server: a view, not priced
///              | a TLS record (sockets)          | kTls; after the ClientHello kIgnored
///              | anything else                   | kIgnored, counted; waits when met mid-stream
/// kHttp        | HTTP/2 preface, 101, garbage    | kIgnored, told once as a protocol
///              | CONNECT tunnel, then TLS        | kTls
/// any          | Close, Finish                   | kEnded
///
/// Not thread-safe.
class Connection final : public RangeSink, public wire::HttpSink {
 public:
  Connection(FlowContext* context, const events::ConnectionId& id);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Opened(const events::ConnectionOpened& event);
  void Learn(const events::ConnectionInfo& event);
  void Receive(const events::Data& event);
  void PeerEnded(const events::StreamEnded& event);
  /// The process will send no more but may still read.
  void ShutDown(events::MonoNs ns);
  void Close(const events::ConnectionClosed& event);
  /// Ends it for a reason of our own.
  void Abandon(FlowEnd end);

  void Expire(events::MonoNs now);
  /// The nearest of the two directions' deadlines.
  std::optional<events::MonoNs> deadline() const;

  const ConnectionView& view() const { return view_; }
  bool has_open_exchange() const { return http_ && http_->OpenExchanges() > 0; }
  size_t MemoryBytes() const;

  events::MonoNs last_active_ns = 0;

 private:
  enum class State : uint8_t { kUndecided, kHttp, kTls, kIgnored, kEnded };
  /// A range kept while undecided; a hole when `bytes` is empty.
  struct Held {
    events::Direction direction;
    Range range;
    std::string bytes;
  };

  // RangeSink
  void OnRange(events::Direction direction, const Range& range) override;
  void OnHole(events::Direction direction, uint64_t length, wire::Stamp stamp) override;
  // wire::HttpSink
  void OnRequestHead(uint64_t exchange, const wire::RequestHead& head, wire::Stamp stamp) override;
  void OnRequestBody(uint64_t exchange, std::string_view bytes, wire::Stamp stamp) override;
  void OnRequestGap(uint64_t exchange, uint64_t length) override;
  void OnRequestEnd(uint64_t exchange, wire::MessageEnd end, wire::Stamp stamp) override;
  void OnResponseHead(uint64_t exchange, const wire::ResponseHead& head,
                      wire::Stamp stamp) override;
  void OnResponseBody(uint64_t exchange, std::string_view bytes, wire::Stamp stamp) override;
  void OnResponseGap(uint64_t exchange, uint64_t length) override;
  void OnResponseEnd(uint64_t exchange, wire::MessageEnd end, wire::Stamp stamp) override;
  void OnProtocol(wire::Protocol protocol, wire::Stamp stamp) override;
  void OnUnmatched(wire::Side side, uint64_t length, wire::Stamp stamp) override;

  void Hold(events::Direction direction, const Range& range);
  void Decide();
  bool DecideFirst(Look out, Look in);
  std::string HeldFront(events::Direction direction) const;
  bool Resynchronising() const { return view_.mid_stream || lost_start_; }

  void EnterHttp();
  void EnterTls();
  void Ignore();
  void Feed(events::Direction direction, const Range& range);
  void FeedTls(events::Direction direction, std::string_view bytes);
  void AfterFeed();
  void ReportTls();
  void Unmatched(uint64_t length);
  void Discard(const Held& kept);
  bool OpenLoneReply(std::string_view bytes, wire::Stamp stamp);
  void EndLoneReply(wire::Stamp stamp);
  void Advise();
  void EndBothSides(std::optional<uint64_t> total_out, std::optional<uint64_t> total_in,
                    wire::Stamp stamp);
  static wire::Side SideOf(events::Direction direction) {
    return direction == events::Direction::kOut ? wire::Side::kRequest : wire::Side::kResponse;
  }
  OrderedStream& stream(events::Direction direction) {
    return direction == events::Direction::kOut ? out_ : in_;
  }

  FlowContext* const context_;
  ConnectionView view_;
  State state_ = State::kUndecided;
  OrderedStream out_;
  OrderedStream in_;
  std::unique_ptr<wire::Http1Connection> http_;
  // Reads what came of a reply whose request was sent before the connection was met.
  std::unique_ptr<wire::Http1Connection> lone_;
  bool in_lone_ = false;  // Callbacks are about it.
  bool lone_met_ = false;
  bool lone_over_ = false;  // It ended by its framing.
  std::deque<Held> held_;
  size_t held_bytes_ = 0;
  uint64_t seen_bytes_[events::kDirections] = {};  // Where the last range seen ended.
  std::string hello_;                              // Bytes of the client's first flight, bounded.
  events::Direction hello_direction_ = events::Direction::kOut;
  bool opened_seen_ = false;
  bool lost_start_ = false;  // A hole lies where the connection began.
  bool tunnel_ = false;
  bool leave_http_ = false;  // Set inside a decoder callback, acted on after it returns.
  bool protocol_told_ = false;
  bool quic_told_ = false;
  std::optional<events::MonoNs> advised_ns_;
};

}  // namespace sonde::flow

#endif  // SONDE_AGENT_FLOW_CONNECTION_H_
