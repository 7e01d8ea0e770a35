#include "agent/capture/tracepoints.h"

namespace sonde::capture {
namespace {

constexpr TracepointSpec kProcess[] = {
    {"sched_process_fork", "sonde_fork"},
    {"sched_process_exec", "sonde_exec"},
    {"sched_process_exit", "sonde_exit"},
    {"cgroup_attach_task", "sonde_cgroup_move"},
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
    {"sys_exit_preadv2", "sonde_call_exit"},
    {"sys_exit_pwritev2", "sonde_call_exit"},
    {"sys_exit_recvmmsg", "sonde_call_exit"},
    {"sys_exit_sendmmsg", "sonde_call_exit"},
    {"sys_exit_sendfile64", "sonde_call_exit"},
    {"sys_exit_splice", "sonde_call_exit"},
    {"sys_exit_io_uring_setup", "sonde_io_uring_exit"},
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
    {"sys_enter_read", "sonde_move3_enter"},
    {"sys_enter_write", "sonde_move3_enter"},
    {"sys_enter_readv", "sonde_move3_enter"},
    {"sys_enter_writev", "sonde_move3_enter"},
    {"sys_enter_recvmsg", "sonde_move3_enter"},
    {"sys_enter_sendmsg", "sonde_move3_enter"},
    {"sys_enter_sendmmsg", "sonde_move4_enter"},
    {"sys_enter_recvmmsg", "sonde_move4_enter"},
    {"sys_enter_sendfile64", "sonde_move4_enter"},
    {"sys_enter_recvfrom", "sonde_move6_enter"},
    {"sys_enter_sendto", "sonde_move6_enter"},
    {"sys_enter_preadv2", "sonde_move6_enter"},
    {"sys_enter_pwritev2", "sonde_move6_enter"},
    {"sys_enter_splice", "sonde_move6_enter"},
};

constexpr TracepointSpec kTerminal[] = {
    {"sys_exit_write", "sonde_screen_exit"},
    {"sys_exit_writev", "sonde_screen_exit"},
    {"sys_enter_write", "sonde_screen_write"},
    {"sys_enter_writev", "sonde_screen_writev"},
};

}  // namespace

std::span<const TracepointSpec> ProcessTracepoints() { return kProcess; }
std::span<const TracepointSpec> MappingTracepoints() { return kMapping; }
std::span<const TracepointSpec> SocketTracepoints() { return kSockets; }
std::span<const TracepointSpec> TerminalTracepoints() { return kTerminal; }

}  // namespace sonde::capture
