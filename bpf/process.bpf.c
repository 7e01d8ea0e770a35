/* Processes: the selection follows fork, exec moves a process to its next image, exit ends it. */

#include "common/emit.h"

SEC("raw_tracepoint/sched_process_fork")
int sonde_fork(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* child = (struct task_struct*)ctx->args[1];
  __u32 parent_tgid = sonde_tgid();
  __u32 tgid = BPF_CORE_READ(child, tgid);
  struct sonde_process* parent;
  struct sonde_process fresh = {};
  struct sonde_process_record* record;
  if (tgid == parent_tgid) return 0; /* A thread. */
  parent = sonde_gate(parent_tgid);
  if (!parent) return 0;
  fresh.start_ns = BPF_CORE_READ(child, start_boottime);
  fresh.start_ns -= fresh.start_ns % SONDE_START_TICK_NS;
  fresh.source = parent->source;
  fresh.selection = parent->selection - 1; /* It may have been born into another cgroup: ask. */
  if (bpf_map_update_elem(&processes, &tgid, &fresh, BPF_ANY)) {
    sonde_lose(SONDE_LOSS_PROCESSES);
    return 0;
  }
  record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
  if (!record) {
    sonde_lose(SONDE_LOSS_RING_EVENT);
    return 0;
  }
  __builtin_memset(record, 0, sizeof(*record));
  record->header.type = SONDE_RECORD_FORKED;
  record->header.tid = (__u32)bpf_get_current_pid_tgid();
  sonde_fill_process(&record->process, tgid, &fresh);
  sonde_fill_process(&record->parent, parent_tgid, parent);
  record->ns = bpf_ktime_get_ns();
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
  return 0;
}

SEC("raw_tracepoint/sched_process_exec")
int sonde_exec(void* ctx) {
  __u32 tgid = sonde_tgid();
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_config* settings;
  (void)ctx;
  if (!process) {
    const struct sonde_process nobody = {};
    settings = sonde_config_get();
    if (settings && settings->enabled && settings->all_execs && settings->self_tgid != tgid) {
      sonde_emit_process(SONDE_RECORD_PASSED_BY, tgid, &nobody);
    }
    return 0;
  }
  process->exec_generation++;
  sonde_emit_process(SONDE_RECORD_EXECED, tgid, process);
  return 0;
}

SEC("raw_tracepoint/sched_process_exit")
int sonde_exit(void* ctx) {
  __u32 tgid = sonde_tgid();
  struct task_struct* task;
  struct sonde_process* process = bpf_map_lookup_elem(&processes, &tgid);
  struct sonde_process last;
  (void)ctx;
  if (!process) return 0;
  task = (struct task_struct*)bpf_get_current_task();
  if (BPF_CORE_READ(task, signal, live.counter) > 0) return 0; /* Threads are left. */
  last = *process;
  if (bpf_map_delete_elem(&processes, &tgid)) return 0; /* Another last thread was quicker. */
  sonde_emit_process(SONDE_RECORD_EXITED, tgid, &last);
  return 0;
}

/* A task was moved to another cgroup. */
SEC("raw_tracepoint/cgroup_attach_task")
int sonde_cgroup_move(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* task = (struct task_struct*)ctx->args[2];
  struct sonde_config* settings = sonde_config_get();
  __u32 tgid = BPF_CORE_READ(task, tgid);
  struct sonde_process* process = bpf_map_lookup_elem(&processes, &tgid);
  if (!settings || !process || process->source != SONDE_SOURCE_CGROUP) return 0;
  if (BPF_CORE_READ(task, pid) != (__s32)tgid) return 0; /* Where the leader is decides. */
  if (!sonde_task_in_cgroups(settings, task)) sonde_let_go(tgid, process);
  return 0;
}

SEC("tracepoint")
int sonde_mmap_enter(struct sonde_syscall_enter* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  struct sonde_syscall call = {.kind = SONDE_CALL_MMAP};
  if (!(ctx->args[2] & 4 /* PROT_EXEC */) || (__s32)ctx->args[4] < 0) return 0;
  if (!sonde_gate(id >> 32)) return 0;
  if (bpf_map_update_elem(&syscalls, &id, &call, BPF_ANY)) sonde_lose(SONDE_LOSS_IN_FLIGHT);
  return 0;
}

SEC("tracepoint")
int sonde_mmap_exit(struct sonde_syscall_exit* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  __u32 tgid = id >> 32;
  struct sonde_process* process = sonde_gate(tgid);
  struct sonde_syscall* call;
  if (!process) return 0;
  call = bpf_map_lookup_elem(&syscalls, &id);
  if (!call || call->kind != SONDE_CALL_MMAP) return 0;
  bpf_map_delete_elem(&syscalls, &id);
  if (ctx->result < 0 && ctx->result > -4096) return 0;
  sonde_emit_process(SONDE_RECORD_MAPPED, tgid, process);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
