/* OpenSSL: what programs read and write through libssl, and the lives of its SSL objects. */

#include "common/connection.h"

#define SONDE_SSL_CTRL_SET_TLSEXT_HOSTNAME 55
#define SONDE_SSL_ERROR_SSL 1
#define SONDE_SSL_ERROR_SYSCALL 5
#define SONDE_SSL_ERROR_ZERO_RETURN 6

/* Where the stack pointer stood when the function that returns now was entered. */
#if defined(__TARGET_ARCH_x86)
#define SONDE_ENTRY_SP(ctx) (PT_REGS_SP(ctx) - 8)
#else
#define SONDE_ENTRY_SP(ctx) PT_REGS_SP(ctx)
#endif

static __always_inline __u8 sonde_kind_direction(__u32 kind) {
  return kind == SONDE_KIND_WRITE || kind == SONDE_KIND_WRITE_EX || kind == SONDE_KIND_SENDFILE
             ? SONDE_OUT
             : SONDE_IN;
}

static __always_inline struct sonde_connection_key sonde_ssl_key(__u32 tgid, __u64 ssl) {
  struct sonde_connection_key key = {.tgid = tgid, .transport = SONDE_TRANSPORT_TLS, .handle = ssl};
  return key;
}

static __always_inline struct sonde_connection* sonde_ssl_get(
    const struct sonde_connection_key* key, const struct sonde_process* process, __u32 flags) {
  struct sonde_connection* connection = sonde_connection_find(key, process, 0);
  if (connection) return connection;
  return sonde_connection_begin(key, process, key->handle, 0, SONDE_ROLE_UNKNOWN, flags);
}

/* Remembers an invocation until it returns. A thread comes back to the same place on its stack
 * again and again: its entry is written over, which costs a third of making one. kind 0 is a free
 * one. */
static __always_inline void sonde_remember(const struct sonde_invocation_key* place,
                                           const struct sonde_invocation* invocation) {
  struct sonde_invocation* entry = bpf_map_lookup_elem(&in_flight, place);
  if (entry) {
    *entry = *invocation;
  } else if (bpf_map_update_elem(&in_flight, place, invocation, BPF_ANY)) {
    sonde_lose(SONDE_LOSS_IN_FLIGHT);
  }
}

/* Notes the invocation as the one inside on its direction. Another thread's that has not returned
 * makes both concurrent; this thread's own is the outer one of a nest, if it lies above on the
 * stack, or never returned. */
static __always_inline void sonde_enter_direction(struct sonde_connection* connection,
                                                  struct sonde_invocation* invocation, __u32 tgid,
                                                  __u32 tid, __u64 sp) {
  __u8 direction = sonde_kind_direction(invocation->kind) & 1;
  struct sonde_invocation_key other = {.tgid = tgid, .sp = connection->active_sp[direction]};
  if (other.sp) {
    struct sonde_invocation* inside = bpf_map_lookup_elem(&in_flight, &other);
    if (inside && inside->kind && inside->handle == invocation->handle) {
      if (connection->active_tid[direction] != tid) {
        inside->concurrent = 1;
        invocation->concurrent = 1;
      } else if (other.sp > sp) {
        invocation->outer_sp = other.sp;
      }
    }
  }
  connection->active_sp[direction] = sp;
  connection->active_tid[direction] = tid;
}

static __always_inline int sonde_data_enter(struct pt_regs* ctx, __u32 kind, __u64 ssl,
                                            __u64 buffer, __u64 length_pointer) {
  __u64 id = bpf_get_current_pid_tgid();
  __u32 tgid = id >> 32;
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  struct sonde_invocation invocation = {};
  struct sonde_invocation_key place = {.tgid = tgid, .sp = PT_REGS_SP(ctx)};
  if (!process) return 0;
  key = sonde_ssl_key(tgid, ssl);
  connection = sonde_ssl_get(&key, process, SONDE_FLAG_MID_STREAM);
  if (!connection) return 0;
  invocation.handle = ssl;
  invocation.generation = connection->generation;
  invocation.buffer = buffer;
  invocation.length_pointer = length_pointer;
  invocation.kind = kind;
  sonde_enter_direction(connection, &invocation, tgid, (__u32)id, place.sp);
  invocation.entry_ns = bpf_ktime_get_ns();
  sonde_remember(&place, &invocation);
  return 0;
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_read, void* ssl, void* buffer) {
  return sonde_data_enter(ctx, SONDE_KIND_READ, (__u64)ssl, (__u64)buffer, 0);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_read_ex, void* ssl, void* buffer, __u64 size, void* length) {
  return sonde_data_enter(ctx, SONDE_KIND_READ_EX, (__u64)ssl, (__u64)buffer, (__u64)length);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_write, void* ssl, void* buffer) {
  return sonde_data_enter(ctx, SONDE_KIND_WRITE, (__u64)ssl, (__u64)buffer, 0);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_write_ex, void* ssl, void* buffer, __u64 size, void* length) {
  return sonde_data_enter(ctx, SONDE_KIND_WRITE_EX, (__u64)ssl, (__u64)buffer, (__u64)length);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_write_ex2, void* ssl, void* buffer, __u64 size, __u64 flags,
               void* length) {
  return sonde_data_enter(ctx, SONDE_KIND_WRITE_EX, (__u64)ssl, (__u64)buffer, (__u64)length);
}

/* SSL_peek and SSL_peek_ex move no offset; they are watched so that a read inside one, or one
 * inside a read, is settled. */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_peek, void* ssl) {
  return sonde_data_enter(ctx, SONDE_KIND_PEEK, (__u64)ssl, 0, 0);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_sendfile, void* ssl) {
  return sonde_data_enter(ctx, SONDE_KIND_SENDFILE, (__u64)ssl, 0, 0);
}

/* Remembers an invocation that moves no bytes. */
static __always_inline int sonde_note_enter(struct pt_regs* ctx, __u32 kind, __u64 ssl,
                                            __u64 buffer) {
  __u32 tgid = sonde_tgid();
  struct sonde_invocation invocation = {.kind = kind, .handle = ssl, .buffer = buffer};
  struct sonde_invocation_key place = {.tgid = tgid, .sp = PT_REGS_SP(ctx)};
  if (sonde_gate(tgid)) sonde_remember(&place, &invocation);
  return 0;
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_get_error, void* ssl, __s32 result) {
  if (result > 0) return 0;
  return sonde_note_enter(ctx, SONDE_KIND_GET_ERROR, (__u64)ssl, 0);
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_dup, void* ssl) {
  return sonde_note_enter(ctx, SONDE_KIND_DUP, (__u64)ssl, 0);
}

/* SSL_ctrl: SSL_set_tlsext_host_name is a macro over it. */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_ctrl, void* ssl, __s32 command, long argument, void* name) {
  if (command != SONDE_SSL_CTRL_SET_TLSEXT_HOSTNAME || !name) return 0;
  return sonde_note_enter(ctx, SONDE_KIND_NAME, (__u64)ssl, (__u64)name);
}

/* Bytes that an invocation moved by what it returned; 0 when it failed. The plain forms return a
 * 32-bit int: read as 64 bits, -1 would be a huge length. */
static __always_inline __u64 sonde_moved(const struct sonde_invocation* invocation, __u64 result) {
  __u64 length = 0;
  __s32 narrow = (__s32)result;
  switch (invocation->kind) {
    case SONDE_KIND_READ:
    case SONDE_KIND_WRITE:
      return narrow > 0 ? narrow : 0;
    case SONDE_KIND_READ_EX:
    case SONDE_KIND_WRITE_EX:
      if (narrow != 1) return 0;
      if (bpf_probe_read_user(&length, sizeof(length), (void*)invocation->length_pointer)) {
        sonde_lose(SONDE_LOSS_READ);
        return 0;
      }
      return length;
    case SONDE_KIND_SENDFILE:
      return (__s64)result > 0 ? result : 0;
    default:
      return 0;
  }
}

static __always_inline void sonde_error_return(const struct sonde_connection_key* key,
                                               struct sonde_connection* connection, __s32 error) {
  if (error == SONDE_SSL_ERROR_ZERO_RETURN) {
    sonde_emit_ended(key, connection, SONDE_IN, 0);
  } else if (error == SONDE_SSL_ERROR_SSL || error == SONDE_SSL_ERROR_SYSCALL) {
    sonde_emit_ended(key, connection, connection->failed_direction, SONDE_FLAG_ERROR);
  }
}

/* Tells the outer invocation what this one has sent already. Returns whether the outer one is a
 * peek, in which case nothing was consumed. */
static __always_inline int sonde_settle(const struct sonde_invocation* invocation, __u32 tgid,
                                        __u64 moved) {
  struct sonde_invocation_key place = {.tgid = tgid, .sp = invocation->outer_sp};
  struct sonde_invocation* outer;
  if (!place.sp) return 0;
  outer = bpf_map_lookup_elem(&in_flight, &place);
  if (!outer || !outer->kind || outer->handle != invocation->handle) return 0;
  if (outer->kind == SONDE_KIND_PEEK) return 1;
  outer->settled += moved;
  return 0;
}

static __always_inline void sonde_data_leave(const struct sonde_connection_key* key,
                                             struct sonde_connection* connection,
                                             const struct sonde_invocation* invocation,
                                             __u64 moved) {
  __u8 direction = sonde_kind_direction(invocation->kind) & 1;
  __u64 now = bpf_ktime_get_ns();
  __u64 offset = sonde_account(connection, direction, moved);
  __u64 allowed = sonde_verdict_share(key, connection, now, moved);
  __u64 thread = bpf_get_current_pid_tgid();
  struct sonde_shipment* shipment;
  connection->last_ns = now;
  if (invocation->kind == SONDE_KIND_SENDFILE) {
    allowed = 0;
  } else if (allowed == 0) {
    return; /* Muted; the totals and the next offset tell. */
  }
  shipment = sonde_shipment_begin(connection, thread, invocation->buffer, 1, moved, allowed);
  if (!shipment) return;
  sonde_fill_common(&shipment->record, key, connection, direction, offset, invocation->entry_ns,
                    now, invocation->concurrent ? SONDE_FLAG_CONCURRENT : 0);
  sonde_ship_buffer(connection, thread, shipment);
}

/* One more SSL_free is needed to end the object. */
static __always_inline void sonde_hold(const struct sonde_connection_key* key,
                                       const struct sonde_process* process) {
  struct sonde_connection* connection = sonde_ssl_get(key, process, SONDE_FLAG_MID_STREAM);
  if (connection) __sync_fetch_and_add(&connection->references, 1);
}

/* Every function above ends here. */
SEC("uprobe")
int BPF_KRETPROBE(sonde_ssl_return, __u64 result) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_invocation_key place = {.tgid = tgid, .sp = SONDE_ENTRY_SP(ctx)};
  struct sonde_invocation* found;
  struct sonde_invocation invocation;
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  __u64 moved;
  __u8 direction;
  if (!process) return 0;
  found = bpf_map_lookup_elem(&in_flight, &place);
  if (!found || !found->kind) return 0;
  invocation = *found;
  found->kind = 0;
  key = sonde_ssl_key(tgid, invocation.handle);
  if (invocation.kind == SONDE_KIND_DUP) {
    /* Once the handshake has begun SSL_dup returns the object itself, with one more owner. */
    if (result == invocation.handle) sonde_hold(&key, process);
    return 0;
  }
  connection = sonde_connection_find(&key, process, 0);
  if (!connection) return 0;
  if (invocation.kind == SONDE_KIND_GET_ERROR) {
    sonde_error_return(&key, connection, (__s32)result);
    return 0;
  }
  if (connection->generation != invocation.generation) {
    sonde_lose(SONDE_LOSS_STALE);
    return 0;
  }
  direction = sonde_kind_direction(invocation.kind) & 1;
  if (connection->active_sp[direction] == place.sp) {
    connection->active_sp[direction] = invocation.outer_sp;
  }
  moved = sonde_moved(&invocation, result);
  if (moved == 0) {
    if (invocation.kind != SONDE_KIND_PEEK) connection->failed_direction = direction;
    return 0;
  }
  if (sonde_settle(&invocation, tgid, moved)) return 0;
  if (moved <= invocation.settled) return 0;
  sonde_data_leave(&key, connection, &invocation, moved);
  return 0;
}

/* The name is read when SSL_ctrl returns: the library has looked at it then, so it is in memory.
 * Its other commands are not remembered: what lies here may be another's that never returned. */
SEC("uprobe")
int BPF_KRETPROBE(sonde_ssl_ctrl_return, __s32 result) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_invocation_key place = {.tgid = tgid, .sp = SONDE_ENTRY_SP(ctx)};
  struct sonde_invocation* found;
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  struct sonde_name_record* record;
  if (!process) return 0;
  found = bpf_map_lookup_elem(&in_flight, &place);
  if (!found || found->kind != SONDE_KIND_NAME) return 0;
  found->kind = 0;
  if (result != 1) return 0;
  key = sonde_ssl_key(tgid, found->handle);
  connection = sonde_ssl_get(&key, process, 0);
  if (!connection) return 0;
  connection->role = SONDE_ROLE_CLIENT; /* Only a client asks for a name this way. */
  record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return 0;
  }
  sonde_fill_connection(&record->connection, SONDE_RECORD_NAME, &key, connection,
                        bpf_ktime_get_ns());
  if (bpf_probe_read_user_str(record->name, sizeof(record->name), (void*)found->buffer) <= 0) {
    bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
    sonde_lose(SONDE_LOSS_NAME);
    return 0;
  }
  bpf_ringbuf_submit(record, sonde_wake_flags());
  return 0;
}

SEC("uprobe")
int BPF_KRETPROBE(sonde_ssl_new, __u64 ssl) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* old;
  if (!process || !ssl) return 0;
  key = sonde_ssl_key(tgid, ssl);
  old = sonde_connection_find(&key, process, 0);
  if (old) sonde_connection_close(&key, old, SONDE_CLOSE_FREED);
  sonde_connection_begin(&key, process, ssl, 0, SONDE_ROLE_UNKNOWN, 0);
  return 0;
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_free, void* ssl) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process) return 0;
  key = sonde_ssl_key(tgid, (__u64)ssl);
  connection = sonde_connection_find(&key, process, 0);
  if (!connection) return 0;
  __sync_fetch_and_add(&connection->references, -1);
  if (connection->references <= 0) sonde_connection_close(&key, connection, SONDE_CLOSE_FREED);
  return 0;
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_up_ref, void* ssl) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key = sonde_ssl_key(tgid, (__u64)ssl);
  if (process) sonde_hold(&key, process);
  return 0;
}

/* The object lives on for another connection of the same role. */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_clear, void* ssl) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  __s32 references;
  __u8 role;
  if (!process) return 0;
  key = sonde_ssl_key(tgid, (__u64)ssl);
  connection = sonde_connection_find(&key, process, 0);
  /* SSL_new calls it on an object that has carried nothing: that is no new life. */
  if (connection && !connection->bytes[0] && !connection->bytes[1]) return 0;
  if (!connection) return 0;
  role = connection->role;
  references = connection->references;
  sonde_connection_close(&key, connection, SONDE_CLOSE_FREED);
  connection = sonde_connection_begin(&key, process, (__u64)ssl, 0, role, 0);
  if (connection) connection->references = references;
  return 0;
}

static __always_inline void sonde_emit_info(const struct sonde_connection_key* key,
                                            const struct sonde_connection* connection,
                                            __u32 fields) {
  struct sonde_info_record* record = sonde_reserve_info(key, connection);
  if (!record) return;
  record->connection.header.detail = fields;
  bpf_ringbuf_submit(record, sonde_wake_flags());
}

static __always_inline int sonde_ssl_role(__u64 ssl, __u8 role) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process) return 0;
  key = sonde_ssl_key(tgid, ssl);
  connection = sonde_ssl_get(&key, process, 0);
  if (!connection) return 0;
  if (role == SONDE_ROLE_UNKNOWN || connection->role == role) return 0;
  connection->role = role;
  sonde_emit_info(&key, connection, SONDE_INFO_ROLE);
  return 0;
}

/* SSL_connect, SSL_set_connect_state */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_client, void* ssl) {
  return sonde_ssl_role((__u64)ssl, SONDE_ROLE_CLIENT);
}

/* SSL_accept, SSL_set_accept_state */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_server, void* ssl) {
  return sonde_ssl_role((__u64)ssl, SONDE_ROLE_SERVER);
}

/* SSL_do_handshake: an object made before the probes were in begins here. */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_handshake, void* ssl) {
  return sonde_ssl_role((__u64)ssl, SONDE_ROLE_UNKNOWN);
}

/* SSL_set_fd, SSL_set_rfd, SSL_set_wfd */
SEC("uprobe")
int BPF_KPROBE(sonde_ssl_set_fd, void* ssl, __s32 fd) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process) return 0;
  key = sonde_ssl_key(tgid, (__u64)ssl);
  connection = sonde_ssl_get(&key, process, 0);
  if (!connection || fd < 0 || connection->fd == fd) return 0;
  connection->fd = fd;
  sonde_emit_info(&key, connection, SONDE_INFO_FD);
  return 0;
}

SEC("uprobe")
int BPF_KPROBE(sonde_ssl_shutdown, void* ssl) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_connection_key key;
  struct sonde_connection* connection;
  if (!process) return 0;
  key = sonde_ssl_key(tgid, (__u64)ssl);
  connection = sonde_connection_find(&key, process, 0);
  if (connection) sonde_emit_ended(&key, connection, SONDE_OUT, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
