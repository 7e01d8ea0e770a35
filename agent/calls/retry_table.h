// Which call is another attempt at an earlier one.
#ifndef SONDE_AGENT_CALLS_RETRY_TABLE_H_
#define SONDE_AGENT_CALLS_RETRY_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "agent/events/event.h"

namespace sonde::calls {

/// Remembers failed calls. A call with the same process, destination, path and body that starts
/// within 120 s of event time after one of them ended is its retry. Clients that number their
/// attempts (x-stainless-retry-count) are believed: a call that says it is a first attempt is one
/// while other calls with the same body are under way, because then equal bodies prove nothing.
///
/// Not thread-safe. Bounded: the oldest failure leaves first.
class RetryTable {
 public:
  struct Key {
    events::ProcessId process;
    std::string destination;  ///< host:port
    std::string path;
    uint64_t body_hash = 0;
    bool operator<(const Key& other) const {
      return std::tie(process, destination, path, body_hash) <
             std::tie(other.process, other.destination, other.path, other.body_hash);
    }
  };
  struct Attempt {
    uint64_t number = 0;  ///< The call's.
    events::MonoNs start_ns = 0;
    events::MonoNs end_ns = 0;
    bool failed = false;
    std::optional<uint32_t> stated_count;
  };
  struct Link {
    uint32_t attempt = 0;   ///< 0 is a first attempt.
    uint64_t retry_of = 0;  ///< Number of the first attempt, 0 when it is not known.
  };

  /// A retry starts within this time of a failure's end.
  static constexpr uint64_t kWindowNs = 120'000'000'000;
  /// Calls are told when they end, and a retry may last; so bodies are kept for longer.
  static constexpr uint64_t kKeepNs = 3'600'000'000'000;

  explicit RetryTable(size_t limit = 4096) : limit_(limit) {}

  /// To be called as calls end. `body_known`: the hash covers the whole body.
  Link Add(const Key& key, bool body_known, const Attempt& attempt);

  /// Bodies remembered.
  size_t size() const { return groups_.size(); }
  uint64_t evicted() const { return evicted_; }

 private:
  struct Failure {
    uint64_t first_number = 0;
    uint32_t attempt = 0;
    events::MonoNs start_ns = 0;
    events::MonoNs end_ns = 0;
  };
  struct Group {
    std::deque<Failure> failures;  // Not yet retried, in the order they were told.
    events::MonoNs latest_end_ns = 0;
    bool overlapping = false;  // Two calls of the group were under way at once.
  };

  Group& FindOrCreate(const Key& key, events::MonoNs now);
  void Expire(events::MonoNs now);
  static std::optional<Failure> Take(Group& group, const Attempt& attempt);

  const size_t limit_;
  std::map<Key, Group> groups_;
  std::deque<std::pair<events::MonoNs, Key>> order_;  // One entry per group.
  uint64_t evicted_ = 0;
};

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_RETRY_TABLE_H_
