// All connections of the selected processes, fed by events in order.
#ifndef SONDE_AGENT_FLOW_FLOW_H_
#define SONDE_AGENT_FLOW_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/events/event.h"
#include "agent/flow/connection.h"
#include "agent/flow/exchange_sink.h"

namespace sonde::flow {

/// Finds the connection of each event and keeps the table of them bounded. A pure function of the
/// event sequence: no clock, and nothing depends on the order of a hash table. Not thread-safe.
class Flow final : public events::EventSink {
 public:
  /// `sink`, and `verdicts` unless it is null, must outlive the flow.
  Flow(const FlowLimits& limits, ExchangeSink* sink, VerdictSink* verdicts);
  ~Flow() override;

  void OnEvent(const events::Event& event) override;
  /// Capture ended: every connection that is open ends with FlowEnd::kFinish, oldest first.
  void Finish();

  /// Counters and gauges as of now; walks the connections.
  FlowStats stats() const;
  events::MonoNs now() const { return context_.now; }

 private:
  struct IdHash {
    size_t operator()(const events::ConnectionId& id) const;
  };
  struct Entry {
    std::unique_ptr<Connection> connection;
    uint64_t sequence = 0;  // Order of first sight.
    std::list<Entry*>::iterator recent;
    events::MonoNs deadline = 0;  // 0: none is set.
  };

  void Handle(const events::Data& event);
  void Handle(const events::ConnectionOpened& event);
  void Handle(const events::ConnectionInfo& event);
  void Handle(const events::StreamEnded& event);
  void Handle(const events::ConnectionClosed& event);
  void Handle(const events::ProcessStarted& event);
  void Handle(const events::ProcessExited& event);
  void Handle(const events::Tick&) {}
  void Handle(const events::ProcessForked&) {}
  void Handle(const events::LibraryFound&) {}
  void Handle(const events::Loss&) {}
  void Handle(const events::ClockOffset&) {}

  Entry* Find(const events::ConnectionId& id);
  Entry& FindOrCreate(const events::ConnectionId& id);
  void Touch(Entry& entry);
  void EndEarlierGeneration(const events::ConnectionId& id);
  /// Closes the connections of processes from `first` up to but not including `after`.
  void EndOfProcesses(const events::ProcessId& first, const events::ProcessId& after,
                      events::CloseReason reason, events::MonoNs ns);
  void Close(Entry& entry, const events::ConnectionClosed& event);
  void Forget(Entry& entry);
  void EvictOne();
  void ForgetIdle();
  void Advance(events::MonoNs ns);
  bool WasClosed(const events::ConnectionId& id) const { return closed_.contains(id); }

  FlowContext context_;
  absl::flat_hash_map<events::ConnectionId, std::unique_ptr<Entry>, IdHash> connections_;
  // The same ids in order: for looking up a process, or a handle's earlier lives.
  std::set<events::ConnectionId> ordered_;
  std::list<Entry*> recent_;  // Longest idle first.
  std::set<std::pair<events::MonoNs, uint64_t>> deadlines_;
  std::map<uint64_t, Entry*> by_sequence_;
  absl::flat_hash_set<events::ConnectionId, IdHash> closed_;
  std::deque<events::ConnectionId> closed_order_;
  Entry* last_ = nullptr;  // Of the last look-up: events of one connection come in runs.
  uint64_t next_sequence_ = 1;
  events::MonoNs next_idle_check_ns_ = 0;
};

}  // namespace sonde::flow

#endif  // SONDE_AGENT_FLOW_FLOW_H_
