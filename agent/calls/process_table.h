// The selected processes by id, with a short name for people.
#ifndef SONDE_AGENT_CALLS_PROCESS_TABLE_H_
#define SONDE_AGENT_CALLS_PROCESS_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/calls/call.h"
#include "agent/events/event.h"

namespace sonde::calls {

/// "agent.py" of `python3 -u agent.py`, "pip" of `python -m pip`, "python -c" of `python -c ...`,
/// else the executable's base name, else `comm`. At most 64 bytes.
std::string DisplayName(std::string_view comm, std::string_view executable,
                        std::string_view command_line);

/// Not thread-safe. What it hands out stays valid after the process left the table.
class ProcessTable {
 public:
  explicit ProcessTable(size_t limit = 8192) : limit_(limit) {}

  void OnStarted(const events::ProcessStarted& event);
  /// A child is its parent's image until it executes one of its own.
  void OnForked(const events::ProcessForked& event);
  void OnExited(const events::ProcessExited& event);

  /// Never null: a process nobody told about gets an entry named "pid N".
  std::shared_ptr<const Process> Get(const events::ProcessId& id);

  size_t size() const { return processes_.size(); }
  uint64_t evicted() const { return evicted_; }

 private:
  void Put(std::shared_ptr<const Process> process);
  void MakeRoom();

  const size_t limit_;
  std::map<events::ProcessId, std::shared_ptr<const Process>> processes_;
  std::deque<events::ProcessId> exited_;  // Leave first.
  uint64_t evicted_ = 0;
};

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_PROCESS_TABLE_H_
