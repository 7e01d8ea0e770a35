// User space's hand on the kernel's table of connections.
#ifndef SONDE_AGENT_CAPTURE_CONNECTION_TABLE_H_
#define SONDE_AGENT_CAPTURE_CONNECTION_TABLE_H_

#include <cstdint>
#include <functional>
#include <set>

#include "absl/status/status.h"
#include "agent/capture/live_capture.h"
#include "agent/events/event.h"
#include "bpf/include/sonde_abi.h"

namespace sonde::capture {

class ConnectionTable {
 public:
  /// Takes the maps' descriptors and does not own them.
  ConnectionTable(int connections, int verdicts, uint32_t capacity)
      : connections_(connections), verdicts_(verdicts), capacity_(capacity) {}

  /// Remembers which processes have connections, from what the ring tells.
  void Note(const events::Event& event);

  /// Ends the connections of a process that began before `ns`. Later ones are those of its next
  /// image or selection, or of the next process with its pid.
  void CloseAll(uint32_t pid, events::MonoNs ns, events::CloseReason reason,
                events::EventSink* sink);

  /// Counts the entries, and ends those that were idle longest when nine tenths are in use.
  void EvictIdle(events::MonoNs now, events::EventSink* sink);

  /// Writes a verdict for the kernel. The key holds the generation: the next connection on the same
  /// handle has another.
  absl::Status SetVerdict(const Verdict& verdict, events::MonoNs now);

  /// Entries at the last count.
  size_t size() const { return size_; }

 private:
  using Visit = std::function<void(const sonde_connection_key&, const sonde_connection&)>;
  void ForEach(const Visit& visit);
  void Close(const sonde_connection_key& key, const sonde_connection& connection,
             events::CloseReason reason, events::EventSink* sink);

  int connections_;
  int verdicts_;
  uint32_t capacity_;
  size_t size_ = 0;
  std::set<uint32_t> open_;  ///< Pids of processes that may have connections.
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_CONNECTION_TABLE_H_
