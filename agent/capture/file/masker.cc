#include "agent/capture/file/masker.h"

#include <limits>
#include <utility>
#include <variant>

#include "agent/capture/file/secrets.h"

namespace sonde::capture {

using events::ConnectionClosed;
using events::ConnectionOpened;
using events::Data;
using events::Event;
using events::ProcessStarted;

Masker::Connection& Masker::Touch(const events::ConnectionId& id) {
  std::unique_ptr<Connection>& slot = connections_[id];
  if (slot != nullptr) {
    order_.splice(order_.end(), order_, slot->used);
    return *slot;
  }
  slot = std::make_unique<Connection>();
  slot->used = order_.insert(order_.end(), id);
  Connection& made = *slot;
  if (connections_.size() > kMostConnections) {
    ++counters_.evicted;
    connections_.erase(order_.front());
    order_.pop_front();
  }
  return made;
}

void Masker::Forget(const events::ConnectionId& id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  order_.erase(found->second->used);
  connections_.erase(found);
}

void Masker::OnEvent(const Event& event) {
  if (const auto* data = std::get_if<Data>(&event)) {
    OnData(*data);
    return;
  }
  if (const auto* opened = std::get_if<ConnectionOpened>(&event)) {
    Forget(opened->connection);  // A handle that lives again begins anew.
    Touch(opened->connection).mid_stream = opened->mid_stream;
  } else if (const auto* closed = std::get_if<ConnectionClosed>(&event)) {
    // After a shutdown the peer may still send.
    if (closed->reason != events::CloseReason::kShutdown) Forget(closed->connection);
  } else if (const auto* started = std::get_if<ProcessStarted>(&event)) {
    ProcessStarted masked = *started;
    masked.command_line = MaskCommandLine(std::move(masked.command_line));
    if (mask_text_) masked.command_line = MaskCommandText(std::move(masked.command_line));
    next_->OnEvent(Event(std::move(masked)));
    return;
  }
  next_->OnEvent(event);
}

Masker::Direction& Masker::DirectionOf(const Data& data, Connection& connection) {
  auto& slot = connection.directions[static_cast<size_t>(data.direction)];
  if (!slot) {
    // A connection whose beginning is known starts with a head at offset 0, or with a hole.
    const DirectionMasker::Options options{
        .text = mask_text_,
        .socket = data.connection.transport == events::Transport::kSocket,
        .from_start = !connection.mid_stream};
    slot.emplace(options, &connection.methods, &counters_);
    slot->expected = connection.mid_stream ? data.offset : 0;
  }
  return *slot;
}

void Masker::OnData(const Data& data) {
  Connection& connection = Touch(data.connection);
  Direction& direction = DirectionOf(data, connection);
  const bool fits = data.offset <= std::numeric_limits<uint64_t>::max() - data.length &&
                    data.bytes.size() <= data.length;
  // Bytes from before the expected place came late: the hole they leave was already counted.
  if (!fits || data.offset < direction.expected || data.concurrent) direction.masker.Lose();
  const bool late = fits && data.offset < direction.expected;
  if (fits && data.offset > direction.expected) {
    direction.masker.Hole(data.offset - direction.expected);
  }
  if (!fits || late) {
    counters_.dropped_bytes += data.bytes.size();
    Data lengths = data;
    lengths.bytes = {};
    next_->OnEvent(Event(lengths));
    return;
  }
  direction.expected = data.offset + data.length;
  if (data.bytes.size() == data.length && direction.masker.KeepsAll(data.bytes)) {
    // The common case, bodies, needs no copy.
    direction.masker.Skip(data.bytes.size());
    next_->OnEvent(Event(data));
    return;
  }
  scratch_.assign(data.bytes);
  segments_.clear();
  direction.masker.Feed(&scratch_, &segments_);
  direction.masker.Hole(data.length - data.bytes.size());
  Data masked = data;
  masked.bytes = scratch_;
  Emit(masked, segments_);
}

/// An event has bytes and then a hole: more than one pair of kept and dropped bytes needs more than
/// one event.
void Masker::Emit(const Data& data, const std::vector<Segment>& segments) {
  size_t at = 0;
  size_t i = 0;
  do {
    Data piece = data;
    piece.offset = data.offset + at;
    const size_t begin = at;
    size_t kept = 0;
    if (i < segments.size() && segments[i].kept) kept = segments[i++].length;
    at += kept;
    if (i < segments.size() && !segments[i].kept) at += segments[i++].length;
    const bool last = i >= segments.size();
    piece.bytes = data.bytes.substr(begin, kept);
    piece.length = last ? data.length - begin : at - begin;
    next_->OnEvent(Event(piece));
  } while (i < segments.size());
}

}  // namespace sonde::capture
