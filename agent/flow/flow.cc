#include "agent/flow/flow.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "absl/hash/hash.h"

namespace sonde::flow {
namespace {

/// Among this many of the longest idle, one without an open exchange is evicted first.
constexpr int kEvictionChoice = 64;
constexpr uint64_t kIdleCheckInterval = 1'000'000'000;

events::MonoNs TimeOf(const events::Event& event) {
  return std::visit(
      [](const auto& value) -> events::MonoNs {
        using Kind = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Kind, events::Data>) {
          return value.exit_ns;
        } else if constexpr (std::is_same_v<Kind, events::LibraryFound>) {
          return 0;
        } else {
          return value.ns;
        }
      },
      event);
}

/// Not greater than any connection of `process`.
events::ConnectionId FirstOf(const events::ProcessId& process) {
  return {.process = process, .transport = events::Transport{0}};
}

}  // namespace

size_t Flow::IdHash::operator()(const events::ConnectionId& id) const {
  return absl::HashOf(id.process.pid, id.process.start_ns, id.process.exec_generation,
                      static_cast<int>(id.transport), id.handle, id.generation);
}

Flow::Flow(const FlowLimits& limits, ExchangeSink* sink, VerdictSink* verdicts) {
  context_.limits = limits;
  context_.decoders.limit = limits.decoder_bytes;
  context_.limits.http.decoders = &context_.decoders;
  context_.sink = sink;
  context_.verdicts = verdicts;
}

Flow::~Flow() = default;

void Flow::OnEvent(const events::Event& event) {
  Advance(TimeOf(event));
  std::visit([this](const auto& value) { Handle(value); }, event);
}

void Flow::Advance(events::MonoNs ns) {
  if (ns <= context_.now) return;
  context_.now = ns;
  while (!deadlines_.empty() && deadlines_.begin()->first <= ns) {
    Entry& entry = *by_sequence_.at(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    entry.deadline = 0;
    entry.connection->Expire(ns);
    Touch(entry);
  }
  ForgetIdle();
}

void Flow::Handle(const events::Data& event) {
  ++context_.stats.data_events;
  context_.stats.data_bytes += event.bytes.size();
  Entry* known = Find(event.connection);
  if (known == nullptr && WasClosed(event.connection)) {
    ++context_.stats.late_records;
    return;
  }
  Entry& entry = known != nullptr ? *known : FindOrCreate(event.connection);
  entry.connection->last_active_ns = context_.now;
  recent_.splice(recent_.end(), recent_, entry.recent);
  entry.connection->Receive(event);
  Touch(entry);
}

void Flow::Handle(const events::ConnectionOpened& event) {
  if (WasClosed(event.connection)) return;
  Entry& entry = FindOrCreate(event.connection);
  entry.connection->Opened(event);
}

void Flow::Handle(const events::ConnectionInfo& event) {
  if (WasClosed(event.connection)) return;
  FindOrCreate(event.connection).connection->Learn(event);
}

void Flow::Handle(const events::StreamEnded& event) {
  Entry* entry = Find(event.connection);
  if (entry == nullptr) return;
  entry->connection->PeerEnded(event);
  Touch(*entry);
}

void Flow::Handle(const events::ConnectionClosed& event) {
  Entry* entry = Find(event.connection);
  if (event.reason == events::CloseReason::kShutdown) {
    if (entry != nullptr) entry->connection->ShutDown(event.ns);
    return;
  }
  if (entry != nullptr) {
    Close(*entry, event);
  } else if (!WasClosed(event.connection)) {
    // Nothing of it was seen; still count what the kernel says was lost.
    context_.stats.lost_records += event.lost_records;
  }
}

void Flow::Handle(const events::ProcessStarted& event) {
  if (!event.by_exec) return;
  // Whatever belonged to the earlier images of this process is gone.
  events::ProcessId first = event.process;
  first.exec_generation = 0;
  EndOfProcesses(first, event.process, events::CloseReason::kExec, event.ns);
}

void Flow::Handle(const events::ProcessExited& event) {
  events::ProcessId first = event.process;
  first.exec_generation = 0;
  events::ProcessId after = event.process;
  ++after.exec_generation;
  EndOfProcesses(first, after, events::CloseReason::kExit, event.ns);
}

void Flow::EndOfProcesses(const events::ProcessId& first, const events::ProcessId& after,
                          events::CloseReason reason, events::MonoNs ns) {
  // Ids sort by process first. Collected before closing, which changes the set.
  const auto begin = ordered_.lower_bound(FirstOf(first));
  const auto end = ordered_.lower_bound(FirstOf(after));
  for (const events::ConnectionId& id : std::vector<events::ConnectionId>(begin, end)) {
    Close(*connections_.at(id),
          events::ConnectionClosed{.connection = id, .ns = ns, .reason = reason});
  }
}

Flow::Entry* Flow::Find(const events::ConnectionId& id) {
  if (last_ != nullptr && last_->connection->view().id == id) return last_;
  const auto found = connections_.find(id);
  if (found == connections_.end()) return nullptr;
  last_ = found->second.get();
  return last_;
}

Flow::Entry& Flow::FindOrCreate(const events::ConnectionId& id) {
  if (Entry* known = Find(id); known != nullptr) return *known;
  EndEarlierGeneration(id);
  if (connections_.size() >= std::max<size_t>(context_.limits.max_connections, 1)) EvictOne();
  auto entry = std::make_unique<Entry>();
  entry->connection = std::make_unique<Connection>(&context_, id);
  entry->connection->last_active_ns = context_.now;
  entry->sequence = next_sequence_++;
  entry->recent = recent_.insert(recent_.end(), entry.get());
  by_sequence_.emplace(entry->sequence, entry.get());
  ordered_.insert(id);
  ++context_.stats.connections;
  last_ = entry.get();
  return *connections_.emplace(id, std::move(entry)).first->second;
}

/// A handle that lives again has ended its earlier life, even if the record of that was lost.
void Flow::EndEarlierGeneration(const events::ConnectionId& id) {
  events::ConnectionId from = id;
  from.generation = 0;
  std::vector<events::ConnectionId> earlier;
  for (auto known = ordered_.lower_bound(from); known != ordered_.end() && *known < id; ++known) {
    earlier.push_back(*known);
  }
  for (const events::ConnectionId& old : earlier) {
    Close(*connections_.at(old),
          events::ConnectionClosed{
              .connection = old, .ns = context_.now, .reason = events::CloseReason::kFreed});
  }
}

void Flow::Touch(Entry& entry) {
  const events::MonoNs deadline = entry.connection->deadline().value_or(0);
  if (deadline == entry.deadline) return;
  if (entry.deadline != 0) deadlines_.erase({entry.deadline, entry.sequence});
  if (deadline != 0) deadlines_.emplace(deadline, entry.sequence);
  entry.deadline = deadline;
}

void Flow::Close(Entry& entry, const events::ConnectionClosed& event) {
  entry.connection->Close(event);
  ++context_.stats.connections_closed;
  closed_.insert(event.connection);
  closed_order_.push_back(event.connection);
  if (closed_order_.size() > context_.limits.remembered_closed) {
    closed_.erase(closed_order_.front());
    closed_order_.pop_front();
  }
  Forget(entry);
}

void Flow::Forget(Entry& entry) {
  if (last_ == &entry) last_ = nullptr;
  if (entry.deadline != 0) deadlines_.erase({entry.deadline, entry.sequence});
  recent_.erase(entry.recent);
  by_sequence_.erase(entry.sequence);
  const events::ConnectionId id = entry.connection->view().id;
  ordered_.erase(id);
  connections_.erase(id);
}

void Flow::EvictOne() {
  Entry* victim = recent_.front();
  int looked = 0;
  for (Entry* entry : recent_) {
    if (!entry->connection->has_open_exchange()) {
      victim = entry;
      break;
    }
    if (++looked >= kEvictionChoice) break;
  }
  ++context_.stats.connections_evicted;
  victim->connection->Abandon(FlowEnd::kEvicted);
  Forget(*victim);
}

void Flow::ForgetIdle() {
  if (context_.now < next_idle_check_ns_) return;
  next_idle_check_ns_ = context_.now + kIdleCheckInterval;
  std::vector<Entry*> idle;
  for (Entry* entry : recent_) {
    const events::MonoNs since = context_.now - entry->connection->last_active_ns;
    if (since < context_.limits.idle_ns) break;
    if (since >= context_.limits.stuck_ns || !entry->connection->has_open_exchange()) {
      idle.push_back(entry);
    }
  }
  for (Entry* entry : idle) {
    ++context_.stats.connections_idle;
    entry->connection->Abandon(FlowEnd::kEvicted);
    Forget(*entry);
  }
}

void Flow::Finish() {
  while (!by_sequence_.empty()) {
    Entry& entry = *by_sequence_.begin()->second;
    entry.connection->Abandon(FlowEnd::kFinish);
    Forget(entry);
  }
}

FlowStats Flow::stats() const {
  FlowStats stats = context_.stats;
  stats.decoders_refused = context_.decoders.refused;
  stats.open_connections = connections_.size();
  for (const auto& [sequence, entry] : by_sequence_) {
    stats.memory_bytes += entry->connection->MemoryBytes();
  }
  return stats;
}

}  // namespace sonde::flow
