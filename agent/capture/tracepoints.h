// Which program watches which tracepoint.
#ifndef SONDE_AGENT_CAPTURE_TRACEPOINTS_H_
#define SONDE_AGENT_CAPTURE_TRACEPOINTS_H_

#include <span>
#include <string_view>

namespace sonde::capture {

struct TracepointSpec {
  std::string_view name;
  std::string_view program;
};

/// Raw tracepoints of the life of processes.
std::span<const TracepointSpec> ProcessTracepoints();

/// Syscalls that map files; always watched.
std::span<const TracepointSpec> MappingTracepoints();

/// Syscalls on sockets; watched when plain HTTP is asked for.
std::span<const TracepointSpec> SocketTracepoints();

/// Writes to a terminal; watched when live lines share it with the program.
std::span<const TracepointSpec> TerminalTracepoints();

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_TRACEPOINTS_H_
