#include "agent/flow/ordered_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sonde::flow {
namespace {

/// Cuts `count` bytes off the front.
void RemovePrefix(Range& range, uint64_t count) {
  range.offset += count;
  range.length -= count;
  range.bytes.remove_prefix(std::min<uint64_t>(count, range.bytes.size()));
}

}  // namespace

OrderedStream::OrderedStream(events::Direction direction, const OrderLimits& limits,
                             RangeSink* sink, OrderStats* stats)
    : direction_(direction), limits_(limits), sink_(sink), stats_(stats) {}

void OrderedStream::Add(const Range& range, events::MonoNs now) {
  if (range.length == 0) return;
  if (range.length > std::numeric_limits<uint64_t>::max() - range.offset ||
      range.bytes.size() > range.length) {
    ++stats_->refused;
    return;
  }
  const uint64_t before = expected_;
  const bool known_gap = range.offset > expected_ && (missing_until_ >= range.offset ||
                                                      (waiting_.empty() && IsTailOfLast(range)));
  if (range.offset <= expected_) {
    Deliver(range);
  } else if (known_gap) {
    TellHole(range.offset);
    Deliver(range);
  } else {
    Keep(range);
  }
  DeliverWaiting();
  if (expected_ != before) stalled_since_.reset();
  NoteProgress(now);
}

bool OrderedStream::IsTailOfLast(const Range& range) const {
  return range.after_gap && range.tid == last_tid_ && last_stamp_.begin_ns != 0 &&
         range.stamp.begin_ns == last_stamp_.begin_ns;
}

void OrderedStream::Keep(const Range& range) {
  ++stats_->reordered;
  auto place = std::lower_bound(
      waiting_.begin(), waiting_.end(), range.offset,
      [](const Waiting& waiting, uint64_t offset) { return waiting.range.offset < offset; });
  waiting_bytes_ += range.bytes.size();
  waiting_.insert(place, Waiting{range, std::string(range.bytes)});
  while (!waiting_.empty() &&
         (waiting_bytes_ > limits_.waiting_bytes || waiting_.size() > limits_.waiting_ranges)) {
    GiveUp();
  }
}

void OrderedStream::Deliver(Range range) {
  if (range.offset < expected_) {
    const uint64_t known = std::min(expected_ - range.offset, range.length);
    stats_->duplicate_bytes += known;
    RemovePrefix(range, known);
    if (range.length == 0) return;
  }
  last_stamp_ = range.stamp;
  last_tid_ = range.tid;
  const uint64_t end = range.offset + range.length;
  expected_ += range.bytes.size();
  if (end > expected_) missing_until_ = std::max(missing_until_, end);
  range.length = range.bytes.size();
  if (range.length > 0) sink_->OnRange(direction_, range);
}

void OrderedStream::DeliverWaiting() {
  while (!waiting_.empty()) {
    const uint64_t offset = waiting_.front().range.offset;
    if (offset > expected_) {
      if (missing_until_ < offset) return;
      TellHole(offset);
    }
    Waiting next = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    waiting_bytes_ -= next.bytes.size();
    next.range.bytes = next.bytes;
    Deliver(next.range);
  }
}

void OrderedStream::TellHole(uint64_t until) {
  if (until <= expected_) return;
  const uint64_t length = until - expected_;
  expected_ = until;
  ++stats_->holes;
  stats_->hole_bytes += length;
  sink_->OnHole(direction_, length, last_stamp_);
}

void OrderedStream::GiveUp() {
  if (missing_until_ > expected_) {
    TellHole(missing_until_);
  } else if (!waiting_.empty()) {
    TellHole(waiting_.front().range.offset);
  }
  DeliverWaiting();
}

void OrderedStream::NoteProgress(events::MonoNs now) {
  const bool stalled = missing_until_ > expected_ || !waiting_.empty();
  if (!stalled) {
    stalled_since_.reset();
  } else if (!stalled_since_) {
    stalled_since_ = now;
  }
}

std::optional<events::MonoNs> OrderedStream::deadline() const {
  if (!stalled_since_) return std::nullopt;
  return *stalled_since_ + limits_.wait_ns;
}

void OrderedStream::Expire(events::MonoNs now) {
  if (!stalled_since_ || now < *stalled_since_ + limits_.wait_ns) return;
  GiveUp();
  stalled_since_.reset();
  NoteProgress(now);
}

void OrderedStream::Finish(std::optional<uint64_t> total) {
  while (missing_until_ > expected_ || !waiting_.empty()) GiveUp();
  if (total) TellHole(*total);
  stalled_since_.reset();
}

size_t OrderedStream::MemoryBytes() const {
  return waiting_bytes_ + waiting_.capacity() * sizeof(Waiting);
}

}  // namespace sonde::flow
