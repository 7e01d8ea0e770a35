// The kernel as a source of events: loads the programs of bpf/, selects what may be seen, attaches
// probes to TLS libraries and turns the ring's records into events.
#ifndef SONDE_AGENT_CAPTURE_LIVE_CAPTURE_H_
#define SONDE_AGENT_CAPTURE_LIVE_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/events/event.h"

namespace sonde::capture {

/// How uprobes are attached. kAuto takes uprobe_multi (Linux 6.6+) when the kernel accepts it.
enum class ProbeMechanism : uint8_t { kAuto = 0, kPerfEvent = 1, kUprobeMulti = 2 };

struct CaptureOptions {
  /// Load the syscall tracepoints of sockets (plain HTTP, TLS nobody else sees, QUIC). They cost
  /// every process of the host a little on every syscall, so they load only when asked for.
  bool sockets = true;
  /// Device of a terminal (major << 20 | minor) whose alternate screen is to be watched; 0: none.
  /// Costs every process of the host a little on every write.
  uint32_t terminal = 0;
  /// Bytes of the ring between kernel and user space; a power of two of at least one page. The
  /// ring is mapped twice, so resident memory grows by up to twice this.
  size_t ring_bytes = 16U << 20;
  /// Connections the kernel follows at a time. The idlest are evicted (CloseReason::kEvicted)
  /// when nine tenths are in use.
  uint32_t max_connections = 16384;
  /// Processes that can be selected at a time.
  uint32_t max_processes = 16384;
  ProbeMechanism mechanism = ProbeMechanism::kAuto;
};

/// What the kernel sends of one connection.
enum class CaptureMode : uint8_t {
  kFull = 0,     ///< Everything, up to 256 KiB of one invocation.
  kPrefix = 1,   ///< The first `prefix_bytes` of each direction after each turn.
  kLengths = 2,  ///< No bytes and no records; only the totals when it closes.
};

/// A verdict about one connection. It holds only for the generation it names and only until
/// `ttl_ns` has passed; then the connection is captured in full again. Offsets go on counting
/// meanwhile, so what was muted is a hole.
struct Verdict {
  events::ConnectionId connection;
  CaptureMode mode = CaptureMode::kFull;
  uint32_t prefix_bytes = 0;
  uint64_t ttl_ns = 60'000'000'000;
};

/// One file with TLS code and what became of it.
struct ProbedFile {
  std::string path;
  std::string family;
  std::string rung;
  bool attached = false;
  std::string problem;
  size_t probes = 0;
  uint64_t resolve_ns = 0;  ///< Time spent finding its functions.
  uint64_t attach_ns = 0;   ///< Time spent putting the probes in.
};

struct CaptureStats {
  std::map<std::string, uint64_t> losses;  ///< By cause, since the start.
  size_t ring_bytes = 0;
  uint64_t records = 0;          ///< Taken from the ring since the start.
  uint64_t ring_bytes_read = 0;  ///< Their size.
  size_t connections = 0;        ///< Entries of the kernel's connection table as of the last look.
  size_t processes = 0;          ///< Selected processes known to user space.
  std::string mechanism;         ///< "uprobe_multi" or "perf_event".
  bool sockets = false;          ///< The syscall tracepoints are in.
  bool terminal = false;         ///< The alternate screen of CaptureOptions::terminal is noticed.
  std::vector<ProbedFile> files;
};

/// A source of live events. One thread calls everything; events reach the sink inside Poll and
/// the Select calls, on that thread. An interface so that what drives it can be tested without
/// privilege.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;

  /// Selects a process and every process it starts from now on. For a process that runs already,
  /// its existing children are not included: pass each of them. Refuses Sonde's own process.
  /// Existing mappings are looked at and probed before this returns. FailedPrecondition when the
  /// process is gone.
  virtual absl::Status SelectProcessTree(uint32_t pid) = 0;

  /// Selects the processes in a cgroup directory and below it, v2 or v1. Refuses a root. All v1
  /// selections of one capture must be of the same controller.
  virtual absl::Status SelectCgroup(const std::string& directory) = 0;

  /// Takes back a selection: nothing of it is read from here on.
  virtual absl::Status DeselectProcess(uint32_t pid) = 0;
  virtual absl::Status DeselectCgroup(const std::string& directory) = 0;

  /// Tells of every program that a process of the host executes and that is not selected, so that
  /// the caller may select it: inside Poll, after the ring was read. Null ends it. Costs a record
  /// for each exec on the host.
  virtual absl::Status HearExecs(std::function<void(uint32_t pid)> hear) = 0;

  /// Puts probes into one file before any selected process maps it. A file without TLS code is
  /// not an error.
  virtual absl::Status AttachFileAhead(const std::string& path) = 0;

  /// The same for all files a command is likely to map: its program (found through `path`, the
  /// colon-separated list, after following scripts' interpreters), the TLS libraries that it needs
  /// and those of the dynamic linker's cache. `directory` is the command's working directory.
  virtual absl::Status AttachCommandAhead(const std::string& program, const std::string& path,
                                          const std::string& directory) = 0;

  /// Readable when the ring wants to be read; for a caller with a loop of its own, which still
  /// calls Poll(0) at least every 50 ms.
  virtual int epoll_fd() const = 0;

  /// Waits up to `timeout_ms` (at most about 25 ms at a time) for records, delivers them, looks
  /// at what was mapped newly and attaches. Emits a Tick at least every 100 ms of polling and a
  /// ClockOffset every 10 s.
  virtual absl::Status Poll(int timeout_ms) = 0;

  /// Reads what the ring still holds, without waiting, until it is empty.
  virtual absl::Status Drain() = 0;

  /// Hands a verdict to the kernel. One about a connection that is gone does nothing.
  virtual absl::Status SetVerdict(const Verdict& verdict) = 0;

  virtual CaptureStats stats() = 0;

  /// Whether a selected program has the terminal of CaptureOptions in its alternate screen.
  virtual bool AlternateScreen() const { return false; }

  /// Closes the gate at once, delivers what is left in the ring and lets go of the probes. Does
  /// not wait for the kernel to remove them: a keeper process sees to that. Called by the
  /// destructor too.
  virtual void Stop() = 0;
};

class LiveCapture {
 public:
  /// Loads the programs and checks the host. `sink` must outlive the result. Emits a ClockOffset.
  /// PermissionDenied without CAP_BPF and friends, Unimplemented when the kernel lacks what is
  /// needed, FailedPrecondition inside a PID namespace; each message says what to do. Call it
  /// while the process has one thread: it forks the keeper.
  static absl::StatusOr<std::unique_ptr<CaptureSource>> Create(const CaptureOptions& options,
                                                               events::EventSink* sink);
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_LIVE_CAPTURE_H_
