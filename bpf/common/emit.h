/* Records into the ring. */
#ifndef SONDE_BPF_COMMON_EMIT_H_
#define SONDE_BPF_COMMON_EMIT_H_

#include "common/gate.h"
#include "sonde_arith.h"

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
struct sonde_operation {
  struct sonde_header header;
  struct sonde_process_id process;
  __u64 handle;
  __u64 generation;
  __u64 offset;
  __u64 entry_ns;
  __u64 exit_ns;
};

static __always_inline void sonde_fill_operation(struct sonde_operation* operation,
                                                 const struct sonde_connection_key* key,
                                                 const struct sonde_connection* connection,
                                                 __u8 direction, __u64 offset, __u64 entry_ns,
                                                 __u64 exit_ns, __u32 flags) {
  operation->header.type = SONDE_RECORD_DATA;
  operation->header.transport = key->transport;
  operation->header.direction = direction;
  operation->header.role = connection->role;
  operation->header.flags = flags;
  operation->header.tid = (__u32)bpf_get_current_pid_tgid();
  operation->header.detail = 0;
  operation->process.tgid = key->tgid;
  operation->process.exec_generation = connection->exec_generation;
  operation->process.start_ns = connection->start_ns;
  operation->handle = connection->handle;
  operation->generation = connection->generation;
  operation->offset = offset;
  operation->entry_ns = entry_ns;
  operation->exit_ns = exit_ns;
}

static __always_inline void sonde_fill_data(struct sonde_data_record* record,
                                            const struct sonde_operation* operation,
                                            const struct sonde_piece* piece) {
  record->header = operation->header;
  record->header.detail = (__u32)piece->captured;
  if (piece->after_gap) record->header.flags |= SONDE_FLAG_AFTER_GAP;
  record->process = operation->process;
  record->handle = operation->handle;
  record->generation = operation->generation;
  record->offset = operation->offset + piece->at;
  record->length = piece->length;
  record->entry_ns = operation->entry_ns;
  record->exit_ns = operation->exit_ns;
}

/* Linux 5.10 reserves only sizes known when the program is verified: one branch per class. The size
 * to copy is read back from the record: to the verifier it is then a number without a past, and the
 * loop around this stays cheap to verify. */
#define SONDE_EMIT_CLASS(capacity)                                                    \
  do {                                                                                \
    struct sonde_data_record* record =                                                \
        bpf_ringbuf_reserve(&ring, sizeof(struct sonde_data_record) + (capacity), 0); \
    if (!record) {                                                                    \
      sonde_lose(SONDE_LOSS_RING_DATA);                                               \
      connection->lost_records++;                                                     \
      return;                                                                         \
    }                                                                                 \
    sonde_fill_data(record, operation, piece);                                        \
    size = *(volatile __u32*)&record->header.detail;                                  \
    if (size > (capacity) ||                                                          \
        (size && bpf_probe_read_user(record + 1, size, (const void*)source))) {       \
      bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                                  \
      sonde_lose(SONDE_LOSS_READ);                                                    \
      connection->lost_records++;                                                     \
      return;                                                                         \
    }                                                                                 \
    bpf_ringbuf_submit(record, sonde_wake_flags());                                   \
    return;                                                                           \
  } while (0)

/* Copies one piece from the program's memory. A loss is counted by cause and on the connection. */
static __always_inline void sonde_emit_piece(struct sonde_connection* connection,
                                             const struct sonde_operation* operation,
                                             const struct sonde_piece* piece, __u64 source) {
  __u64 size;
  switch (sonde_size_class(piece->captured)) {
    case 128:
      SONDE_EMIT_CLASS(128);
    case 256:
      SONDE_EMIT_CLASS(256);
    case 512:
      SONDE_EMIT_CLASS(512);
    case 1024:
      SONDE_EMIT_CLASS(1024);
    case 2048:
      SONDE_EMIT_CLASS(2048);
    case 4096:
      SONDE_EMIT_CLASS(4096);
    case 8192:
      SONDE_EMIT_CLASS(8192);
    default:
      SONDE_EMIT_CLASS(SONDE_PIECE_BYTES);
  }
}

/* What is to be sent of one invocation. */
struct sonde_shipment {
  struct sonde_operation operation;
  __u64 source; /* The bytes, or the vector that names them. */
  __u64 count;  /* Elements of the vector. */
  __u64 total;
  __u64 allowed;
};

/* A copy that the verifier knows nothing of. It would follow every path that led here, with every
 * value on it, through every turn of the loops below; so all paths become one. */
#define SONDE_FORGET(copy, original) bpf_probe_read_kernel(&(copy), sizeof(copy), &(original))

/* Sends one contiguous invocation. */
static __always_inline void sonde_emit_buffer(struct sonde_connection* connection,
                                              const struct sonde_shipment* shipment) {
  __u64 at = 0;
  __u32 step;
  for (step = 0; step < SONDE_PIECES; step++) {
    struct sonde_piece piece = sonde_piece_at(shipment->total, shipment->allowed, at);
    __u64 next = at + piece.length;
    sonde_emit_piece(connection, &shipment->operation, &piece, shipment->source + at);
    if (next >= shipment->total) break;
    SONDE_FORGET(at, next);
  }
}

#endif /* SONDE_BPF_COMMON_EMIT_H_ */
