#include "agent/capture/live_capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/attach.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/cgroup_path.h"
#include "agent/capture/clock.h"
#include "agent/capture/connection_table.h"
#include "agent/capture/features/features.h"
#include "agent/capture/keeper.h"
#include "agent/capture/loss_counters.h"
#include "agent/capture/prober.h"
#include "agent/capture/process_watch.h"
#include "agent/capture/record_decoder.h"
#include "agent/capture/tracepoints.h"
#include "agent/discovery/command_files.h"
#include "agent/discovery/process_facts.h"

namespace sonde::capture {
namespace {

// How long the ring is left alone when the kernel does not ask for attention: bounds the delay of
// a live line.
constexpr int kLookMs = 25;
constexpr uint64_t kTickNs = 100'000'000;
constexpr uint64_t kClockNs = 10'000'000'000;
constexpr uint64_t kGaugeNs = 1'000'000'000;
// The kernel asks for attention when this part of the ring is full.
constexpr size_t kWakeShare = 8;

class LiveSource final : public CaptureSource {
 public:
  LiveSource(const CaptureOptions& options, events::EventSink* sink)
      : options_(options), sink_(sink) {}
  ~LiveSource() override { Stop(); }

  absl::Status Start();

  absl::Status SelectProcessTree(uint32_t pid) override;
  absl::Status SelectCgroup(const std::string& directory) override;
  absl::Status DeselectProcess(uint32_t pid) override;
  absl::Status DeselectCgroup(const std::string& directory) override;
  absl::Status HearExecs(std::function<void(uint32_t)> hear) override;
  absl::Status AttachFileAhead(const std::string& path) override;
  absl::Status AttachCommandAhead(const std::string& program, const std::string& path,
                                  const std::string& directory) override;
  int epoll_fd() const override { return ring_ == nullptr ? -1 : ring_buffer__epoll_fd(ring_); }
  absl::Status Poll(int timeout_ms) override;
  absl::Status Drain() override;
  absl::Status SetVerdict(const Verdict& verdict) override;
  CaptureStats stats() override;
  bool AlternateScreen() const override {
    return programs_ != nullptr && programs_->alternate_screen();
  }
  void Stop() override;

 private:
  absl::Status AttachTracepoints();
  absl::Status AttachSyscalls(std::span<const TracepointSpec> specs);
  absl::Status Consume();
  absl::Status WriteConfig();
  absl::Status Select(uint32_t pid, uint32_t source);
  void OnRecord(std::string_view bytes);
  void OnProcess(const ProcessRecord& record);
  void LetGo(uint32_t pid, events::MonoNs ns);
  std::vector<uint32_t> SelectedByCgroup();
  void Housekeeping();
  void Keep(FileDescriptor link);

  const CaptureOptions options_;
  events::EventSink* sink_;
  bool multi_ = false;
  bool stopped_ = true;
  sonde_config config_ = {};
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<BpfPrograms> programs_;
  std::unique_ptr<Prober> prober_;
  std::unique_ptr<ProcessWatch> watch_;
  std::optional<ConnectionTable> connections_;
  std::optional<LossCounters> losses_;
  ring_buffer* ring_ = nullptr;
  std::vector<FileDescriptor> links_;
  /// Directories by subsystem and id.
  std::map<std::pair<int32_t, uint64_t>, std::string> cgroups_;
  std::function<void(uint32_t)> hear_exec_;
  std::vector<uint32_t> execs_;  ///< Since the ring was last read to its end.
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
  uint64_t tick_ns_ = 0;
  uint64_t clock_ns_ = 0;
  uint64_t gauge_ns_ = 0;
};

absl::Status LiveSource::Start() {
  if (absl::Status status = CheckHost(); !status.ok()) return status;
  multi_ = options_.mechanism != ProbeMechanism::kPerfEvent && HasUprobeMulti();
  if (options_.mechanism == ProbeMechanism::kUprobeMulti && !multi_) {
    return absl::UnimplementedError("this kernel has no uprobe_multi links (Linux 6.6)");
  }
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (options_.ring_bytes < page || (options_.ring_bytes & (options_.ring_bytes - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ring's size must be a power of two of at least ", page, " bytes, not ",
                     options_.ring_bytes));
  }
  absl::StatusOr<std::unique_ptr<Keeper>> keeper = Keeper::Start();
  if (!keeper.ok()) return keeper.status();
  keeper_ = *std::move(keeper);
  absl::StatusOr<std::unique_ptr<BpfPrograms>> programs = BpfPrograms::Load(options_, multi_);
  if (!programs.ok()) return programs.status();
  programs_ = *std::move(programs);
  const Maps& maps = programs_->maps();
  ring_ = ring_buffer__new(
      maps.ring,
      [](void* self, void* data, size_t size) {
        static_cast<LiveSource*>(self)->OnRecord({static_cast<const char*>(data), size});
        return 0;
      },
      this, nullptr);
  if (ring_ == nullptr) return absl::ErrnoToStatus(errno, "cannot map the ring");
  connections_.emplace(maps.connections, maps.verdicts, options_.max_connections);
  losses_.emplace(maps.losses);
  prober_ = std::make_unique<Prober>(programs_.get(), keeper_.get(), multi_);
  const auto is_current = [map = maps.processes](const events::ProcessId& process) {
    sonde_process known = {};
    // One that has exited has no entry; then what procfs still shows is its last image's.
    return bpf_map_lookup_elem(map, &process.pid, &known) != 0 ||
           known.exec_generation == process.exec_generation;
  };
  watch_ = std::make_unique<ProcessWatch>(prober_.get(), is_current, sink_);
  config_ = {.enabled = 1,
             .self_tgid = static_cast<uint32_t>(getpid()),
             .v1_subsystem = -1,
             .wake_bytes = options_.ring_bytes / kWakeShare};
  stopped_ = false;
  if (absl::Status status = WriteConfig(); !status.ok()) return status;
  if (absl::Status status = AttachTracepoints(); !status.ok()) return status;
  Housekeeping();
  return absl::OkStatus();
}

absl::Status LiveSource::AttachTracepoints() {
  for (const TracepointSpec& spec : ProcessTracepoints()) {
    absl::StatusOr<FileDescriptor> link =
        AttachRawTracepoint(programs_->Program(std::string(spec.program)), std::string(spec.name));
    if (!link.ok()) return link.status();
    Keep(*std::move(link));
  }
  if (absl::Status status = AttachSyscalls(MappingTracepoints()); !status.ok()) return status;
  if (programs_->watches_terminal()) {
    if (absl::Status status = AttachSyscalls(TerminalTracepoints()); !status.ok()) return status;
  }
  return options_.sockets ? AttachSyscalls(SocketTracepoints()) : absl::OkStatus();
}

absl::Status LiveSource::AttachSyscalls(std::span<const TracepointSpec> specs) {
  for (const TracepointSpec& spec : specs) {
    absl::StatusOr<FileDescriptor> link = AttachTracepoint(
        programs_->Program(std::string(spec.program)), "syscalls", std::string(spec.name));
    // A syscall that this kernel lacks (dup2 on arm64) cannot be called either.
    if (absl::IsNotFound(link.status())) continue;
    if (!link.ok()) return link.status();
    Keep(*std::move(link));
  }
  return absl::OkStatus();
}

void LiveSource::Keep(FileDescriptor link) {
  if (!keeper_->Hold(link.get()).ok()) links_.push_back(std::move(link));
}

absl::Status LiveSource::WriteConfig() {
  const uint32_t zero = 0;
  if (bpf_map_update_elem(programs_->maps().config, &zero, &config_, BPF_ANY) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "cannot write the kernel programs' settings");
}

absl::Status LiveSource::Select(uint32_t pid, uint32_t source) {
  if (pid == config_.self_tgid) {
    return absl::InvalidArgumentError("Sonde does not look at itself");
  }
  const absl::StatusOr<discovery::ProcessFacts> facts = discovery::ReadProcessFacts(pid);
  if (!facts.ok()) return absl::FailedPreconditionError(facts.status().message());
  sonde_process process = {};
  process.start_ns = facts->start_ns;
  process.source = source;
  process.selection = config_.selection;
  process.since_ns = MonotonicNs();
  const int map = programs_->maps().processes;
  if (bpf_map_update_elem(map, &pid, &process, BPF_NOEXIST) != 0 && errno == EEXIST) {
    // Known already, as a child or by its cgroup: it keeps its exec count.
    sonde_process known = {};
    if (bpf_map_lookup_elem(map, &pid, &known) == 0 && known.start_ns == process.start_ns) {
      process.exec_generation = known.exec_generation;
      process.since_ns = known.since_ns;
      if (known.source == SONDE_SOURCE_TREE) process.source = SONDE_SOURCE_TREE;
    }
    bpf_map_update_elem(map, &pid, &process, BPF_ANY);
  }
  ProcessRecord met;
  met.process = {pid, process.start_ns, process.exec_generation};
  met.ns = MonotonicNs();
  watch_->Met(met);
  return absl::OkStatus();
}

absl::Status LiveSource::SelectProcessTree(uint32_t pid) { return Select(pid, SONDE_SOURCE_TREE); }

absl::Status LiveSource::SelectCgroup(const std::string& directory) {
  const absl::StatusOr<Cgroup> cgroup = ResolveCgroup(directory);
  if (!cgroup.ok()) return cgroup.status();
  if (cgroup->subsystem >= 0 && config_.v1_subsystem >= 0 &&
      config_.v1_subsystem != cgroup->subsystem) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory,
        " belongs to another controller than the cgroups selected before; name it under "
        "the same controller"));
  }
  const sonde_cgroup_key key = {cgroup->id, cgroup->subsystem, 0};
  const uint8_t one = 1;
  if (bpf_map_update_elem(programs_->maps().cgroups, &key, &one, BPF_ANY) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot select ", directory));
  }
  cgroups_.emplace(std::pair(cgroup->subsystem, cgroup->id), directory);
  config_.cgroups = static_cast<uint32_t>(cgroups_.size());
  if (cgroup->subsystem >= 0) config_.v1_subsystem = cgroup->subsystem;
  if (absl::Status status = WriteConfig(); !status.ok()) return status;
  for (const uint32_t pid : CgroupProcesses(directory)) {
    // One that is gone by now, or is Sonde itself, is no error here.
    if (pid != config_.self_tgid) Select(pid, SONDE_SOURCE_CGROUP).IgnoreError();
  }
  return absl::OkStatus();
}

absl::Status LiveSource::DeselectProcess(uint32_t pid) {
  sonde_process known = {};
  const int map = programs_->maps().processes;
  if (bpf_map_lookup_elem(map, &pid, &known) != 0 || bpf_map_delete_elem(map, &pid) != 0) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " is not selected"));
  }
  const events::MonoNs now = MonotonicNs();
  // What was captured before still counts, and tells which connections there are.
  if (absl::Status status = Consume(); !status.ok()) return status;
  LetGo(pid, now);
  return absl::OkStatus();
}

void LiveSource::LetGo(uint32_t pid, events::MonoNs ns) {
  connections_->CloseAll(pid, ns, events::CloseReason::kDeselected, sink_);
  watch_->Forget(pid);
}

std::vector<uint32_t> LiveSource::SelectedByCgroup() {
  std::vector<uint32_t> pids;
  const int map = programs_->maps().processes;
  uint32_t pid = 0;
  // Bounded by the table's size: what is added meanwhile does not make it endless.
  for (bool more = bpf_map_get_next_key(map, nullptr, &pid) == 0;
       more && pids.size() < options_.max_processes;
       more = bpf_map_get_next_key(map, &pids.back(), &pid) == 0) {
    pids.push_back(pid);
  }
  std::erase_if(pids, [map](uint32_t one) {
    sonde_process process = {};
    return bpf_map_lookup_elem(map, &one, &process) != 0 || process.source != SONDE_SOURCE_CGROUP;
  });
  return pids;
}

absl::Status LiveSource::DeselectCgroup(const std::string& directory) {
  const absl::StatusOr<Cgroup> cgroup = ResolveCgroup(directory);
  if (!cgroup.ok()) return cgroup.status();
  const sonde_cgroup_key key = {cgroup->id, cgroup->subsystem, 0};
  if (bpf_map_delete_elem(programs_->maps().cgroups, &key) != 0) {
    return absl::NotFoundError(absl::StrCat(directory, " is not selected"));
  }
  cgroups_.erase({cgroup->subsystem, cgroup->id});
  config_.cgroups = static_cast<uint32_t>(cgroups_.size());
  // Every process that a cgroup selected is asked for its cgroup again.
  config_.selection++;
  if (absl::Status status = WriteConfig(); !status.ok()) return status;
  // Nothing more is read from here on. Those that do nothing are let go now, not when they stir.
  std::set<uint32_t> still;
  for (const auto& [key_of, other] : cgroups_) {
    for (const uint32_t pid : CgroupProcesses(other)) still.insert(pid);
  }
  if (absl::Status status = Consume(); !status.ok()) return status;
  const int map = programs_->maps().processes;
  for (const uint32_t pid : SelectedByCgroup()) {
    if (!still.contains(pid) && bpf_map_delete_elem(map, &pid) == 0) LetGo(pid, MonotonicNs());
  }
  return absl::OkStatus();
}

absl::Status LiveSource::HearExecs(std::function<void(uint32_t)> hear) {
  config_.all_execs = hear ? 1 : 0;
  hear_exec_ = std::move(hear);
  return WriteConfig();
}

absl::Status LiveSource::AttachFileAhead(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const FileRecord& record = prober_->Probe(file.get(), path);
  // TLS code that cannot be probed yet is told when a process maps it.
  if (!record.finding.has_value() || record.finding->probes.empty() || record.attached) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(path, ": ", record.problem));
}

absl::Status LiveSource::AttachCommandAhead(const std::string& program, const std::string& path,
                                            const std::string& directory) {
  absl::Status first;
  for (const std::string& file : discovery::FilesOfCommand(program, path, directory)) {
    first.Update(AttachFileAhead(file));
  }
  return first;
}

void LiveSource::OnRecord(std::string_view bytes) {
  records_++;
  bytes_ += bytes.size();
  if (const std::optional<events::Event> event = DecodeRecord(bytes); event.has_value()) {
    connections_->Note(*event);
    sink_->OnEvent(*event);
    return;
  }
  if (const std::optional<ProcessRecord> record = DecodeProcessRecord(bytes); record.has_value()) {
    OnProcess(*record);
  }
}

void LiveSource::OnProcess(const ProcessRecord& record) {
  switch (record.type) {
    case SONDE_RECORD_FORKED:
      return watch_->Forked(record);
    case SONDE_RECORD_EXECED:
      connections_->CloseAll(record.process.pid, record.ns, events::CloseReason::kExec, sink_);
      return watch_->Execed(record);
    case SONDE_RECORD_EXITED:
      connections_->CloseAll(record.process.pid, record.ns, events::CloseReason::kExit, sink_);
      return watch_->Exited(record);
    case SONDE_RECORD_MET:
      return watch_->Met(record);
    case SONDE_RECORD_MAPPED:
      return watch_->Mapped(record);
    case SONDE_RECORD_IO_URING:
      return watch_->UsesIoUring(record);
    case SONDE_RECORD_LEFT:
      return LetGo(record.process.pid, record.ns);
    case SONDE_RECORD_PASSED_BY:
      execs_.push_back(record.process.pid);
      return;
    default:
      return;
  }
}

absl::Status LiveSource::Consume() {
  const int got = ring_buffer__consume(ring_);
  if (got >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(-got, "cannot read the ring");
}

absl::Status LiveSource::Poll(int timeout_ms) {
  if (stopped_) return absl::FailedPreconditionError("the capture was stopped");
  if (timeout_ms != 0) {
    epoll_event event = {};
    const int wait = timeout_ms < 0 ? kLookMs : std::min(timeout_ms, kLookMs);
    epoll_wait(epoll_fd(), &event, 1, wait);
  }
  if (absl::Status status = Consume(); !status.ok()) return status;
  for (const uint32_t pid : std::exchange(execs_, {})) {
    if (hear_exec_) hear_exec_(pid);
  }
  Housekeeping();
  return absl::OkStatus();
}

absl::Status LiveSource::Drain() {
  if (stopped_) return absl::FailedPreconditionError("the capture was stopped");
  if (absl::Status status = Consume(); !status.ok()) return status;
  losses_->Report(MonotonicNs(), sink_);
  return absl::OkStatus();
}

void LiveSource::Housekeeping() {
  const uint64_t now = MonotonicNs();
  if (clock_ns_ == 0 || now - clock_ns_ >= kClockNs) {
    clock_ns_ = now;
    sink_->OnEvent(SampleClockOffset());
  }
  if (now - tick_ns_ >= kTickNs) {
    tick_ns_ = now;
    losses_->Report(now, sink_);
    sink_->OnEvent(events::Tick{now});
  }
  if (now - gauge_ns_ >= kGaugeNs) {
    gauge_ns_ = now;
    connections_->EvictIdle(now, sink_);
    for (const events::ProcessId& gone : watch_->Sweep()) {
      ProcessRecord exited;
      exited.type = SONDE_RECORD_EXITED;
      exited.process = gone;
      exited.ns = now;
      OnProcess(exited);
    }
  }
}

absl::Status LiveSource::SetVerdict(const Verdict& verdict) {
  if (stopped_) return absl::FailedPreconditionError("the capture was stopped");
  if (config_.verdicts == 0) {
    config_.verdicts = 1;
    if (absl::Status status = WriteConfig(); !status.ok()) return status;
  }
  return connections_->SetVerdict(verdict, MonotonicNs());
}

CaptureStats LiveSource::stats() {
  CaptureStats stats;
  stats.losses = losses_->totals();
  stats.ring_bytes = options_.ring_bytes;
  stats.records = records_;
  stats.ring_bytes_read = bytes_;
  stats.connections = connections_->size();
  stats.processes = watch_->size();
  stats.mechanism = multi_ ? "uprobe_multi" : "perf_event";
  stats.sockets = options_.sockets;
  stats.terminal = programs_->watches_terminal();
  stats.files = prober_->Files();
  return stats;
}

void LiveSource::Stop() {
  if (stopped_) return;
  config_.enabled = 0;
  WriteConfig().IgnoreError();
  Drain().IgnoreError();
  stopped_ = true;
  ring_buffer__free(ring_);
  ring_ = nullptr;
  links_.clear();
  keeper_.reset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CaptureSource>> LiveCapture::Create(const CaptureOptions& options,
                                                                   events::EventSink* sink) {
  auto source = std::make_unique<LiveSource>(options, sink);
  if (absl::Status status = source->Start(); !status.ok()) return status;
  return source;
}

}  // namespace sonde::capture
