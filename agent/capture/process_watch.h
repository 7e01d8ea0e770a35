// The selected processes as user space knows them: says when they start, fork, exec and end, and
// looks at what they have mapped.
#ifndef SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_
#define SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/prober.h"
#include "agent/capture/record_decoder.h"
#include "agent/discovery/proc_maps.h"
#include "agent/events/event.h"

namespace sonde::capture {

class ProcessWatch {
 public:
  /// Whether the process still runs this image.
  using IsCurrent = std::function<bool(const events::ProcessId&)>;

  /// `prober` and `sink` must outlive it.
  ProcessWatch(Prober* prober, IsCurrent is_current, events::EventSink* sink)
      : prober_(prober), is_current_(std::move(is_current)), sink_(sink) {}

  /// A process that runs already and was selected by number or cgroup. Emits ProcessStarted once.
  void Met(const ProcessRecord& record);
  void Forked(const ProcessRecord& record);
  void Execed(const ProcessRecord& record);
  /// It mapped a file; looks again unless that was done since.
  void Mapped(const ProcessRecord& record);
  void Exited(const ProcessRecord& record);

  size_t size() const { return processes_.size(); }

 private:
  using FileId = std::tuple<uint32_t, uint32_t, uint64_t>;  ///< Device and inode as maps has them.
  struct Watched {
    events::ProcessId id;
    uint64_t looked_ns = 0;  ///< When its mappings were last read.
    std::set<FileId> seen;
    std::vector<events::LibraryFound> libraries;  ///< What was said of them.
  };

  void Announce(const ProcessRecord& record, bool by_exec);
  /// Probes what is mapped newly and notes it in `libraries`. Returns how many were added.
  size_t LookAtMappings(Watched* watched, events::MonoNs mapped_ns);
  void LookAtFile(Watched* watched, const discovery::Mapping& mapping, events::MonoNs mapped_ns);
  /// Emits the newest `count` of its libraries.
  void TellLibraries(const Watched& watched, size_t count);

  Prober* prober_;
  IsCurrent is_current_;
  events::EventSink* sink_;
  std::map<uint32_t, Watched> processes_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_
