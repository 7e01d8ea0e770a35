/* The few kernel structures that Sonde looks into, with only the fields it uses. clang records each
 * access; libbpf moves it to where the running kernel keeps the field. */
#ifndef SONDE_BPF_INCLUDE_SONDE_CORE_H_
#define SONDE_BPF_INCLUDE_SONDE_CORE_H_

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;

struct kernfs_node {
  __u64 id;
};
struct cgroup;
struct cgroup_subsys_state {
  struct cgroup* cgroup;
  struct cgroup_subsys_state* parent;
};
struct cgroup {
  struct cgroup_subsys_state self;
  struct kernfs_node* kn;
};
struct css_set {
  struct cgroup_subsys_state* subsys[1]; /* As many as the kernel has controllers. */
  struct cgroup* dfl_cgrp;
};
struct signal_struct {
  atomic_t live;
};

struct inode {
  unsigned short i_mode;
  unsigned int i_rdev;
  unsigned long i_ino;
};
struct file {
  void* private_data;
  struct inode* f_inode;
};
struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};
struct files_struct {
  struct fdtable* fdt;
};
struct in6_addr_core {
  __u8 bytes[16];
};
struct sock_common {
  __be32 skc_daddr;
  __be16 skc_dport;
  unsigned short skc_family;
  struct in6_addr_core skc_v6_daddr;
};
struct sock {
  struct sock_common __sk_common;
};
struct socket {
  short type;
  struct sock* sk;
};

struct task_struct {
  int pid;
  int tgid;
  __u64 start_boottime;
  struct task_struct* group_leader;
  struct signal_struct* signal;
  struct css_set* cgroups;
  struct files_struct* files;
};

#pragma clang attribute pop

#endif /* SONDE_BPF_INCLUDE_SONDE_CORE_H_ */
