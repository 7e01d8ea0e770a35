/* The maps. Every object declares all of them; user space creates each once and shares it. */
#ifndef SONDE_BPF_COMMON_MAPS_H_
#define SONDE_BPF_COMMON_MAPS_H_

#include "common/bpf.h"
#include "sonde_abi.h"
#include "sonde_arith.h"

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

/* What is to be sent of one invocation and how far that is. */
struct sonde_shipment {
  struct sonde_data_record record; /* What its records have in common; `offset` is of its start. */
  __u64 source;                    /* The bytes, or the vector that names them. */
  __u64 count;                     /* Elements of the vector. */
  __u64 total;
  __u64 allowed;
  __u64 at;                 /* Sent so far, or told as a hole. */
  __u64 base;               /* Where the next bytes lie. */
  __u64 left;               /* Of the element; the rest is the vector's only. */
  __u64 skip;               /* Bytes of coming elements that fall into a hole. */
  __u64 element;            /* The next one. */
  struct sonde_piece piece; /* The record being made. */
  __u32 lost;               /* Records that could not be sent. */
  __u32 reserved;
};

/* By thread, which sends one at a time. In a map, so that the steps can be functions of their own
 * that the verifier looks at once and not anew for every turn of a loop. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct sonde_shipment);
} shipments SEC(".maps");

/* Contexts of syscall tracepoints: the same on every kernel. */
struct sonde_syscall_enter {
  __u64 common;
  __s32 number;
  __u32 padding; /* Holds whatever was there. */
  __u64 args[6];
};
struct sonde_syscall_exit {
  __u64 common;
  __s32 number;
  __u32 padding; /* Holds whatever was there. */
  __s64 result;
};

static __always_inline void sonde_lose(__u32 cause) {
  __u64* count = bpf_map_lookup_elem(&losses, &cause);
  /* A uprobe's program can be preempted by another on its CPU. */
  if (count) __sync_fetch_and_add(count, 1);
}

#endif /* SONDE_BPF_COMMON_MAPS_H_ */
