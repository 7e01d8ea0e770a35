/* The gate: is the current process one that Sonde was told to look at? First thing in every
 * program. */
#ifndef SONDE_BPF_COMMON_GATE_H_
#define SONDE_BPF_COMMON_GATE_H_

#include "common/maps.h"

static __always_inline __u32 sonde_tgid(void) { return bpf_get_current_pid_tgid() >> 32; }

static __always_inline struct sonde_config* sonde_config_get(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline __u64 sonde_start_of(struct task_struct* task) {
  __u64 start = BPF_CORE_READ(task, group_leader, start_boottime);
  return start - start % SONDE_START_TICK_NS;
}

/* Is the cgroup or one above it selected? Not static, as others below: the verifier then looks at
 * it once and not anew for every path that calls it. Such functions take numbers only before 5.12.
 */
__noinline int sonde_cgroup_selected(__u64 group, __s32 subsystem) {
  struct cgroup* at = (struct cgroup*)group;
  struct sonde_cgroup_key key = {.subsystem = subsystem};
  int level;
  for (level = 0; level < SONDE_CGROUP_LEVELS && at; level++) {
    key.id = BPF_CORE_READ(at, kn, id);
    if (bpf_map_lookup_elem(&cgroups, &key)) return 1;
    at = BPF_CORE_READ(at, self.parent, cgroup);
  }
  return 0;
}

static __always_inline int sonde_task_in_cgroups(const struct sonde_config* settings,
                                                 struct task_struct* task) {
  struct css_set* set = BPF_CORE_READ(task, cgroups);
  __s32 subsystem = settings->v1_subsystem;
  if (sonde_cgroup_selected((__u64)BPF_CORE_READ(set, dfl_cgrp), -1)) return 1;
  if (subsystem >= 0 && subsystem < 32) {
    struct cgroup_subsys_state* state = NULL;
    bpf_core_read(&state, sizeof(state), &set->subsys[0] + subsystem);
    if (state && sonde_cgroup_selected((__u64)BPF_CORE_READ(state, cgroup), subsystem)) return 1;
  }
  return 0;
}

/* The record a process gets when its cgroup selected it; defined with the other records. */
static __always_inline void sonde_emit_process(__u8 type, __u32 tgid,
                                               const struct sonde_process* process);

/* Reads nothing more of a process, and says so: its connections are to be closed. */
static __always_inline void sonde_let_go(__u32 tgid, const struct sonde_process* process) {
  struct sonde_process last = *process;
  if (bpf_map_delete_elem(&processes, &tgid)) return;
  sonde_emit_process(SONDE_RECORD_LEFT, tgid, &last);
}

/* A process that is in no table yet, or whose selection may have been taken back. Returns whether
 * it is in the table now. */
__noinline int sonde_select_by_cgroup(__u32 tgid) {
  struct sonde_config* settings = sonde_config_get();
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  struct sonde_process fresh = {.source = SONDE_SOURCE_CGROUP};
  struct sonde_process* known = bpf_map_lookup_elem(&processes, &tgid);
  if (!settings) return 0;
  if (!settings->cgroups || !sonde_task_in_cgroups(settings, task)) {
    if (known) sonde_let_go(tgid, known);
    return 0;
  }
  if (known) {
    known->selection = settings->selection;
    return 1;
  }
  fresh.start_ns = sonde_start_of(task);
  fresh.selection = settings->selection;
  fresh.since_ns = bpf_ktime_get_ns();
  if (bpf_map_update_elem(&processes, &tgid, &fresh, BPF_NOEXIST)) {
    if (bpf_map_lookup_elem(&processes, &tgid)) return 1;
    sonde_lose(SONDE_LOSS_PROCESSES);
    return 0;
  }
  sonde_emit_process(SONDE_RECORD_MET, tgid, &fresh);
  return 1;
}

static __always_inline struct sonde_process* sonde_gate(__u32 tgid) {
  struct sonde_config* settings = sonde_config_get();
  struct sonde_process* process;
  if (!settings || !settings->enabled || tgid == settings->self_tgid) return NULL;
  process = bpf_map_lookup_elem(&processes, &tgid);
  if (process &&
      (process->source == SONDE_SOURCE_TREE || process->selection == settings->selection)) {
    return process;
  }
  if (!process && !settings->cgroups) return NULL;
  return sonde_select_by_cgroup(tgid) ? bpf_map_lookup_elem(&processes, &tgid) : NULL;
}

#endif /* SONDE_BPF_COMMON_GATE_H_ */
