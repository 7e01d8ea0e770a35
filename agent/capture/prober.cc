#include "agent/capture/prober.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/clock.h"

namespace sonde::capture {

const FileRecord& Prober::Probe(int fd, const std::string& name) {
  static const FileRecord kNothing;
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return kNothing;
  const FileKey key = {
      status.st_dev, status.st_ino,
      static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
  if (files_.size() >= limits_.remembered && !files_.contains(key)) Forget();
  const auto [found, fresh] = files_.try_emplace(key);
  FileRecord& record = found->second;
  if (!fresh) return record;
  const std::string readable = absl::StrCat("/proc/self/fd/", fd);
  const uint64_t start = MonotonicNs();
  record.name = name;
  record.finding = discovery::InspectFile(name, readable);
  record.resolve_ns = MonotonicNs() - start;
  if (record.finding.has_value()) Attach(readable, &record);
  return record;
}

void Prober::Attach(const std::string& readable, FileRecord* record) {
  if (record->finding->probes.empty()) {
    record->problem = record->finding->problem;
    return;
  }
  if (probed_ >= limits_.probed) {
    record->problem =
        absl::StrCat("there are probes in ", probed_, " files already, which is the limit");
    return;
  }
  const uint64_t start = MonotonicNs();
  const absl::Status status = AttachAll(readable, record->finding->probes, &record->probes);
  record->attached_ns = MonotonicNs();
  record->attach_ns = record->attached_ns - start;
  record->attached = status.ok();
  if (record->probes > 0) ++probed_;
  if (!status.ok()) record->problem = std::string(status.message());
}

absl::Status Prober::AttachAll(const std::string& readable,
                               const std::vector<discovery::Probe>& probes, size_t* attached) {
  // One link per program, in the order in which the family lists its programs first.
  std::vector<std::pair<const discovery::Probe*, std::vector<uint64_t>>> groups;
  for (const discovery::Probe& probe : probes) {
    if (!multi_ || groups.empty() || groups.back().first->program != probe.program) {
      groups.push_back({&probe, {}});
    }
    groups.back().second.push_back(probe.offset);
  }
  for (const auto& [probe, offsets] : groups) {
    const int program = programs_->Program(probe->program);
    if (program < 0) return absl::InternalError(absl::StrCat("no program ", probe->program));
    absl::StatusOr<FileDescriptor> link =
        multi_ ? AttachUprobeMulti(program, readable, offsets, probe->at_return)
               : AttachUprobe(program, readable, offsets.front(), probe->at_return);
    if (!link.ok()) return link.status();
    Keep(*std::move(link));
    *attached += offsets.size();
  }
  return absl::OkStatus();
}

void Prober::Keep(FileDescriptor link) {
  if (keeper_ != nullptr && keeper_->Hold(link.get()).ok()) return;
  links_.push_back(std::move(link));
}

void Prober::Forget() {
  std::erase_if(files_, [](const auto& entry) { return entry.second.probes == 0; });
}

std::vector<ProbedFile> Prober::Files() const {
  std::vector<ProbedFile> files;
  for (const auto& [key, record] : files_) {
    if (!record.finding.has_value()) continue;
    files.push_back({record.name, record.finding->family, record.finding->rung, record.attached,
                     record.problem, record.probes, record.resolve_ns, record.attach_ns});
  }
  return files;
}

}  // namespace sonde::capture
