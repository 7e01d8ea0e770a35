/* What the kernel knows of a descriptor, and what a socket's bytes become. */
#ifndef SONDE_BPF_COMMON_SOCKET_H_
#define SONDE_BPF_COMMON_SOCKET_H_

#include "common/connection.h"

#define SONDE_AF_INET 2
#define SONDE_AF_INET6 10
#define SONDE_S_IFMT 0170000
#define SONDE_S_IFSOCK 0140000
#define SONDE_SOCK_STREAM 1
#define SONDE_SOCK_DGRAM 2

struct sonde_socket_view {
  __u64 socket; /* The kernel's own address of it: descriptors come and go. */
  __u32 inode;
  __u16 port; /* Of the peer, host order; 0 when there is none. */
  __u8 datagram;
  __u8 family;
  __u8 address[16];
};

/* Looks at a descriptor of the current process. Returns 1 for an internet socket (stream or
 * datagram); 0 for anything else, files above all. */
static __noinline int sonde_socket_look(__s32 fd, struct sonde_socket_view* view) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  struct fdtable* table = BPF_CORE_READ(task, files, fdt);
  struct file** files = BPF_CORE_READ(table, fd);
  struct file* file = NULL;
  struct inode* inode;
  struct socket* socket;
  struct sock* sock;
  __u16 family;
  __s16 type;
  if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds)) return 0;
  if (bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) || !file) return 0;
  inode = BPF_CORE_READ(file, f_inode);
  if ((BPF_CORE_READ(inode, i_mode) & SONDE_S_IFMT) != SONDE_S_IFSOCK) return 0;
  socket = BPF_CORE_READ(file, private_data);
  sock = BPF_CORE_READ(socket, sk);
  if (!sock) return 0;
  family = BPF_CORE_READ(sock, __sk_common.skc_family);
  if (family != SONDE_AF_INET && family != SONDE_AF_INET6) return 0;
  type = BPF_CORE_READ(socket, type);
  if (type != SONDE_SOCK_STREAM && type != SONDE_SOCK_DGRAM) return 0;
  view->socket = (__u64)socket;
  view->inode = BPF_CORE_READ(inode, i_ino);
  view->datagram = type == SONDE_SOCK_DGRAM;
  view->port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
  view->family = family == SONDE_AF_INET ? SONDE_FAMILY_IP4 : SONDE_FAMILY_IP6;
  if (family == SONDE_AF_INET) {
    bpf_core_read(view->address, 4, &sock->__sk_common.skc_daddr);
  } else {
    bpf_core_read(view->address, 16, &sock->__sk_common.skc_v6_daddr);
  }
  return 1;
}

static __always_inline struct sonde_connection_key sonde_socket_key(
    __u32 tgid, const struct sonde_socket_view* view) {
  struct sonde_connection_key key = {
      .tgid = tgid, .transport = SONDE_TRANSPORT_SOCKET, .handle = view->socket};
  return key;
}

/* Begins a life and says who the peer is. */
static __always_inline struct sonde_connection* sonde_socket_begin(
    const struct sonde_connection_key* key, const struct sonde_process* process,
    const struct sonde_socket_view* view, __s32 fd, __u8 role, __u8 state, __u32 flags) {
  struct sonde_connection* connection =
      sonde_connection_begin(key, process, (__u32)fd, view->inode, role, flags);
  struct sonde_info_record* record;
  if (!connection) return NULL;
  connection->fd = fd;
  connection->socket_state = state;
  record = sonde_reserve_info(key, connection);
  if (!record) return connection;
  record->connection.header.detail = SONDE_INFO_FD;
  if (role != SONDE_ROLE_UNKNOWN) record->connection.header.detail |= SONDE_INFO_ROLE;
  if (state == SONDE_SOCKET_DATAGRAM) record->connection.header.flags = SONDE_FLAG_DATAGRAM;
  if (view->port) {
    record->connection.header.detail |= SONDE_INFO_PEER;
    record->peer_port = view->port;
    record->peer_family = view->family;
    __builtin_memcpy(record->peer_address, view->address, sizeof(record->peer_address));
  }
  bpf_ringbuf_submit(record, sonde_wake_flags());
  return connection;
}

/* One element of a vector: struct iovec on 64-bit. */
struct sonde_element {
  __u64 base;
  __u64 length;
};

/* One step through a vector: the next element, or one record. Returns whether it was the last. Not
 * static: then it is verified by itself. */
__noinline int sonde_vector_step(__u64 thread) {
  struct sonde_shipment* shipment = bpf_map_lookup_elem(&shipments, &thread);
  __u64 skipped;
  if (!shipment) return 1;
  if (shipment->left == 0) {
    struct sonde_element element = {};
    if (shipment->element >= shipment->count ||
        bpf_probe_read_user(&element, sizeof(element),
                            (void*)(shipment->source + shipment->element * sizeof(element)))) {
      return 1;
    }
    skipped = shipment->skip < element.length ? shipment->skip : element.length;
    shipment->element++;
    shipment->base = element.base + skipped;
    shipment->left = element.length - skipped;
    shipment->skip -= skipped;
    return 0;
  }
  shipment->piece = sonde_piece_at(shipment->total, shipment->allowed, shipment->at);
  if (shipment->piece.captured > shipment->left) {
    shipment->piece.captured = shipment->left;
    shipment->piece.length = shipment->left;
  }
  sonde_send_piece(shipment);
  skipped = shipment->piece.length; /* A hole goes on into the coming elements. */
  shipment->at += skipped;
  shipment->skip = skipped > shipment->left ? skipped - shipment->left : 0;
  shipment->base += skipped;
  shipment->left = skipped > shipment->left ? 0 : shipment->left - skipped;
  return shipment->at >= shipment->total;
}

/* Sends a vectored invocation in at most SONDE_VECTOR_STEPS steps; what is left is a hole. */
static __always_inline void sonde_ship_vector(struct sonde_connection* connection, __u64 thread,
                                              const struct sonde_shipment* shipment) {
  __u32 step;
  for (step = 0; step < SONDE_VECTOR_STEPS; step++) {
    if (sonde_vector_step(thread)) break;
  }
  sonde_shipment_end(connection, shipment, SONDE_LOSS_VECTOR);
}

/* The first bytes of an invocation, for telling TLS from text. Returns how many were read. */
static __always_inline __u64 sonde_first_bytes(const struct sonde_syscall* call, __u64 length,
                                               __u8* head) {
  __u64 source = call->buffer;
  if (call->kind == SONDE_CALL_VECTOR) {
    struct sonde_element element = {};
    if (bpf_probe_read_user(&element, sizeof(element), (void*)call->buffer)) return 0;
    source = element.base;
    if (element.length < length) length = element.length;
  }
  if (length >= 5) return bpf_probe_read_user(head, 5, (void*)source) ? 0 : 5;
  if (length >= 1) return bpf_probe_read_user(head, 1, (void*)source) ? 0 : 1;
  return 0;
}

/* Bytes went through a socket: classifies it, keeps its books, sends what is to be sent. */
static __always_inline void sonde_socket_data(const struct sonde_connection_key* key,
                                              struct sonde_connection* connection,
                                              const struct sonde_syscall* call, __u64 length) {
  __u8 direction = call->direction & 1;
  __u64 now = bpf_ktime_get_ns();
  __u64 thread = bpf_get_current_pid_tgid();
  struct sonde_shipment* shipment;
  __u64 allowed;
  __u64 offset;
  if (connection->socket_state <= SONDE_SOCKET_PLAIN && call->kind != SONDE_CALL_HOLE) {
    __u8 head[8] = {};
    __u64 got = sonde_first_bytes(call, length, head);
    if (got) sonde_classify(connection, direction, head, got);
  }
  allowed = sonde_hello_share(connection, direction, length);
  offset = sonde_account(connection, direction, length);
  connection->last_ns = now;
  if (connection->socket_state <= SONDE_SOCKET_PLAIN) {
    allowed = sonde_verdict_share(key, connection, now, length);
  }
  if (call->kind == SONDE_CALL_HOLE) {
    if (connection->socket_state > SONDE_SOCKET_PLAIN || !allowed) return;
    allowed = 0;
  } else if (!allowed) {
    return;
  }
  shipment = sonde_shipment_begin(connection, thread, call->buffer, call->count, length, allowed);
  if (!shipment) return;
  sonde_fill_common(&shipment->record, key, connection, direction, offset, call->entry_ns, now,
                    call->concurrent ? SONDE_FLAG_CONCURRENT : 0);
  if (call->kind == SONDE_CALL_VECTOR) {
    sonde_ship_vector(connection, thread, shipment);
  } else {
    sonde_ship_buffer(connection, thread, shipment);
  }
}

#endif /* SONDE_BPF_COMMON_SOCKET_H_ */
