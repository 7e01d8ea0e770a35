/* The kernel's interface and libbpf's helpers, in the one order that compiles. */
#ifndef SONDE_BPF_COMMON_BPF_H_
#define SONDE_BPF_COMMON_BPF_H_

/* clang-format off */
#include <stddef.h>
#include <linux/ptrace.h>
#include <linux/bpf.h>
#include "sonde_core.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
/* clang-format on */

#endif /* SONDE_BPF_COMMON_BPF_H_ */
