// What the sources of events (the kernel's ring, a capture file, discovery) tell the rooms behind
// them. Everything after this header is a function of the event sequence: no clock, no procfs.
#ifndef SONDE_AGENT_EVENTS_EVENT_H_
#define SONDE_AGENT_EVENTS_EVENT_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace sonde::events {

/// Nanoseconds of CLOCK_MONOTONIC (bpf_ktime_get_ns). Durations are differences of these.
using MonoNs = uint64_t;

/// One process image. A pid alone is reused by the kernel and an exec replaces the program.
struct ProcessId {
  uint32_t pid = 0;              ///< Thread group id in the root PID namespace.
  uint64_t start_ns = 0;         ///< CLOCK_BOOTTIME start of the group leader, nanoseconds.
  uint32_t exec_generation = 0;  ///< Counts execs seen since Sonde selected the process.
  auto operator<=>(const ProcessId&) const = default;
};

enum class Transport : uint8_t {
  kTls = 1,     ///< Plaintext of a TLS library; handle is the library's object (SSL*).
  kSocket = 2,  ///< A socket through syscalls; handle is the descriptor.
};

/// One connection. `generation` is the kernel time at which the handle began this life: allocators
/// and descriptor tables hand the same handle to the next connection.
struct ConnectionId {
  ProcessId process;
  Transport transport = Transport::kTls;
  uint64_t handle = 0;
  uint64_t generation = 0;
  auto operator<=>(const ConnectionId&) const = default;
};

enum class Role : uint8_t { kUnknown = 0, kClient = 1, kServer = 2 };

/// As the selected process sees it.
enum class Direction : uint8_t { kOut = 0, kIn = 1 };
inline constexpr int kDirections = 2;

/// Bytes of one direction. `bytes` is shorter than `length` when the rest was not captured: those
/// `length - bytes.size()` bytes after it are a hole. The view lives until the call that delivers
/// the event returns.
struct Data {
  ConnectionId connection;
  Direction direction = Direction::kOut;
  Role role = Role::kUnknown;
  uint64_t offset = 0;     ///< Position of the first byte in its direction, from 0.
  uint64_t length = 0;     ///< Bytes of the stream this event stands for.
  std::string_view bytes;  ///< What was captured of them, from the front.
  MonoNs entry_ns = 0;     ///< Entry of the library call or syscall.
  MonoNs exit_ns = 0;      ///< Its return.
  uint32_t tid = 0;
  bool after_gap = false;   ///< Tail of a large invocation whose middle was not captured.
  bool concurrent = false;  ///< Another invocation was inside on the same direction: order unknown.
};

struct ConnectionOpened {
  ConnectionId connection;
  MonoNs ns = 0;
  Role role = Role::kUnknown;
  bool mid_stream = false;  ///< Its beginning was not seen.
};

/// Facts about a connection that become known after it opened; absent ones are not yet known.
struct ConnectionInfo {
  ConnectionId connection;
  MonoNs ns = 0;
  std::optional<Role> role;
  std::optional<std::string> server_name;   ///< SNI the client asked for.
  std::optional<std::string> peer_address;  ///< Numeric.
  std::optional<uint16_t> peer_port;
  std::optional<int32_t> fd;  ///< Descriptor below an SSL*, when it was learnt.
  bool datagram = false;      ///< UDP: with port 443 this is taken for QUIC.
};

/// One direction ended. In: the peer or the path ended it, a read returned end of file or an error
/// that is not "try again". Out: without an error this side ended it (SSL_shutdown, shutdown(2)),
/// with one a write failed.
struct StreamEnded {
  ConnectionId connection;
  Direction direction = Direction::kIn;
  MonoNs ns = 0;
  bool error = false;  ///< Reset or a TLS error rather than an orderly end.
};

enum class CloseReason : uint8_t {
  kFreed = 1,     ///< SSL_free, SSL_clear.
  kClosed = 2,    ///< close(2).
  kShutdown = 3,  ///< SSL_shutdown or shutdown(2): this side will send no more.
  kExec = 4,
  kExit = 5,
  kEvicted = 6,     ///< A table was full.
  kDeselected = 7,  ///< Its process is not to be looked at any more.
};

/// The end of a connection as the process sees it. Totals are the kernel's own, also where records
/// were lost.
struct ConnectionClosed {
  ConnectionId connection;
  MonoNs ns = 0;
  CloseReason reason = CloseReason::kFreed;
  uint64_t bytes[kDirections] = {0, 0};
  uint64_t lost_records = 0;
};

struct ProcessForked {
  ProcessId process;
  ProcessId parent;
  MonoNs ns = 0;
};

/// A process began to be watched or executed a new image. Text comes from procfs, read when the
/// kernel's event arrived, and may be empty if the process was gone by then.
struct ProcessStarted {
  ProcessId process;
  uint32_t parent_pid = 0;
  MonoNs ns = 0;
  bool by_exec = false;  ///< False: it was running already, or is a forked child.
  uint32_t uid = 0;
  std::string comm;
  std::string executable;    ///< Path as the process sees it.
  std::string command_line;  ///< Arguments joined by one blank; secrets are not removed.
  std::string cgroup;
};

struct ProcessExited {
  ProcessId process;
  MonoNs ns = 0;
};

/// What discovery found out about a file with TLS code that a selected process has mapped.
struct LibraryFound {
  ProcessId process;
  std::string path;
  std::string family;  ///< "openssl", "gnutls", "go", ...
  std::string rung;    ///< Where its functions were found: ".dynsym", ".symtab", ...
  bool attached = false;
  std::string problem;   ///< Why not, when not attached.
  MonoNs mapped_ns = 0;  ///< 0 when it was mapped before Sonde looked.
  MonoNs attached_ns =
      0;  ///< When the last probe was in; later than mapped_ns means attached late.
};

/// Events that never reached user space, or that it had to drop, by cause since the last one.
struct Loss {
  std::string cause;
  uint64_t count = 0;
  MonoNs ns = 0;
};

/// Wall clock minus monotonic clock at one moment; the newest sample holds.
struct ClockOffset {
  MonoNs ns = 0;
  int64_t wall_minus_mono_ns = 0;
};

/// Time passed and nothing else: timers run on these and on the times of other events.
struct Tick {
  MonoNs ns = 0;
};

using Event = std::variant<Data, ConnectionOpened, ConnectionInfo, StreamEnded, ConnectionClosed,
                           ProcessForked, ProcessStarted, ProcessExited, LibraryFound, Loss,
                           ClockOffset, Tick>;

/// Takes events in order, on one thread.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(const Event& event) = 0;
};

}  // namespace sonde::events

#endif  // SONDE_AGENT_EVENTS_EVENT_H_
