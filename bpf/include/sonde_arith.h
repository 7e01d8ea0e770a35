/* The arithmetic of capture: how an invocation is cut into records, what a verdict lets through,
 * what a socket's first bytes say. Pure functions, compiled for BPF and by the host's unit test.
 */
#ifndef SONDE_BPF_INCLUDE_SONDE_ARITH_H_
#define SONDE_BPF_INCLUDE_SONDE_ARITH_H_

#include "sonde_abi.h"

#ifndef SONDE_INLINE
#if defined(__bpf__)
#define SONDE_INLINE static inline __attribute__((always_inline))
#else
#define SONDE_INLINE static inline
#endif
#endif

/* One record's share of an invocation. */
struct sonde_piece {
  __u64 at;       /* Position in the invocation. */
  __u64 captured; /* Bytes to copy, at most SONDE_PIECE_BYTES. */
  __u64 length;   /* captured plus the hole that follows. */
  __u32 after_gap;
};

/* The piece at position `at` of an invocation that moved `total` bytes of which the verdict lets
 * the first `allowed` through. The next piece is at `at + length`; there is none at `total`. */
SONDE_INLINE struct sonde_piece sonde_piece_at(__u64 total, __u64 allowed, __u64 at) {
  struct sonde_piece piece = {.at = at, .captured = 0, .length = 0, .after_gap = 0};
  __u64 end = total;    /* Of the run of bytes that `at` is in. */
  __u64 resume = total; /* Where capture goes on after that run. */
  if (allowed < total) {
    end = allowed;
    if (end > SONDE_HEAD_BYTES) end = SONDE_HEAD_BYTES;
  } else if (total > SONDE_HEAD_BYTES + SONDE_TAIL_BYTES) {
    if (at < SONDE_HEAD_BYTES) {
      end = SONDE_HEAD_BYTES;
      resume = total - SONDE_TAIL_BYTES;
    } else {
      piece.after_gap = 1;
    }
  }
  if (at < end) {
    piece.captured = end - at;
    if (piece.captured > SONDE_PIECE_BYTES) piece.captured = SONDE_PIECE_BYTES;
  }
  piece.length = piece.captured;
  if (at + piece.captured >= end) piece.length = resume - at;
  return piece;
}

/* The smallest size class that holds `bytes`; bytes is at most SONDE_PIECE_BYTES. */
SONDE_INLINE __u32 sonde_size_class(__u64 bytes) {
  if (bytes <= 128) return 128;
  if (bytes <= 256) return 256;
  if (bytes <= 512) return 512;
  if (bytes <= 1024) return 1024;
  if (bytes <= 2048) return 2048;
  if (bytes <= 4096) return 4096;
  if (bytes <= 8192) return 8192;
  return SONDE_PIECE_BYTES;
}

/* Keeps the books of a connection for an invocation that moved `length` bytes: turns and offsets.
 * Returns the offset of its first byte. */
SONDE_INLINE __u64 sonde_account(struct sonde_connection* connection, __u8 direction,
                                 __u64 length) {
  __u64 offset;
  direction &= 1;
  if (connection->last_direction != direction + 1) {
    connection->last_direction = direction + 1;
    connection->turn_bytes = 0;
    if (direction == SONDE_OUT) connection->turns++;
  }
  connection->turn_bytes += length;
  offset = connection->bytes[direction];
  connection->bytes[direction] = offset + length;
  return offset;
}

/* How many of the first bytes of an invocation a verdict lets through, asked after
 * sonde_account(). A verdict past its time is none. */
SONDE_INLINE __u64 sonde_allowed(const struct sonde_verdict* verdict,
                                 const struct sonde_connection* connection, __u64 now,
                                 __u64 length) {
  __u64 before;
  if (now >= verdict->expires_ns) return length;
  if (verdict->mode == SONDE_MODE_LENGTHS) return 0;
  if (verdict->mode != SONDE_MODE_PREFIX) return length;
  before = connection->turn_bytes - length;
  if (before >= verdict->prefix_bytes) return 0;
  if (verdict->prefix_bytes - before < length) return verdict->prefix_bytes - before;
  return length;
}

/* Content types of TLS records that can stand at the start of what is read or written. */
SONDE_INLINE int sonde_is_tls_record(const __u8* head, __u64 length, int handshake_only) {
  if (length < 1) return 0;
  if (head[0] != 0x16 && (handshake_only || head[0] < 0x14 || head[0] > 0x17)) return 0;
  return length < 2 || head[1] == 3;
}

/* What a socket's state becomes with the first bytes of an invocation, asked before
 * sonde_account(). `head` holds the first five bytes (or `length`, if fewer). A TLS handshake may
 * also begin later, behind a proxy's CONNECT: then at a change of direction. */
SONDE_INLINE void sonde_classify(struct sonde_connection* connection, __u8 direction,
                                 const __u8* head, __u64 length) {
  direction &= 1;
  if (connection->socket_state == SONDE_SOCKET_PLAIN &&
      (direction != SONDE_OUT || connection->last_direction == direction + 1)) {
    return;
  }
  if (connection->socket_state != SONDE_SOCKET_NEW &&
      connection->socket_state != SONDE_SOCKET_PLAIN) {
    return;
  }
  if (!sonde_is_tls_record(head, length, connection->socket_state == SONDE_SOCKET_PLAIN)) {
    connection->socket_state = SONDE_SOCKET_PLAIN;
    return;
  }
  if (head[0] != 0x16) { /* Met amid a TLS stream: nothing of it can be read. */
    connection->socket_state = SONDE_SOCKET_SILENT;
    return;
  }
  connection->socket_state = SONDE_SOCKET_HELLO;
  connection->hello_direction = direction;
  connection->hello_left = SONDE_PIECE_BYTES;
  if (length >= 5) {
    __u32 record = 5 + ((__u32)head[3] << 8 | head[4]);
    if (record < connection->hello_left) connection->hello_left = record;
  }
}

/* How many of the first bytes of an invocation a TLS socket still sends; moves its state on. */
SONDE_INLINE __u64 sonde_hello_share(struct sonde_connection* connection, __u8 direction,
                                     __u64 length) {
  __u64 share = 0;
  direction &= 1;
  if (connection->socket_state != SONDE_SOCKET_HELLO) return 0;
  if (direction == connection->hello_direction) {
    share = length;
    if (share > connection->hello_left) share = connection->hello_left;
    connection->hello_left -= (__u32)share;
    if (connection->hello_left == 0) connection->socket_state = SONDE_SOCKET_SILENT;
  } else if (connection->bytes[connection->hello_direction & 1] != 0) {
    /* The other side answers: the hello is over, whatever its length said. */
    connection->socket_state = SONDE_SOCKET_SILENT;
  }
  return share;
}

#endif /* SONDE_BPF_INCLUDE_SONDE_ARITH_H_ */
