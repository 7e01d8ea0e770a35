#include "agent/capture/connection_table.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>
#include <vector>

#include "agent/capture/clock.h"
#include "agent/capture/record_decoder.h"

namespace sonde::capture {

void ConnectionTable::ForEach(const Visit& visit) {
  // Keys first: deleting while walking would start the walk anew.
  std::vector<sonde_connection_key> keys;
  sonde_connection_key last = {};
  sonde_connection_key key = {};
  while (keys.size() < capacity_ &&
         bpf_map_get_next_key(connections_, keys.empty() ? nullptr : &last, &key) == 0) {
    keys.push_back(key);
    last = key;
  }
  size_ = keys.size();
  for (const sonde_connection_key& one : keys) {
    sonde_connection connection = {};
    if (bpf_map_lookup_elem(connections_, &one, &connection) == 0) visit(one, connection);
  }
}

void ConnectionTable::Close(const sonde_connection_key& key, const sonde_connection& connection,
                            events::CloseReason reason, events::EventSink* sink) {
  // Gone already: the kernel has said so itself.
  if (bpf_map_delete_elem(connections_, &key) != 0) return;
  sink->OnEvent(ToClosed(key, connection, reason, MonotonicNs()));
}

void ConnectionTable::Note(const events::Event& event) {
  // Data too: the record that told of the opening may be lost.
  if (const auto* opened = std::get_if<events::ConnectionOpened>(&event)) {
    open_.insert(opened->connection.process.pid);
  } else if (const auto* data = std::get_if<events::Data>(&event)) {
    open_.insert(data->connection.process.pid);
  }
}

void ConnectionTable::CloseAll(uint32_t pid, events::MonoNs ns, events::CloseReason reason,
                               events::EventSink* sink) {
  // Most processes that fork, exec and exit have none: the table is not walked for them.
  if (open_.erase(pid) == 0) return;
  ForEach([&](const sonde_connection_key& key, const sonde_connection& connection) {
    if (key.tgid == pid && connection.generation < ns) Close(key, connection, reason, sink);
  });
}

void ConnectionTable::EvictIdle(events::MonoNs, events::EventSink* sink) {
  std::vector<std::pair<uint64_t, sonde_connection_key>> idle;
  ForEach([&idle](const sonde_connection_key& key, const sonde_connection& connection) {
    idle.emplace_back(connection.last_ns, key);
  });
  const size_t limit = size_t{capacity_} / 10 * 9;
  if (idle.size() < limit || limit == 0) return;
  const size_t evicted = idle.size() - limit + capacity_ / 10;
  const auto older = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::nth_element(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(evicted - 1),
                   idle.end(), older);
  for (size_t i = 0; i < evicted; ++i) {
    sonde_connection connection = {};
    if (bpf_map_lookup_elem(connections_, &idle[i].second, &connection) != 0) continue;
    Close(idle[i].second, connection, events::CloseReason::kEvicted, sink);
  }
  size_ -= evicted;
}

absl::Status ConnectionTable::SetVerdict(const Verdict& verdict, events::MonoNs now) {
  sonde_verdict_key key = {};
  key.tgid = verdict.connection.process.pid;
  key.transport = static_cast<uint32_t>(verdict.connection.transport);
  key.generation = verdict.connection.generation;
  sonde_verdict value = {};
  value.expires_ns = now + verdict.ttl_ns;
  value.mode = static_cast<uint32_t>(verdict.mode);
  value.prefix_bytes = verdict.prefix_bytes;
  if (bpf_map_update_elem(verdicts_, &key, &value, BPF_ANY) != 0) {
    return absl::ErrnoToStatus(errno, "cannot write a verdict");
  }
  return absl::OkStatus();
}

}  // namespace sonde::capture
