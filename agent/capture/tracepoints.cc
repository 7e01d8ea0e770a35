#include "agent/capture/tracepoints.h"

namespace sonde::capture {
namespace {

constexpr TracepointSpec kProcess[] = {
    {"sched_process_fork", "sonde_fork"},
    {"sched_process_exec", "sonde_exec"},
    {"sched_process_exit", "sonde_exit"},
};

// Exits before entries: an entry without its exit would leave a note behind.
constexpr TracepointSpec kMapping[] = {
    {"sys_exit_mmap", "sonde_mmap_exit"},
    {"sys_enter_mmap", "sonde_mmap_enter"},
};

constexpr TracepointSpec kSockets[] = {
    {"sys_exit_read", "sonde_call_exit"},
    {"sys_exit_write", "sonde_call_exit"},
    {"sys_exit_recvfrom", "sonde_call_exit"},
    {"sys_exit_sendto", "sonde_call_exit"},
    {"sys_exit_readv", "sonde_call_exit"},
    {"sys_exit_writev", "sonde_call_exit"},
    {"sys_exit_recvmsg", "sonde_call_exit"},
    {"sys_exit_sendmsg", "sonde_call_exit"},
    {"sys_exit_sendfile64", "sonde_call_exit"},
    {"sys_exit_splice", "sonde_call_exit"},
    {"sys_exit_connect", "sonde_call_exit"},
    {"sys_exit_accept", "sonde_call_exit"},
    {"sys_exit_accept4", "sonde_call_exit"},
    {"sys_exit_dup", "sonde_call_exit"},
    {"sys_exit_dup2", "sonde_call_exit"},
    {"sys_exit_dup3", "sonde_call_exit"},
    {"sys_exit_fcntl", "sonde_call_exit"},
    {"sys_enter_connect", "sonde_connect_enter"},
    {"sys_enter_accept", "sonde_accept_enter"},
    {"sys_enter_accept4", "sonde_accept_enter"},
    {"sys_enter_close", "sonde_close_enter"},
    {"sys_enter_shutdown", "sonde_shutdown_enter"},
    {"sys_enter_dup", "sonde_dup_enter"},
    {"sys_enter_dup2", "sonde_dup2_enter"},
    {"sys_enter_dup3", "sonde_dup2_enter"},
    {"sys_enter_fcntl", "sonde_fcntl_enter"},
    {"sys_enter_read", "sonde_read_enter"},
    {"sys_enter_write", "sonde_write_enter"},
    {"sys_enter_recvfrom", "sonde_recvfrom_enter"},
    {"sys_enter_sendto", "sonde_sendto_enter"},
    {"sys_enter_readv", "sonde_readv_enter"},
    {"sys_enter_writev", "sonde_writev_enter"},
    {"sys_enter_recvmsg", "sonde_recvmsg_enter"},
    {"sys_enter_sendmsg", "sonde_sendmsg_enter"},
    {"sys_enter_sendmmsg", "sonde_sendmmsg_enter"},
    {"sys_enter_sendfile64", "sonde_sendfile_enter"},
    {"sys_enter_splice", "sonde_splice_enter"},
};

}  // namespace

std::span<const TracepointSpec> ProcessTracepoints() { return kProcess; }
std::span<const TracepointSpec> MappingTracepoints() { return kMapping; }
std::span<const TracepointSpec> SocketTracepoints() { return kSockets; }

}  // namespace sonde::capture
