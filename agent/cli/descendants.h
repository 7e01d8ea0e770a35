// Which of the selected processes are alive, told by the events alone.
#ifndef SONDE_AGENT_CLI_DESCENDANTS_H_
#define SONDE_AGENT_CLI_DESCENDANTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "agent/events/event.h"

namespace sonde::cli {

/// Bounded: beyond kMost living processes new ones are only counted.
class Descendants {
 public:
  static constexpr size_t kMost = 65536;

  void OnEvent(const events::Event& event);

  /// Living processes, in order of pid.
  std::vector<uint32_t> alive() const;
  /// All processes there ever were.
  uint64_t seen() const { return seen_; }
  /// For a process whose end was lost with other events.
  void Forget(uint32_t pid) { alive_.erase(pid); }
  /// When the first one was met; 0 before.
  events::MonoNs origin_ns() const { return origin_ns_; }

 private:
  void Add(const events::ProcessId& process, events::MonoNs ns);

  std::map<uint32_t, uint64_t> alive_;  // Pid to start time.
  uint64_t seen_ = 0;
  events::MonoNs origin_ns_ = 0;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_DESCENDANTS_H_
