#include "agent/capture/connection_table.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>
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

void ConnectionTable::CloseAll(uint32_t pid, std::optional<events::ProcessId> except,
                               events::CloseReason reason, events::EventSink* sink) {
  ForEach([&](const sonde_connection_key& key, const sonde_connection& connection) {
    if (key.tgid != pid) return;
    const events::ProcessId owner = {key.tgid, connection.start_ns, connection.exec_generation};
    if (!except.has_value() || owner < *except) Close(key, connection, reason, sink);
  });
}

void ConnectionTable::EvictIdle(events::MonoNs, events::EventSink* sink) {
  std::vector<std::pair<uint64_t, sonde_connection_key>> idle;
  ForEach([&idle](const sonde_connection_key& key, const sonde_connection& connection) {
    idle.emplace_back(connection.last_ns, key);
  });
  const size_t limit = capacity_ / 10 * 9;
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
  sonde_connection_key key = {};
  key.tgid = verdict.connection.process.pid;
  key.handle = verdict.connection.handle;
  key.transport = static_cast<uint32_t>(verdict.connection.transport);
  sonde_connection connection = {};
  if (verdict.connection.transport == events::Transport::kSocket) {
    // The kernel's key of a socket is not its descriptor: find it by its generation.
    bool found = false;
    ForEach([&](const sonde_connection_key& one, const sonde_connection& entry) {
      if (one.tgid != key.tgid || one.transport != key.transport ||
          entry.generation != verdict.connection.generation ||
          entry.handle != verdict.connection.handle) {
        return;
      }
      key.handle = one.handle;
      connection = entry;
      found = true;
    });
    if (!found) return absl::NotFoundError("the connection is gone");
  } else if (bpf_map_lookup_elem(connections_, &key, &connection) != 0) {
    return absl::NotFoundError("the connection is gone");
  }
  if (connection.generation != verdict.connection.generation) {
    return absl::NotFoundError("the connection is gone and its handle is used again");
  }
  sonde_verdict value = {};
  value.generation = verdict.connection.generation;
  value.expires_ns = now + verdict.ttl_ns;
  value.mode = static_cast<uint32_t>(verdict.mode);
  value.prefix_bytes = verdict.prefix_bytes;
  if (bpf_map_update_elem(verdicts_, &key, &value, BPF_ANY) != 0) {
    return absl::ErrnoToStatus(errno, "cannot write a verdict");
  }
  return absl::OkStatus();
}

}  // namespace sonde::capture
