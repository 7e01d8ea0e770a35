/* Records into the ring. */
#ifndef SONDE_BPF_COMMON_EMIT_H_
#define SONDE_BPF_COMMON_EMIT_H_

#include "common/gate.h"

/* Wakes the consumer only when the ring fills up: it looks by itself every few milliseconds. */
static __always_inline __u64 sonde_wake_flags(void) {
  struct sonde_config* settings = sonde_config_get();
  if (settings && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= settings->wake_bytes) {
    return BPF_RB_FORCE_WAKEUP;
  }
  return BPF_RB_NO_WAKEUP;
}

static __always_inline void sonde_fill_process(struct sonde_process_id* id, __u32 tgid,
                                               const struct sonde_process* process) {
  id->tgid = tgid;
  id->exec_generation = process->exec_generation;
  id->start_ns = process->start_ns;
}

/* A record about a process; always wakes the consumer, which has work to do at once. */
static __always_inline void sonde_emit_process(__u8 type, __u32 tgid,
                                               const struct sonde_process* process) {
  struct sonde_process_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return;
  }
  __builtin_memset(record, 0, sizeof(*record));
  record->header.type = type;
  record->header.tid = (__u32)bpf_get_current_pid_tgid();
  sonde_fill_process(&record->process, tgid, process);
  record->ns = bpf_ktime_get_ns();
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* What records of one connection have in common. */
static __always_inline void sonde_fill_connection(struct sonde_connection_record* record, __u8 type,
                                                  const struct sonde_connection_key* key,
                                                  const struct sonde_connection* connection,
                                                  __u64 now) {
  record->header.type = type;
  record->header.transport = key->transport;
  record->header.direction = 0;
  record->header.role = connection->role;
  record->header.flags = 0;
  record->header.tid = (__u32)bpf_get_current_pid_tgid();
  record->header.detail = 0;
  record->process.tgid = key->tgid;
  record->process.exec_generation = connection->exec_generation;
  record->process.start_ns = connection->start_ns;
  record->handle = connection->handle;
  record->generation = connection->generation;
  record->ns = now;
}

static __always_inline void sonde_emit_opened(const struct sonde_connection_key* key,
                                              const struct sonde_connection* connection,
                                              __u32 flags) {
  struct sonde_connection_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return;
  }
  sonde_fill_connection(record, SONDE_RECORD_OPENED, key, connection, connection->generation);
  record->header.flags = flags;
  bpf_ringbuf_submit(record, sonde_wake_flags());
}

static __always_inline void sonde_emit_closed(const struct sonde_connection_key* key,
                                              const struct sonde_connection* connection,
                                              __u32 reason) {
  struct sonde_closed_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return;
  }
  sonde_fill_connection(&record->connection, SONDE_RECORD_CLOSED, key, connection,
                        bpf_ktime_get_ns());
  record->connection.header.detail = reason;
  record->bytes[0] = connection->bytes[0];
  record->bytes[1] = connection->bytes[1];
  record->lost_records = connection->lost_records;
  record->turns = connection->turns;
  bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* A record for facts about a connection, to be filled and submitted. */
static __always_inline struct sonde_info_record* sonde_reserve_info(
    const struct sonde_connection_key* key, const struct sonde_connection* connection) {
  struct sonde_info_record* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return NULL;
  }
  __builtin_memset(record, 0, sizeof(*record));
  sonde_fill_connection(&record->connection, SONDE_RECORD_INFO, key, connection,
                        bpf_ktime_get_ns());
  record->fd = connection->fd;
  return record;
}

/* One direction ended; said once per direction. */
static __always_inline void sonde_emit_ended(const struct sonde_connection_key* key,
                                             struct sonde_connection* connection, __u8 direction,
                                             __u32 flags) {
  struct sonde_connection_record* record;
  direction &= 1;
  if (connection->ended[direction]) return;
  connection->ended[direction] = 1;
  record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return;
  }
  sonde_fill_connection(record, SONDE_RECORD_ENDED, key, connection, bpf_ktime_get_ns());
  record->header.direction = direction;
  record->header.flags = flags;
  bpf_ringbuf_submit(record, sonde_wake_flags());
}

/* What the data records of one invocation have in common. */
static __always_inline void sonde_fill_common(struct sonde_data_record* record,
                                              const struct sonde_connection_key* key,
                                              const struct sonde_connection* connection,
                                              __u8 direction, __u64 offset, __u64 entry_ns,
                                              __u64 exit_ns, __u32 flags) {
  record->header.type = SONDE_RECORD_DATA;
  record->header.transport = key->transport;
  record->header.direction = direction;
  record->header.role = connection->role;
  record->header.flags = flags;
  record->header.tid = (__u32)bpf_get_current_pid_tgid();
  record->header.detail = 0;
  record->process.tgid = key->tgid;
  record->process.exec_generation = connection->exec_generation;
  record->process.start_ns = connection->start_ns;
  record->handle = connection->handle;
  record->generation = connection->generation;
  record->offset = offset;
  record->length = 0;
  record->entry_ns = entry_ns;
  record->exit_ns = exit_ns;
}

static __always_inline void sonde_fill_piece(struct sonde_data_record* record,
                                             const struct sonde_shipment* shipment) {
  *record = shipment->record;
  record->header.detail = (__u32)shipment->piece.captured;
  if (shipment->piece.after_gap) record->header.flags |= SONDE_FLAG_AFTER_GAP;
  record->offset += shipment->piece.at;
  record->length = shipment->piece.length;
}

/* Linux 5.10 reserves only sizes known when the program is verified: one branch per class. The size
 * to copy is read back from the record: to the verifier it is then a number without a past. */
#define SONDE_SEND_CLASS(capacity)                                                      \
  do {                                                                                  \
    struct sonde_data_record* record =                                                  \
        bpf_ringbuf_reserve(&ring, sizeof(struct sonde_data_record) + (capacity), 0);   \
    if (!record) {                                                                      \
      sonde_lose(SONDE_LOSS_RING_DATA);                                                 \
      shipment->lost++;                                                                 \
      return;                                                                           \
    }                                                                                   \
    sonde_fill_piece(record, shipment);                                                 \
    size = *(volatile __u32*)&record->header.detail;                                    \
    if (size > (capacity) ||                                                            \
        (size && bpf_probe_read_user(record + 1, size, (const void*)shipment->base))) { \
      bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                                    \
      sonde_lose(SONDE_LOSS_READ);                                                      \
      shipment->lost++;                                                                 \
      return;                                                                           \
    }                                                                                   \
    bpf_ringbuf_submit(record, sonde_wake_flags());                                     \
    return;                                                                             \
  } while (0)

/* Copies the shipment's piece from the program's memory. */
static __always_inline void sonde_send_piece(struct sonde_shipment* shipment) {
  __u64 size = *(volatile __u64*)&shipment->piece.captured;
  switch (sonde_size_class(size)) {
    case 128:
      SONDE_SEND_CLASS(128);
    case 256:
      SONDE_SEND_CLASS(256);
    case 512:
      SONDE_SEND_CLASS(512);
    case 1024:
      SONDE_SEND_CLASS(1024);
    case 2048:
      SONDE_SEND_CLASS(2048);
    case 4096:
      SONDE_SEND_CLASS(4096);
    case 8192:
      SONDE_SEND_CLASS(8192);
    default:
      SONDE_SEND_CLASS(SONDE_PIECE_BYTES);
  }
}

/* One record of a contiguous invocation. Returns whether it was the last. Not static: then it is
 * verified by itself. */
__noinline int sonde_buffer_step(__u64 thread) {
  struct sonde_shipment* shipment = bpf_map_lookup_elem(&shipments, &thread);
  if (!shipment) return 1;
  shipment->piece = sonde_piece_at(shipment->total, shipment->allowed, shipment->at);
  sonde_send_piece(shipment);
  shipment->base += shipment->piece.length;
  shipment->at += shipment->piece.length;
  return shipment->at >= shipment->total;
}

/* The current thread's shipment; its place once made is used again. The caller says in `record`
 * what all records have in common. */
static __always_inline struct sonde_shipment* sonde_shipment_begin(
    struct sonde_connection* connection, __u64 thread, __u64 source, __u64 count, __u64 total,
    __u64 allowed) {
  struct sonde_shipment* shipment = bpf_map_lookup_elem(&shipments, &thread);
  if (!shipment) {
    struct sonde_shipment fresh = {};
    bpf_map_update_elem(&shipments, &thread, &fresh, BPF_ANY);
    shipment = bpf_map_lookup_elem(&shipments, &thread);
  }
  if (!shipment) {
    sonde_lose(SONDE_LOSS_IN_FLIGHT);
    connection->lost_records++;
    return NULL;
  }
  shipment->source = source;
  shipment->base = source;
  shipment->count = count;
  shipment->total = total;
  shipment->allowed = allowed;
  shipment->at = 0;
  shipment->left = 0;
  shipment->skip = 0;
  shipment->element = 0;
  shipment->lost = 0;
  return shipment;
}

/* Books what could not be sent. `cause` is that of a shipment that did not come to its end. */
static __always_inline void sonde_shipment_end(struct sonde_connection* connection,
                                               const struct sonde_shipment* shipment, __u32 cause) {
  connection->lost_records += shipment->lost;
  if (shipment->at >= shipment->total) return;
  sonde_lose(cause);
  connection->lost_records++;
}

/* Sends one contiguous invocation. */
static __always_inline void sonde_ship_buffer(struct sonde_connection* connection, __u64 thread,
                                              const struct sonde_shipment* shipment) {
  __u32 step;
  for (step = 0; step < SONDE_PIECES; step++) {
    if (sonde_buffer_step(thread)) break;
  }
  sonde_shipment_end(connection, shipment, SONDE_LOSS_IN_FLIGHT);
}

#endif /* SONDE_BPF_COMMON_EMIT_H_ */
