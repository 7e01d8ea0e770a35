// What capture costs: beside an empty pair of probes on the same function, for processes that
// nobody selected, from a mapping to its last probe, and at the end. Prints a table; every figure
// with its number of samples and its spread. Needs root.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/capture/attach.h"
#include "agent/capture/clock.h"
#include "agent/capture/features/features.h"
#include "agent/capture/live_capture.h"
#include "agent/capture/testing/fake_ssl.h"
#include "agent/capture/testing/harness.h"
#include "agent/discovery/elf_file.h"

namespace sonde::capture {
namespace {

// Many short rounds, taken in turns: what else happens on the machine hits all alike, and the
// quickest are those that nothing hit.
constexpr ptrdiff_t kRounds = 160;
constexpr int kCalls = 250;
// Bytes of one round at most: a part of the ring, which the consumer empties between rounds.
constexpr int kRoundBytes = 4 << 20;
// SSL_write's twin in the same library that gets the empty pair.
constexpr const char* kEmptyTwin = "fake_ssl_write_empty";
constexpr std::array<int, 4> kSizes = {64, 1024, 4096, 16384};

/// Counts and forgets.
class CountingSink final : public events::EventSink {
 public:
  void OnEvent(const events::Event& event) override {
    if (const auto* found = std::get_if<events::LibraryFound>(&event)) libraries.push_back(*found);
    if (const auto* data = std::get_if<events::Data>(&event)) bytes += data->bytes.size();
  }
  std::vector<events::LibraryFound> libraries;
  uint64_t bytes = 0;
};

/// The middle and the tenth and ninetieth percentile, in the samples' own unit.
struct Spread {
  double low = 0;
  double middle = 0;
  double high = 0;
  size_t count = 0;
};

Spread Summarise(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const size_t last = samples.size() - 1;
  return {samples[last / 10], samples[last / 2], samples[last - last / 10], samples.size()};
}

void Print(const char* what, const Spread& spread, const char* unit) {
  std::printf("  %-58s %9.2f %-3s (%.2f .. %.2f, n=%zu)\n", what, spread.middle, unit, spread.low,
              spread.high, spread.count);
}

/// Memory that a child fills with samples.
class Shared {
 public:
  explicit Shared(size_t count)
      : bytes_(count * sizeof(double) + 64),
        memory_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~Shared() { munmap(memory_, bytes_); }
  double* samples() { return reinterpret_cast<double*>(static_cast<char*>(memory_) + 64); }

 private:
  size_t bytes_;
  void* memory_;
};

/// A copy of the library: a file of its own has probes of its own.
class Copy {
 public:
  Copy(const std::string& source, const std::string& name)
      : path_("/tmp/sonde-bench-" + std::to_string(getpid()) + "-" + name) {
    std::filesystem::copy_file(source, path_, std::filesystem::copy_options::overwrite_existing);
  }
  ~Copy() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using WriteFunction = int (*)(void*, const void*, int);

/// Nanoseconds per call. Probes run in the calling thread, so its processor time holds them and
/// other load on the machine does not count; the wall clock's is what a program waits.
struct Times {
  double cpu = 0;
  double wall = 0;
};

Times TimePerCall(int calls, const std::function<void()>& call) {
  const uint64_t wall = MonotonicNs();
  const uint64_t cpu = ClockNs(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < calls; ++i) call();
  return {static_cast<double>(ClockNs(CLOCK_THREAD_CPUTIME_ID) - cpu) / calls,
          static_cast<double>(MonotonicNs() - wall) / calls};
}

/// A program that returns at once, for the empty pair.
FileDescriptor EmptyProgram(bool multi) {
  const std::array<bpf_insn, 2> program = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  bpf_prog_load_opts options = {};
  options.sz = sizeof(options);
  if (multi) options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMultiAttachType);
  return FileDescriptor(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sonde_empty", "GPL", program.data(),
                                      program.size(), &options));
}

std::vector<FileDescriptor> AttachEmptyPair(const std::string& path, int program, bool multi) {
  std::vector<FileDescriptor> links;
  const auto file = discovery::ElfFile::Open(path);
  if (!file.ok()) return links;
  const uint64_t offset =
      file->FindFunctions({kEmptyTwin}, kEmptyTwin, false).offsets.at(kEmptyTwin);
  for (const bool at_return : {true, false}) {
    auto link = multi ? AttachUprobeMulti(program, path, {&offset, 1}, at_return)
                      : AttachUprobe(program, path, offset, at_return);
    if (link.ok()) links.push_back(*std::move(link));
  }
  return links;
}

/// Runs `work` in a child while `capture` is polled; the child is selected first if asked.
bool RunChild(CaptureSource* capture, bool selected, const std::function<void()>& work) {
  testing::Child child([&work] {
    work();
    return 0;
  });
  if (selected && !capture->SelectProcessTree(static_cast<uint32_t>(child.pid())).ok()) {
    return false;
  }
  child.Start();
  while (!child.Ended()) {
    if (capture == nullptr) {
      usleep(1000);
    } else if (!capture->Poll(20).ok()) {
      return false;
    }
  }
  if (capture != nullptr && !capture->Drain().ok()) return false;
  return child.Wait() == 0;
}

std::unique_ptr<CaptureSource> Create(bool sockets, ProbeMechanism mechanism, CountingSink* sink) {
  CaptureOptions options;
  options.sockets = sockets;
  options.mechanism = mechanism;
  auto capture = LiveCapture::Create(options, sink);
  if (capture.ok()) return *std::move(capture);
  std::fprintf(stderr, "%s\n", capture.status().ToString().c_str());
  return nullptr;
}

/// One clock's samples of the three columns.
void PrintPairs(int size, const double* samples, bool wall) {
  std::vector<double> added;
  std::vector<double> ratio;
  for (int i = 0; i < kRounds; ++i) {
    added.push_back(samples[2 * kRounds + i] - samples[kRounds + i]);
    ratio.push_back(samples[2 * kRounds + i] / samples[kRounds + i]);
  }
  const auto column = [&](int i) {
    return std::vector<double>(samples + i * kRounds, samples + (i + 1) * kRounds);
  };
  const auto quickest = [&](int i) {
    return *std::min_element(samples + i * kRounds, samples + (i + 1) * kRounds);
  };
  std::printf("  %6d B, %s   %7.2f | %7.2f | %7.2f us\n", size,
              wall ? "wall clock    " : "processor time", Summarise(column(0)).middle,
              Summarise(column(1)).middle, Summarise(column(2)).middle);
  Print("added to the empty pair", Summarise(added), "us");
  std::printf("  %-58s %9.2f us\n", "the same between the quickest rounds of both",
              quickest(2) - quickest(1));
  Print("ratio to the empty pair", Summarise(ratio), "x");
}

/// Columns: no probes, an empty pair, Sonde's pair; interleaved in one process.
void ProbePairs(ProbeMechanism mechanism, bool selected) {
  CountingSink sink;
  const auto capture = Create(false, mechanism, &sink);
  if (capture == nullptr) return;
  const bool multi = capture->stats().mechanism == "uprobe_multi";
  std::printf("\nSSL_write of a %s process, %s, no probes | empty pair | Sonde's pair\n",
              selected ? "selected" : "not selected", capture->stats().mechanism.c_str());
  const FileDescriptor program = EmptyProgram(multi);
  const auto links = AttachEmptyPair(SONDE_FAKE_SSL, program.get(), multi);
  if (links.size() != 2 || !capture->AttachFileAhead(SONDE_FAKE_SSL).ok()) {
    std::printf("  could not attach\n");
    return;
  }
  for (const int size : kSizes) {
    Shared shared(6 * kRounds);
    double* samples = shared.samples();
    const bool done = RunChild(capture.get(), selected, [&] {
      const WriteFunction writes[] = {fake_ssl_write_bare, fake_ssl_write_empty, SSL_write};
      fake_ssl_touch = 0;
      fake_ssl_result = 1 << 30;
      const std::string text(static_cast<size_t>(size), 'x');
      int object = 0;
      for (int round = -3; round < kRounds; ++round) {
        for (int i = 0; i < 3; ++i) {
          const Times time = TimePerCall(std::min(kCalls, kRoundBytes / size),
                                         [&] { writes[i](&object, text.data(), size); });
          if (round < 0) continue;
          samples[i * kRounds + round] = time.cpu / 1000;
          samples[(3 + i) * kRounds + round] = time.wall / 1000;
        }
        // The consumer keeps up, as it does between the calls of a program.
        usleep(2000);
      }
    });
    if (!done) {
      std::printf("  the child failed\n");
      return;
    }
    for (const int clock : {0, 3}) PrintPairs(size, samples + clock * kRounds, clock != 0);
    if (selected) {
      std::printf("  %-58s %9.2f us\n", "allowed: 1.5 us + 0.12 us/KiB",
                  1.5 + 0.12 * static_cast<double>(size) / 1024);
    }
  }
  for (const auto& [cause, count] : capture->stats().losses) {
    if (count != 0) std::printf("  lost: %s %lu\n", cause.c_str(), count);
  }
}

/// What syscalls cost a process that nobody selected.
void Syscalls() {
  std::printf("\nSyscalls of a process that is not selected\n");
  CountingSink sink;
  const auto measure = [&](const char* what, CaptureSource* capture) {
    Shared shared(2 * kRounds);
    double* samples = shared.samples();
    RunChild(capture, false, [&] {
      const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
      char buffer[64];
      for (int round = 0; round < kRounds; ++round) {
        samples[round] =
            TimePerCall(kCalls, [&] { (void)!read(zero, buffer, sizeof(buffer)); }).cpu;
        samples[kRounds + round] = TimePerCall(kCalls, [] { syscall(SYS_getppid); }).cpu;
      }
    });
    std::printf(" %s\n", what);
    Print("read", Summarise({samples, samples + kRounds}), "ns");
    Print("getppid", Summarise({samples + kRounds, samples + 2 * kRounds}), "ns");
  };
  measure("without Sonde", nullptr);
  if (const auto capture = Create(false, ProbeMechanism::kAuto, &sink); capture != nullptr) {
    measure("with Sonde, without socket tracepoints (the mmap tracepoints are in)", capture.get());
  }
  if (const auto capture = Create(true, ProbeMechanism::kAuto, &sink); capture != nullptr) {
    measure("with Sonde and socket tracepoints", capture.get());
  }
}

/// From the executable mapping of a library nobody knew to its last probe.
void MappingToProbe(ProbeMechanism mechanism, const std::string& library) {
  constexpr int kLibraries = 15;
  CountingSink sink;
  const auto capture = Create(false, mechanism, &sink);
  if (capture == nullptr) return;
  std::vector<std::unique_ptr<Copy>> copies;
  for (int i = 0; i < kLibraries; ++i) {
    copies.push_back(std::make_unique<Copy>(library, "libssl.so." + std::to_string(i)));
  }
  std::atomic<int>* step = reinterpret_cast<std::atomic<int>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  testing::Child child([&] {
    for (int i = 0; i < kLibraries; ++i) {
      const int fd = open(copies[static_cast<size_t>(i)]->path().c_str(), O_RDONLY | O_CLOEXEC);
      mmap(nullptr, 1U << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
      while (step->load() <= i) usleep(500);
    }
    return 0;
  });
  if (!capture->SelectProcessTree(static_cast<uint32_t>(child.pid())).ok()) return;
  sink.libraries.clear();
  child.Start();
  const uint64_t deadline = MonotonicNs() + 30'000'000'000;
  while (!child.Ended() && MonotonicNs() < deadline) {
    if (!capture->Poll(20).ok()) break;
    step->store(static_cast<int>(sink.libraries.size()));
  }
  std::vector<double> late;
  for (const auto& found : sink.libraries) {
    if (found.attached)
      late.push_back(static_cast<double>(found.attached_ns - found.mapped_ns) / 1e6);
  }
  std::printf("\nFrom the executable mapping of a new libssl to its last probe (at most 20 ms)\n");
  Print(capture->stats().mechanism.c_str(), Summarise(late), "ms");
}

/// How long it takes until everything is loaded and a command's files have their probes.
void StartUp() {
  std::vector<double> created;
  std::vector<double> attached;
  for (int i = 0; i < 15; ++i) {
    CountingSink sink;
    const uint64_t start = MonotonicNs();
    const auto capture = Create(true, ProbeMechanism::kAuto, &sink);
    if (capture == nullptr) return;
    const uint64_t loaded = MonotonicNs();
    if (!capture->AttachCommandAhead("python3", "/usr/local/bin:/usr/bin:/bin", "/").ok()) return;
    created.push_back(static_cast<double>(loaded - start) / 1e6);
    attached.push_back(static_cast<double>(MonotonicNs() - loaded) / 1e6);
  }
  std::printf("\nStart-up, with sockets\n");
  Print("programs loaded, tracepoints in", Summarise(created), "ms");
  Print("python3's files probed", Summarise(attached), "ms");
}

/// How long letting go holds the caller.
void Closing(ProbeMechanism mechanism, const std::string& library) {
  std::vector<double> times;
  std::string name;
  for (int i = 0; i < 5; ++i) {
    CountingSink sink;
    auto capture = Create(true, mechanism, &sink);
    if (capture == nullptr || !capture->AttachFileAhead(library).ok()) return;
    name = capture->stats().mechanism;
    const uint64_t start = MonotonicNs();
    capture->Stop();
    capture.reset();
    times.push_back(static_cast<double>(MonotonicNs() - start) / 1e6);
  }
  Print(name.c_str(), Summarise(times), "ms");
}

int Main() {
  if (const absl::Status status = CheckHost(); !status.ok()) {
    std::printf("not measured: %s\n", std::string(status.message()).c_str());
    return 0;
  }
  ProbePairs(ProbeMechanism::kAuto, true);
  ProbePairs(ProbeMechanism::kPerfEvent, true);
  ProbePairs(ProbeMechanism::kAuto, false);
  Syscalls();
  StartUp();
  MappingToProbe(ProbeMechanism::kAuto, SONDE_LIBSSL);
  MappingToProbe(ProbeMechanism::kPerfEvent, SONDE_LIBSSL);
  std::printf("\nStop() and destruction, all probes and tracepoints in\n");
  Closing(ProbeMechanism::kAuto, SONDE_LIBSSL);
  Closing(ProbeMechanism::kPerfEvent, SONDE_LIBSSL);
  return 0;
}

}  // namespace
}  // namespace sonde::capture

int main() { return sonde::capture::Main(); }
