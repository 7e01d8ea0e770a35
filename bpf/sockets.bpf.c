/* Sockets through syscalls: plain HTTP, TLS that no library's probes see, QUIC. Loaded only when
 * asked for: tracepoints on syscalls cost every process of the host.
 *
 * Tracepoints of one shape share a program; agent/capture/tracepoints.cc says which. */

#include "common/socket.h"

#define SONDE_MSG_PEEK 2
#define SONDE_F_DUPFD 0
#define SONDE_F_DUPFD_CLOEXEC 1030
#define SONDE_QUIC_PORT 443

#define SONDE_EINTR 4
#define SONDE_EAGAIN 11
#define SONDE_EINPROGRESS 115

static __always_inline void sonde_remember(const struct sonde_syscall* call) {
  __u64 id = bpf_get_current_pid_tgid();
  if (bpf_map_update_elem(&syscalls, &id, call, BPF_ANY)) sonde_lose(SONDE_LOSS_IN_FLIGHT);
}

/* Another thread inside on the same direction makes both invocations concurrent. */
static __always_inline void sonde_enter_socket(struct sonde_connection* connection,
                                               struct sonde_syscall* call, __u32 tgid) {
  __u32 tid = (__u32)bpf_get_current_pid_tgid();
  __u8 direction = call->direction & 1;
  __u32 other = connection->active_tid[direction];
  if (other && other != tid) {
    __u64 id = (__u64)tgid << 32 | other;
    struct sonde_syscall* inside = bpf_map_lookup_elem(&syscalls, &id);
    if (inside && inside->socket == call->socket && inside->direction == direction &&
        inside->kind <= SONDE_CALL_HOLE) {
      inside->concurrent = 1;
      call->concurrent = 1;
    }
  }
  connection->active_tid[direction] = tid;
}

/* A UDP socket that sends to port 443 speaks QUIC, as far as anybody can tell: named once. */
static __noinline int sonde_datagram(const struct sonde_socket_view* view, __u32 tgid, __s32 fd,
                                     __u16 port) {
  struct sonde_connection_key key = sonde_socket_key(tgid, view);
  struct sonde_process* process = sonde_gate(tgid);
  if (!process || port != SONDE_QUIC_PORT) return 0;
  if (sonde_connection_find(&key, process, view->inode)) return 0;
  sonde_socket_begin(&key, process, view, fd, SONDE_ROLE_CLIENT, SONDE_SOCKET_DATAGRAM, 0);
  return 0;
}

/* Port of an address in the program's memory; 0 when it has none. */
static __always_inline __u16 sonde_port_of(__u64 address) {
  struct {
    __u16 family;
    __be16 port;
  } head = {};
  if (!address || bpf_probe_read_user(&head, sizeof(head), (void*)address)) return 0;
  if (head.family != SONDE_AF_INET && head.family != SONDE_AF_INET6) return 0;
  return bpf_ntohs(head.port);
}

/* A syscall that moves bytes begins. `address` is where it sends to, if it says so. */
static __noinline int sonde_call_enter(__s32 fd, __u8 kind, __u8 direction, __u64 buffer,
                                       __u64 address_or_count) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_syscall call = {.kind = kind, .direction = direction, .fd = fd};
  struct sonde_socket_view view = {};
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process || !sonde_socket_look(fd, &view)) return 0;
  if (view.datagram) {
    __u16 port = view.port;
    if (direction == SONDE_OUT && kind == SONDE_CALL_BUFFER && address_or_count) {
      port = sonde_port_of(address_or_count);
    }
    return direction == SONDE_OUT ? sonde_datagram(&view, tgid, fd, port) : 0;
  }
  key = sonde_socket_key(tgid, &view);
  connection = sonde_connection_find(&key, process, view.inode);
  if (!connection) {
    connection = sonde_socket_begin(&key, process, &view, fd, SONDE_ROLE_UNKNOWN, SONDE_SOCKET_NEW,
                                    SONDE_FLAG_MID_STREAM);
  }
  if (!connection) return 0;
  call.socket = view.socket;
  call.inode = view.inode;
  call.buffer = buffer;
  call.count = kind == SONDE_CALL_VECTOR ? address_or_count : 1;
  call.generation = connection->generation;
  sonde_enter_socket(connection, &call, tgid);
  call.entry_ns = bpf_ktime_get_ns();
  sonde_remember(&call);
  return 0;
}

SEC("tracepoint")
int sonde_read_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_BUFFER, SONDE_IN, ctx->args[1], 0);
}

SEC("tracepoint")
int sonde_write_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_BUFFER, SONDE_OUT, ctx->args[1], 0);
}

SEC("tracepoint")
int sonde_recvfrom_enter(struct sonde_syscall_enter* ctx) {
  if (ctx->args[3] & SONDE_MSG_PEEK) return 0;
  return sonde_call_enter(ctx->args[0], SONDE_CALL_BUFFER, SONDE_IN, ctx->args[1], 0);
}

SEC("tracepoint")
int sonde_sendto_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_BUFFER, SONDE_OUT, ctx->args[1], ctx->args[4]);
}

SEC("tracepoint")
int sonde_readv_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_VECTOR, SONDE_IN, ctx->args[1], ctx->args[2]);
}

SEC("tracepoint")
int sonde_writev_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_VECTOR, SONDE_OUT, ctx->args[1], ctx->args[2]);
}

/* The beginning of struct user_msghdr, on 64-bit. */
struct sonde_message {
  __u64 name;
  __s32 name_length;
  __u32 padding;
  __u64 vector;
  __u64 count;
};

SEC("tracepoint")
int sonde_recvmsg_enter(struct sonde_syscall_enter* ctx) {
  struct sonde_message message = {};
  if (ctx->args[2] & SONDE_MSG_PEEK || !sonde_gate(sonde_tgid())) return 0;
  if (bpf_probe_read_user(&message, sizeof(message), (void*)ctx->args[1])) return 0;
  return sonde_call_enter(ctx->args[0], SONDE_CALL_VECTOR, SONDE_IN, message.vector, message.count);
}

SEC("tracepoint")
int sonde_sendmsg_enter(struct sonde_syscall_enter* ctx) {
  struct sonde_message message = {};
  struct sonde_socket_view view = {};
  __u32 tgid = sonde_tgid();
  if (!sonde_gate(tgid)) return 0;
  if (bpf_probe_read_user(&message, sizeof(message), (void*)ctx->args[1])) return 0;
  if (message.name) {
    if (sonde_socket_look(ctx->args[0], &view) && view.datagram) {
      return sonde_datagram(&view, tgid, ctx->args[0], sonde_port_of(message.name));
    }
  }
  return sonde_call_enter(ctx->args[0], SONDE_CALL_VECTOR, SONDE_OUT, message.vector,
                          message.count);
}

/* QUIC libraries send many datagrams at once; each element begins like sendmsg's. */
SEC("tracepoint")
int sonde_sendmmsg_enter(struct sonde_syscall_enter* ctx) {
  struct sonde_message message = {};
  struct sonde_socket_view view = {};
  __u32 tgid = sonde_tgid();
  if (!sonde_gate(tgid) || !sonde_socket_look(ctx->args[0], &view) || !view.datagram) return 0;
  if (bpf_probe_read_user(&message, sizeof(message), (void*)ctx->args[1])) return 0;
  return sonde_datagram(&view, tgid, ctx->args[0],
                        message.name ? sonde_port_of(message.name) : view.port);
}

/* sendfile64: the bytes come from a file and are a hole of known length. */
SEC("tracepoint")
int sonde_sendfile_enter(struct sonde_syscall_enter* ctx) {
  return sonde_call_enter(ctx->args[0], SONDE_CALL_HOLE, SONDE_OUT, 0, 0);
}

/* splice(from, ..., to, ...): a hole on whichever side is a socket. */
SEC("tracepoint")
int sonde_splice_enter(struct sonde_syscall_enter* ctx) {
  struct sonde_socket_view view = {};
  if (!sonde_gate(sonde_tgid())) return 0;
  if (sonde_socket_look(ctx->args[2], &view)) {
    return sonde_call_enter(ctx->args[2], SONDE_CALL_HOLE, SONDE_OUT, 0, 0);
  }
  return sonde_call_enter(ctx->args[0], SONDE_CALL_HOLE, SONDE_IN, 0, 0);
}

static __noinline int sonde_note_enter(__s32 fd, __u8 kind, __s32 replaced) {
  __u32 tgid = sonde_tgid();
  struct sonde_syscall call = {.kind = kind, .fd = fd};
  struct sonde_socket_view view = {};
  if (!sonde_gate(tgid) || !sonde_socket_look(fd, &view)) return 0;
  call.socket = view.socket;
  call.inode = view.inode;
  if (kind == SONDE_CALL_DUP && replaced >= 0 && replaced != fd) {
    /* dup2 closes what the number named before. */
    struct sonde_socket_view old = {};
    if (sonde_socket_look(replaced, &old)) {
      call.buffer = old.socket;
      call.count = old.inode;
    }
  }
  if (kind == SONDE_CALL_DUP && replaced == fd) return 0;
  sonde_remember(&call);
  return 0;
}

SEC("tracepoint")
int sonde_connect_enter(struct sonde_syscall_enter* ctx) {
  return sonde_note_enter(ctx->args[0], SONDE_CALL_CONNECT, -1);
}

SEC("tracepoint")
int sonde_accept_enter(struct sonde_syscall_enter* ctx) {
  return sonde_note_enter(ctx->args[0], SONDE_CALL_ACCEPT, -1);
}

SEC("tracepoint")
int sonde_dup_enter(struct sonde_syscall_enter* ctx) {
  return sonde_note_enter(ctx->args[0], SONDE_CALL_DUP, -1);
}

SEC("tracepoint")
int sonde_dup2_enter(struct sonde_syscall_enter* ctx) {
  return sonde_note_enter(ctx->args[0], SONDE_CALL_DUP, ctx->args[1]);
}

SEC("tracepoint")
int sonde_fcntl_enter(struct sonde_syscall_enter* ctx) {
  if (ctx->args[1] != SONDE_F_DUPFD && ctx->args[1] != SONDE_F_DUPFD_CLOEXEC) return 0;
  return sonde_note_enter(ctx->args[0], SONDE_CALL_DUP, -1);
}

/* One descriptor of the socket went away. */
static __always_inline void sonde_release(__u32 tgid, const struct sonde_process* process,
                                          __u64 socket, __u32 inode) {
  struct sonde_connection_key key = {
      .tgid = tgid, .transport = SONDE_TRANSPORT_SOCKET, .handle = socket};
  struct sonde_connection* connection = sonde_connection_find(&key, process, inode);
  if (!connection) return;
  connection->references--;
  if (connection->references <= 0) {
    sonde_connection_close(&key, connection, SONDE_CLOSE_CLOSED);
  }
}

SEC("tracepoint")
int sonde_close_enter(struct sonde_syscall_enter* ctx) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_socket_view view = {};
  if (!process || !sonde_socket_look(ctx->args[0], &view)) return 0;
  sonde_release(tgid, process, view.socket, view.inode);
  return 0;
}

SEC("tracepoint")
int sonde_shutdown_enter(struct sonde_syscall_enter* ctx) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_socket_view view = {};
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  __s32 how = ctx->args[1]; /* 0: reads end, 1: writes end, 2: both. */
  if (!process || !sonde_socket_look(ctx->args[0], &view)) return 0;
  key = sonde_socket_key(tgid, &view);
  connection = sonde_connection_find(&key, process, view.inode);
  if (!connection) return 0;
  if (how == 1 || how == 2) sonde_emit_ended(&key, connection, SONDE_OUT, 0);
  if (how == 0 || how == 2) sonde_emit_ended(&key, connection, SONDE_IN, 0);
  return 0;
}

/* What a syscall that moves bytes returned. */
static __always_inline void sonde_moved(const struct sonde_connection_key* key,
                                        struct sonde_connection* connection,
                                        const struct sonde_syscall* call, __s64 result) {
  __u8 direction = call->direction & 1;
  if (connection->active_tid[direction] == (__u32)bpf_get_current_pid_tgid()) {
    connection->active_tid[direction] = 0;
  }
  if (result > 0) {
    sonde_socket_data(key, connection, call, result);
  } else if (result == 0) {
    if (direction == SONDE_IN && call->kind != SONDE_CALL_HOLE) {
      sonde_emit_ended(key, connection, SONDE_IN, 0);
    }
  } else if (result != -SONDE_EAGAIN && result != -SONDE_EINTR && result > -133) {
    /* Larger numbers are the kernel's own, for calls that it restarts. */
    sonde_emit_ended(key, connection, direction, SONDE_FLAG_ERROR);
  }
}

static __always_inline void sonde_connected(__u32 tgid, const struct sonde_process* process,
                                            __s32 fd, __u8 role) {
  struct sonde_socket_view view = {};
  struct sonde_connection_key key;
  if (!sonde_socket_look(fd, &view) || view.datagram) return;
  key = sonde_socket_key(tgid, &view);
  if (sonde_connection_find(&key, process, view.inode)) return;
  sonde_socket_begin(&key, process, &view, fd, role, SONDE_SOCKET_NEW, 0);
}

/* Every syscall above ends here. */
SEC("tracepoint")
int sonde_call_exit(struct sonde_syscall_exit* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  __u32 tgid = id >> 32;
  struct sonde_syscall* found = bpf_map_lookup_elem(&syscalls, &id);
  struct sonde_process* process;
  struct sonde_connection_key key = {.tgid = tgid, .transport = SONDE_TRANSPORT_SOCKET};
  struct sonde_connection* connection;
  struct sonde_syscall call;
  __s64 result = ctx->result;
  if (!found) return 0;
  call = *found;
  bpf_map_delete_elem(&syscalls, &id);
  process = sonde_gate(tgid);
  if (!process) return 0;
  if (call.kind == SONDE_CALL_CONNECT) {
    if (result == 0 || result == -SONDE_EINPROGRESS || result == -SONDE_EINTR) {
      sonde_connected(tgid, process, call.fd, SONDE_ROLE_CLIENT);
    }
    return 0;
  }
  if (call.kind == SONDE_CALL_ACCEPT) {
    if (result >= 0) sonde_connected(tgid, process, result, SONDE_ROLE_SERVER);
    return 0;
  }
  key.handle = call.socket;
  connection = sonde_connection_find(&key, process, call.inode);
  if (call.kind == SONDE_CALL_DUP) {
    if (result < 0) return 0;
    if (connection) connection->references++;
    if (call.buffer) sonde_release(tgid, process, call.buffer, call.count);
    return 0;
  }
  if (!connection) return 0;
  if (connection->generation != call.generation) {
    sonde_lose(SONDE_LOSS_STALE);
    return 0;
  }
  sonde_moved(&key, connection, &call, result);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
