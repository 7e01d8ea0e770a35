#include "agent/capture/process_watch.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/capture/clock.h"
#include "agent/discovery/process_facts.h"

namespace sonde::capture {
namespace {

constexpr size_t kMapsBytes = 4U << 20;

/// The mapped file itself, whatever its path means by now: deleted, replaced, in a container.
FileDescriptor OpenMapped(uint32_t pid, const discovery::Mapping& mapping) {
  const std::string by_mapping =
      absl::StrFormat("/proc/%u/map_files/%x-%x", pid, mapping.start, mapping.end);
  FileDescriptor file(open(by_mapping.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.valid()) return file;
  const std::string by_root = absl::StrCat("/proc/", pid, "/root", mapping.path);
  return FileDescriptor(open(by_root.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

}  // namespace

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
  processes_.erase(record.process.pid);
  sink_->OnEvent(events::ProcessExited{record.process, record.ns});
}

size_t ProcessWatch::LookAtMappings(Watched* watched, events::MonoNs mapped_ns) {
  const size_t known = watched->libraries.size();
  watched->looked_ns = MonotonicNs();
  const std::string maps =
      discovery::ReadSmallFile(absl::StrCat("/proc/", watched->id.pid, "/maps"), kMapsBytes);
  for (const discovery::Mapping& mapping : discovery::ParseExecutableMappings(maps)) {
    const FileId id = {mapping.device_major, mapping.device_minor, mapping.inode};
    if (watched->seen.insert(id).second) LookAtFile(watched, mapping, mapped_ns);
  }
  return watched->libraries.size() - known;
}

void ProcessWatch::LookAtFile(Watched* watched, const discovery::Mapping& mapping,
                              events::MonoNs mapped_ns) {
  const FileDescriptor file = OpenMapped(watched->id.pid, mapping);
  if (!file.valid()) return;
  const FileRecord& record = prober_->Probe(file.get(), mapping.path);
  if (!record.finding.has_value()) return;
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
}

}  // namespace sonde::capture
