#include "agent/capture/process_watch.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/capture/clock.h"
#include "agent/discovery/process_facts.h"

namespace sonde::capture {
namespace {

constexpr size_t kMapsBytes = 4U << 20;

// Openings of one mapped file before it is given up.
constexpr int kMostOpenings = 4;
constexpr int kSettled = kMostOpenings;
// Processes that one sweep looks at.
constexpr int kSwept = 64;
constexpr size_t kStatBytes = 1024;

bool IsAlive(const events::ProcessId& process) {
  const std::string stat =
      discovery::ReadSmallFile(absl::StrCat("/proc/", process.pid, "/stat"), kStatBytes);
  return discovery::ParseStartTime(stat) == process.start_ns;
}

}  // namespace

/// The mapped file itself, whatever its path means by now: deleted, replaced, in a container.
FileDescriptor ProcessWatch::OpenMapped(uint32_t pid, const discovery::Mapping& mapping) {
  const std::string by_mapping =
      absl::StrFormat("/proc/%u/map_files/%x-%x", pid, mapping.start, mapping.end);
  FileDescriptor file(open(by_mapping.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.valid()) return file;
  const std::string by_root = absl::StrCat("/proc/", pid, "/root", mapping.path);
  return FileDescriptor(open(by_root.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

void ProcessWatch::Announce(const ProcessRecord& record, bool by_exec) {
  const events::ProcessId& process = record.process;
  events::ProcessStarted started;
  started.process = process;
  started.ns = record.ns;
  started.by_exec = by_exec;
  started.comm = record.comm;
  started.parent_pid = record.parent.pid;
  absl::StatusOr<discovery::ProcessFacts> facts = discovery::ReadProcessFacts(process.pid);
  // Asked after reading: what was read of an image that has been replaced meanwhile is another's.
  if (facts.ok() && facts->start_ns == process.start_ns && is_current_(process)) {
    started.parent_pid = facts->parent_pid;
    started.uid = facts->uid;
    if (started.comm.empty()) started.comm = std::move(facts->comm);
    started.executable = std::move(facts->executable);
    started.command_line = std::move(facts->command_line);
    started.cgroup = std::move(facts->cgroup);
  }
  sink_->OnEvent(started);
}

void ProcessWatch::TellLibraries(const Watched& watched, size_t count) {
  for (size_t i = watched.libraries.size() - count; i < watched.libraries.size(); ++i) {
    sink_->OnEvent(watched.libraries[i]);
  }
}

void ProcessWatch::Met(const ProcessRecord& record) {
  const auto [found, fresh] = processes_.try_emplace(record.process.pid);
  Watched& watched = found->second;
  if (!fresh && watched.id == record.process) return;
  watched = Watched{.id = record.process};
  const size_t libraries = LookAtMappings(&watched, 0);
  Announce(record, false);
  TellLibraries(watched, libraries);
}

void ProcessWatch::Forked(const ProcessRecord& record) {
  const events::ProcessId& child = record.process;
  Watched watched{.id = child};
  // It has the same files mapped: their probes are in.
  if (const auto found = processes_.find(record.parent.pid); found != processes_.end()) {
    watched.seen = found->second.seen;
    watched.unopened = found->second.unopened;
    watched.mapped_ns = found->second.mapped_ns;
    watched.libraries = found->second.libraries;
    for (events::LibraryFound& library : watched.libraries) library.process = child;
  }
  sink_->OnEvent(events::ProcessForked{child, record.parent, record.ns});
  Announce(record, false);
  TellLibraries(watched, watched.libraries.size());
  processes_[child.pid] = std::move(watched);
}

void ProcessWatch::Execed(const ProcessRecord& record) {
  Watched& watched = processes_[record.process.pid];
  watched = Watched{.id = record.process};
  // Its files before its facts: probes must be in before the program gets far.
  const size_t libraries = LookAtMappings(&watched, record.ns);
  Announce(record, true);
  TellLibraries(watched, libraries);
}

void ProcessWatch::Mapped(const ProcessRecord& record) {
  const auto found = processes_.find(record.process.pid);
  if (found == processes_.end()) return Met(record);
  // Looked at since: the mapping was there.
  if (found->second.looked_ns > record.ns) return;
  TellLibraries(found->second, LookAtMappings(&found->second, record.ns));
}

void ProcessWatch::Exited(const ProcessRecord& record) {
  const auto found = processes_.find(record.process.pid);
  // The sweep was quicker than a record that was long in the ring.
  if (found == processes_.end() || found->second.id.start_ns != record.process.start_ns) return;
  processes_.erase(found);
  sink_->OnEvent(events::ProcessExited{record.process, record.ns});
}

void ProcessWatch::UsesIoUring(const ProcessRecord& record) {
  const auto found = processes_.find(record.process.pid);
  if (found == processes_.end()) return;
  if (std::exchange(found->second.io_uring, true)) return;
  constexpr std::string_view kName = "io_uring";
  events::LibraryFound finding;
  finding.process = found->second.id;
  finding.path = kName;
  finding.family = kName;
  finding.problem = "plain HTTP through it is not seen";
  sink_->OnEvent(finding);
}

std::vector<events::ProcessId> ProcessWatch::Sweep() {
  std::vector<events::ProcessId> gone;
  const size_t count = std::min<size_t>(kSwept, processes_.size());
  for (size_t i = 0; i < count; ++i) {
    auto next = processes_.upper_bound(swept_);
    if (next == processes_.end()) next = processes_.begin();
    swept_ = next->first;
    Watched& watched = next->second;
    if (IsAlive(watched.id)) {
      watched.missed = false;
      if (watched.unopened) TellLibraries(watched, LookAtMappings(&watched, watched.mapped_ns));
    } else if (std::exchange(watched.missed, true)) {
      // Twice: the record of its end may have been on its way.
      gone.push_back(watched.id);
    }
  }
  return gone;
}

size_t ProcessWatch::LookAtMappings(Watched* watched, events::MonoNs mapped_ns) {
  const size_t known = watched->libraries.size();
  watched->looked_ns = MonotonicNs();
  watched->mapped_ns = mapped_ns;
  watched->unopened = false;
  const std::string maps =
      discovery::ReadSmallFile(absl::StrCat("/proc/", watched->id.pid, "/maps"), kMapsBytes);
  for (const discovery::Mapping& mapping : discovery::ParseExecutableMappings(maps)) {
    int& openings =
        watched->seen[FileId{mapping.device_major, mapping.device_minor, mapping.inode}];
    if (openings == kSettled) continue;
    if (LookAtFile(watched, mapping, mapped_ns)) {
      openings = kSettled;
      continue;
    }
    const int error = errno;
    if (++openings < kMostOpenings) {
      watched->unopened = true;
      continue;
    }
    events::LibraryFound unknown;
    unknown.process = watched->id;
    unknown.path = mapping.path;
    unknown.family = "unknown";
    unknown.problem = absl::StrCat("it cannot be opened (", std::generic_category().message(error),
                                   "), so whether there is TLS code in it is not known");
    unknown.mapped_ns = mapped_ns;
    watched->libraries.push_back(std::move(unknown));
  }
  return watched->libraries.size() - known;
}

bool ProcessWatch::LookAtFile(Watched* watched, const discovery::Mapping& mapping,
                              events::MonoNs mapped_ns) {
  const FileDescriptor file = open_(watched->id.pid, mapping);
  if (!file.valid()) return false;
  const FileRecord& record = prober_->Probe(file.get(), mapping.path);
  if (!record.finding.has_value()) return true;
  events::LibraryFound found;
  found.process = watched->id;
  found.path = mapping.path;
  found.family = record.finding->family;
  found.rung = record.finding->rung;
  found.attached = record.attached;
  found.problem = record.problem;
  found.mapped_ns = mapped_ns;
  found.attached_ns = record.attached_ns;
  watched->libraries.push_back(std::move(found));
  return true;
}

}  // namespace sonde::capture
