/* Lives of connections. */
#ifndef SONDE_BPF_COMMON_CONNECTION_H_
#define SONDE_BPF_COMMON_CONNECTION_H_

#include "common/emit.h"

/* Says that a connection ended and forgets it. */
static __always_inline void sonde_connection_close(const struct sonde_connection_key* key,
                                                   struct sonde_connection* connection,
                                                   __u32 reason) {
  sonde_emit_closed(key, connection, reason);
  bpf_map_delete_elem(&connections, key);
}

/* Begins a life. `flags` says whether its beginning was seen. */
static __always_inline struct sonde_connection* sonde_connection_begin(
    const struct sonde_connection_key* key, const struct sonde_process* process, __u64 handle,
    __u32 inode, __u8 role, __u32 flags) {
  struct sonde_connection fresh = {};
  struct sonde_connection* connection;
  fresh.generation = bpf_ktime_get_ns();
  fresh.start_ns = process->start_ns;
  fresh.exec_generation = process->exec_generation;
  fresh.fd = -1;
  fresh.handle = handle;
  fresh.inode = inode;
  fresh.role = role;
  fresh.references = 1;
  fresh.last_ns = fresh.generation;
  if (bpf_map_update_elem(&connections, key, &fresh, BPF_NOEXIST)) {
    connection = bpf_map_lookup_elem(&connections, key);
    if (!connection) sonde_lose(SONDE_LOSS_CONNECTIONS);
    return connection;
  }
  connection = bpf_map_lookup_elem(&connections, key);
  if (connection) sonde_emit_opened(key, connection, flags);
  return connection;
}

/* The connection if it is known and belongs to this image of the process. What is left of an
 * older image is closed. */
static __always_inline struct sonde_connection* sonde_connection_find(
    const struct sonde_connection_key* key, const struct sonde_process* process, __u32 inode) {
  struct sonde_connection* connection = bpf_map_lookup_elem(&connections, key);
  if (!connection) return NULL;
  if (connection->start_ns != process->start_ns ||
      connection->exec_generation != process->exec_generation) {
    sonde_connection_close(key, connection, SONDE_CLOSE_EXEC);
    return NULL;
  }
  if (connection->generation < process->since_ns) { /* Of a selection that ended meanwhile. */
    sonde_connection_close(key, connection, SONDE_CLOSE_EVICTED);
    return NULL;
  }
  if (connection->inode != inode) { /* Its close went by unseen. */
    sonde_connection_close(key, connection, SONDE_CLOSE_CLOSED);
    return NULL;
  }
  return connection;
}

/* How many of the first bytes of an invocation may be sent. */
static __always_inline __u64 sonde_verdict_share(const struct sonde_connection_key* key,
                                                 const struct sonde_connection* connection,
                                                 __u64 now, __u64 length) {
  struct sonde_config* settings = sonde_config_get();
  struct sonde_verdict_key place = {
      .tgid = key->tgid, .transport = key->transport, .generation = connection->generation};
  struct sonde_verdict* verdict;
  if (!settings || !settings->verdicts) return length;
  verdict = bpf_map_lookup_elem(&verdicts, &place);
  return verdict ? sonde_allowed(verdict, connection, now, length) : length;
}

#endif /* SONDE_BPF_COMMON_CONNECTION_H_ */
