/* Sockets through syscalls: plain HTTP, TLS that no library's probes see, QUIC. Loaded only when
 * asked for: tracepoints on syscalls cost every process of the host.
 *
 * Tracepoints of one shape share a program; agent/capture/tracepoints.cc says which. */

#include <asm/unistd.h>

#include "common/socket.h"

#define SONDE_MSG_PEEK 2
#define SONDE_MSG_ERRQUEUE 0x2000 /* What is read is no part of the stream. */
/* struct mmsghdr on 64-bit. The kernel takes 1,024 at once: 32 rows of 32. */
#define SONDE_MESSAGE_BYTES 64
#define SONDE_MESSAGE_LENGTH_AT 56
#define SONDE_MESSAGE_ROW 32
#define SONDE_F_DUPFD 0
#define SONDE_F_DUPFD_CLOEXEC 1030
#define SONDE_QUIC_PORT 443

#define SONDE_EINTR 4
#define SONDE_EPIPE 32
#define SONDE_ENETDOWN 100
#define SONDE_ENOBUFS 105
#define SONDE_EISCONN 106
#define SONDE_EHOSTUNREACH 113
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
        inside->kind <= SONDE_CALL_MESSAGES) {
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
static __noinline int sonde_call_enter(struct sonde_syscall* call, __u64 address) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_socket_view view = {};
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process || !sonde_socket_look(call->fd, &view)) return 0;
  if (view.datagram) {
    if (call->direction != SONDE_OUT) return 0;
    return sonde_datagram(&view, tgid, call->fd, address ? sonde_port_of(address) : view.port);
  }
  key = sonde_socket_key(tgid, &view);
  connection = sonde_connection_find(&key, process, view.inode);
  if (!connection) {
    connection = sonde_socket_begin(&key, process, &view, call->fd, SONDE_ROLE_UNKNOWN,
                                    SONDE_SOCKET_NEW, SONDE_FLAG_MID_STREAM);
  }
  if (!connection) return 0;
  call->socket = view.socket;
  call->inode = view.inode;
  call->generation = connection->generation;
  sonde_enter_socket(connection, call, tgid);
  call->entry_ns = bpf_ktime_get_ns();
  sonde_remember(call);
  return 0;
}

/* The beginning of struct user_msghdr, on 64-bit. */
struct sonde_message {
  __u64 name;
  __s32 name_length;
  __u32 padding;
  __u64 vector;
  __u64 count;
};

/* All syscalls that move bytes, by the number of their arguments: a tracepoint refuses a program
 * that looks at more than it has. Few programs, because each costs time when it is loaded. */
static __always_inline int sonde_move_enter(struct sonde_syscall_enter* ctx, int arguments) {
  struct sonde_syscall call = {.kind = SONDE_CALL_BUFFER, .direction = SONDE_IN};
  struct sonde_message message = {};
  struct sonde_socket_view view = {};
  __u64 address = 0;
  __u64 flags = 0;
  if (!sonde_gate(sonde_tgid())) return 0;
  call.fd = ctx->args[0];
  call.buffer = ctx->args[1];
  call.count = ctx->args[2];
  switch (ctx->number) {
    case __NR_read:
      break;
    case __NR_write:
      call.direction = SONDE_OUT;
      break;
    case __NR_readv:
      call.kind = SONDE_CALL_VECTOR;
      break;
    case __NR_writev:
      call.kind = SONDE_CALL_VECTOR;
      call.direction = SONDE_OUT;
      break;
    case __NR_recvmsg:
      call.kind = SONDE_CALL_VECTOR;
      flags = ctx->args[2];
      break;
    case __NR_sendmsg:
      call.kind = SONDE_CALL_VECTOR;
      call.direction = SONDE_OUT;
      break;
    case __NR_sendmmsg:
      call.kind = SONDE_CALL_MESSAGES;
      call.direction = SONDE_OUT;
      break;
    case __NR_sendfile: /* The bytes come from a file and are a hole of known length. */
      call.kind = SONDE_CALL_HOLE;
      call.direction = SONDE_OUT;
      break;
    case __NR_recvmmsg:
      call.kind = SONDE_CALL_MESSAGES;
      if (arguments >= 4) flags = ctx->args[3];
      break;
    case __NR_recvfrom:
      if (arguments >= 4) flags = ctx->args[3];
      break;
    case __NR_sendto:
      call.direction = SONDE_OUT;
      if (arguments >= 5) address = ctx->args[4];
      break;
    case __NR_preadv2: /* With a position it is for files. */
    case __NR_pwritev2:
      if (arguments >= 4 && ctx->args[3] != (__u64)-1) return 0;
      call.kind = SONDE_CALL_VECTOR;
      if (ctx->number == __NR_pwritev2) call.direction = SONDE_OUT;
      break;
    case __NR_splice: /* A hole on whichever side is a socket: splice(from, ..., to, ...). */
      call.kind = SONDE_CALL_HOLE;
      if (sonde_socket_look(ctx->args[2], &view)) {
        call.fd = ctx->args[2];
        call.direction = SONDE_OUT;
      }
      break;
    default:
      return 0;
  }
  if (flags & (SONDE_MSG_PEEK | SONDE_MSG_ERRQUEUE)) return 0;
  if (ctx->number == __NR_recvmsg || ctx->number == __NR_sendmsg || ctx->number == __NR_sendmmsg) {
    if (bpf_probe_read_user(&message, sizeof(message), (void*)call.buffer)) return 0;
    address = message.name;
    if (call.kind == SONDE_CALL_VECTOR) {
      call.buffer = message.vector;
      call.count = message.count;
    }
  }
  return sonde_call_enter(&call, address);
}

SEC("tracepoint")
int sonde_move3_enter(struct sonde_syscall_enter* ctx) { return sonde_move_enter(ctx, 3); }

SEC("tracepoint")
int sonde_move4_enter(struct sonde_syscall_enter* ctx) { return sonde_move_enter(ctx, 4); }

SEC("tracepoint")
int sonde_move6_enter(struct sonde_syscall_enter* ctx) { return sonde_move_enter(ctx, 6); }

/* A ring whose operations are no syscalls: what goes through it on plain sockets is not seen. */
SEC("tracepoint")
int sonde_io_uring_exit(struct sonde_syscall_exit* ctx) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  if (process && ctx->result >= 0) sonde_emit_process(SONDE_RECORD_IO_URING, tgid, process);
  return 0;
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

/* Bytes that up to SONDE_MESSAGE_ROW messages moved. Not static: then it is verified by itself. */
__noinline __u64 sonde_message_row(__u64 message, __u64 count) {
  __u64 sum = 0;
  __u32 i;
  for (i = 0; i < SONDE_MESSAGE_ROW && i < count; i++) {
    __u32 length = 0;
    if (bpf_probe_read_user(&length, sizeof(length), (void*)(message + SONDE_MESSAGE_LENGTH_AT))) {
      sonde_lose(SONDE_LOSS_READ);
    }
    sum += length;
    message += SONDE_MESSAGE_BYTES;
  }
  return sum;
}

/* recvmmsg, sendmmsg: hardly anybody moves a stream with them, so their bytes are a hole. */
static __always_inline void sonde_socket_messages(const struct sonde_connection_key* key,
                                                  struct sonde_connection* connection,
                                                  struct sonde_syscall* call, __u64 messages) {
  __u64 length = 0;
  __u32 row;
  for (row = 0; row < SONDE_MESSAGE_ROW; row++) {
    __u64 at = row * SONDE_MESSAGE_ROW;
    if (at >= messages) break;
    length += sonde_message_row(call->buffer + at * SONDE_MESSAGE_BYTES, messages - at);
  }
  call->kind = SONDE_CALL_HOLE;
  if (length) sonde_socket_data(key, connection, call, length);
}

/* Whether a vector asks for anything in its first elements. Not static: verified by itself. */
__noinline int sonde_vector_asks(__u64 vector, __u64 count) {
  __u32 i;
  for (i = 0; i < SONDE_MESSAGE_ROW && i < count; i++) {
    struct sonde_element element = {};
    if (bpf_probe_read_user(&element, sizeof(element), (void*)vector)) return 0;
    if (element.length) return 1;
    vector += sizeof(element);
  }
  return 0;
}

/* Whether a read that returned 0 was asked for bytes: only then is it the end of the stream. */
static __always_inline int sonde_asked(const struct sonde_syscall* call) {
  if (call->kind == SONDE_CALL_BUFFER) return call->count != 0;
  return call->kind == SONDE_CALL_VECTOR && sonde_vector_asks(call->buffer, call->count);
}

/* Whether an error is the connection's and not the call's (a bad address, no memory, try again). */
static __always_inline int sonde_is_end(__s64 error) {
  if (error == SONDE_ENOBUFS || error == SONDE_EISCONN) return 0;
  return error == SONDE_EPIPE || (error >= SONDE_ENETDOWN && error <= SONDE_EHOSTUNREACH);
}

/* What a syscall that moves bytes returned. */
static __always_inline void sonde_moved(const struct sonde_connection_key* key,
                                        struct sonde_connection* connection,
                                        struct sonde_syscall* call, __s64 result) {
  __u8 direction = call->direction & 1;
  if (connection->active_tid[direction] == (__u32)bpf_get_current_pid_tgid()) {
    connection->active_tid[direction] = 0;
  }
  if (result > 0 && call->kind == SONDE_CALL_MESSAGES) {
    sonde_socket_messages(key, connection, call, result);
  } else if (result > 0) {
    sonde_socket_data(key, connection, call, result);
  } else if (result == 0) {
    if (direction == SONDE_IN && sonde_asked(call)) sonde_emit_ended(key, connection, SONDE_IN, 0);
  } else if (sonde_is_end(-result)) {
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
