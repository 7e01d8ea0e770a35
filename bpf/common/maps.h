/* The maps. Every object declares all of them; user space creates each once and shares it. */
#ifndef SONDE_BPF_COMMON_MAPS_H_
#define SONDE_BPF_COMMON_MAPS_H_

#include "common/bpf.h"
#include "sonde_abi.h"

/* Sizes are set by user space before loading where they depend on options. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sonde_config);
} config SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SONDE_LOSS_COUNT);
  __type(key, __u32);
  __type(value, __u64);
} losses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, struct sonde_process);
} processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct sonde_cgroup_key);
  __type(value, __u8);
} cgroups SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, struct sonde_connection_key);
  __type(value, struct sonde_connection);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct sonde_verdict_key);
  __type(value, struct sonde_verdict);
} verdicts SEC(".maps");

/* Entries of invocations that never return (exec, exit, longjmp) age out. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct sonde_invocation_key);
  __type(value, struct sonde_invocation);
} in_flight SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct sonde_syscall);
} syscalls SEC(".maps");

/* Contexts of syscall tracepoints: the same on every kernel. */
struct sonde_syscall_enter {
  __u64 common;
  __s64 number;
  __u64 args[6];
};
struct sonde_syscall_exit {
  __u64 common;
  __s64 number;
  __s64 result;
};

static __always_inline void sonde_lose(__u32 cause) {
  __u64* count = bpf_map_lookup_elem(&losses, &cause);
  /* A uprobe's program can be preempted by another on its CPU. */
  if (count) __sync_fetch_and_add(count, 1);
}

#endif /* SONDE_BPF_COMMON_MAPS_H_ */
