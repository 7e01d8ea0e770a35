// The selected processes as user space knows them: says when they start, fork, exec and end, and
// looks at what they have mapped.
#ifndef SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_
#define SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/attach.h"
#include "agent/capture/prober.h"
#include "agent/capture/record_decoder.h"
#include "agent/discovery/proc_maps.h"
#include "agent/events/event.h"

namespace sonde::capture {

class ProcessWatch {
 public:
  /// Whether the process still runs this image.
  using IsCurrent = std::function<bool(const events::ProcessId&)>;

  /// Opens the file that a process has mapped; sets errno when it cannot.
  using OpenMapping = std::function<FileDescriptor(uint32_t pid, const discovery::Mapping&)>;

  /// `prober` and `sink` must outlive it. `open` is another than the kernel's in tests.
  ProcessWatch(Prober* prober, IsCurrent is_current, events::EventSink* sink,
               OpenMapping open = OpenMapped)
      : prober_(prober), is_current_(std::move(is_current)), sink_(sink), open_(std::move(open)) {}

  /// A process that runs already and was selected by number or cgroup. Emits ProcessStarted once.
  void Met(const ProcessRecord& record);
  void Forked(const ProcessRecord& record);
  void Execed(const ProcessRecord& record);
  /// It mapped a file; looks again unless that was done since.
  void Mapped(const ProcessRecord& record);
  void Exited(const ProcessRecord& record);
  /// It is not selected any more, though it runs on: says nothing.
  void Forget(uint32_t pid) { processes_.erase(pid); }
  /// It made an io_uring, whose operations no probe sees: told once as a finding.
  void UsesIoUring(const ProcessRecord& record);

  /// Looks again at a few processes: at those whose files could not be opened, and whether they are
  /// still there. Returns those that are gone although no record said so; pass each to Exited().
  /// To be called about once a second.
  std::vector<events::ProcessId> Sweep();

  size_t size() const { return processes_.size(); }

 private:
  using FileId = std::tuple<uint32_t, uint32_t, uint64_t>;  ///< Device and inode as maps has them.
  struct Watched {
    events::ProcessId id;
    uint64_t looked_ns = 0;        ///< When its mappings were last read.
    events::MonoNs mapped_ns = 0;  ///< Of the record that led to that.
    std::map<FileId, int> seen;    ///< Openings that failed; kSettled when it was looked at.
    bool unopened = false;         ///< One of them is to be tried again.
    bool missed = false;           ///< The last sweep did not find it.
    bool io_uring = false;         ///< It made one itself, and that was told.
    std::vector<events::LibraryFound> libraries;  ///< What was said of them.
  };

  void Announce(const ProcessRecord& record, bool by_exec);
  /// Probes what is mapped newly and notes it in `libraries`. Returns how many were added.
  size_t LookAtMappings(Watched* watched, events::MonoNs mapped_ns);
  /// Returns whether the file could be opened.
  bool LookAtFile(Watched* watched, const discovery::Mapping& mapping, events::MonoNs mapped_ns);
  static FileDescriptor OpenMapped(uint32_t pid, const discovery::Mapping& mapping);
  /// Emits the newest `count` of its libraries.
  void TellLibraries(const Watched& watched, size_t count);

  Prober* prober_;
  IsCurrent is_current_;
  events::EventSink* sink_;
  OpenMapping open_;
  std::map<uint32_t, Watched> processes_;
  uint32_t swept_ = 0;  ///< The last pid that was looked at.
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_PROCESS_WATCH_H_
