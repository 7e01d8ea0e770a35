/* Which screen of Sonde's own terminal the selected programs use. Only the terminal knows, and only
 * from what is written to it; so the writes are looked at. Loaded when live lines go to a terminal.
 */

#include "common/maps.h"

#define SONDE_S_IFMT 0170000
#define SONDE_S_IFCHR 0020000
#define SONDE_DEV_TTY (5U << 20) /* /dev/tty: the process's own terminal, whichever that is. */
/* How much of a write's beginning and of its end is looked at. */
#define SONDE_SCREEN_BYTES 64

/* Device of the terminal, as the kernel numbers it. */
const volatile __u32 sonde_terminal = 0;
/* 1 while the alternate screen is shown. */
__u32 sonde_alternate = 0;

/* Thread -> what its write asks for, until the write has returned. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 256);
  __type(key, __u64);
  __type(value, __u32);
} screens SEC(".maps");

static __always_inline int sonde_is_terminal(__s32 fd) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  struct fdtable* table = BPF_CORE_READ(task, files, fdt);
  struct file** files = BPF_CORE_READ(table, fd);
  struct file* file = NULL;
  struct inode* inode;
  __u32 device;
  if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds)) return 0;
  if (bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) || !file) return 0;
  inode = BPF_CORE_READ(file, f_inode);
  if ((BPF_CORE_READ(inode, i_mode) & SONDE_S_IFMT) != SONDE_S_IFCHR) return 0;
  device = BPF_CORE_READ(inode, i_rdev);
  return device == sonde_terminal || device == SONDE_DEV_TTY;
}

/* The last screen that the bytes ask for, else `screen`. ESC [ ? 1049 h, 1047 and 47; l for back:
 * the letters differ in one bit. */
static __noinline __u32 sonde_screen_in(const __u8* bytes, __u32 screen) {
  __u64 window = 0;
  __u32 i;
#pragma clang loop unroll(full)
  for (i = 0; i < SONDE_SCREEN_BYTES; i++) {
    __u64 either;
    window = window << 8 | bytes[i];
    either = window & ~4ULL;
    if (either == 0x1b5b3f3130343968ULL || either == 0x1b5b3f3130343768ULL ||
        (either & 0xffffffffffffULL) == 0x1b5b3f343768ULL) {
      screen = !(window & 4);
    }
  }
  return screen;
}

static __always_inline void sonde_look(__u64 buffer, __u64 length) {
  __u64 id = bpf_get_current_pid_tgid();
  __u8 bytes[SONDE_SCREEN_BYTES] = {};
  __u32 before = sonde_alternate;
  __u32 screen = before;
  __u32 first = length < sizeof(bytes) ? length : sizeof(bytes);
  if (bpf_probe_read_user(bytes, first, (void*)buffer)) return;
  screen = sonde_screen_in(bytes, screen);
  if (length > sizeof(bytes)) {
    if (bpf_probe_read_user(bytes, sizeof(bytes), (void*)(buffer + length - sizeof(bytes)))) {
      return;
    }
    screen = sonde_screen_in(bytes, screen);
  }
  /* Entered at once: nothing of Sonde's may come in between. Left when the write has returned. */
  if (screen) sonde_alternate = 1;
  if (screen != before && !screen) bpf_map_update_elem(&screens, &id, &screen, BPF_ANY);
}

SEC("tracepoint")
int sonde_screen_write(struct sonde_syscall_enter* ctx) {
  __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  if (!bpf_map_lookup_elem(&processes, &tgid) || !sonde_is_terminal(ctx->args[0])) return 0;
  sonde_look(ctx->args[1], ctx->args[2]);
  return 0;
}

/* The first element and the last. */
SEC("tracepoint")
int sonde_screen_writev(struct sonde_syscall_enter* ctx) {
  __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  __u64 element[2] = {}; /* Address and length. */
  if (!bpf_map_lookup_elem(&processes, &tgid) || !sonde_is_terminal(ctx->args[0])) return 0;
  if (bpf_probe_read_user(element, sizeof(element), (void*)ctx->args[1])) return 0;
  sonde_look(element[0], element[1]);
  if (ctx->args[2] < 2) return 0;
  if (bpf_probe_read_user(element, sizeof(element),
                          (void*)(ctx->args[1] + (ctx->args[2] - 1) * sizeof(element)))) {
    return 0;
  }
  sonde_look(element[0], element[1]);
  return 0;
}

SEC("tracepoint")
int sonde_screen_exit(struct sonde_syscall_exit* ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  if (!bpf_map_lookup_elem(&screens, &id)) return 0;
  bpf_map_delete_elem(&screens, &id);
  sonde_alternate = 0;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
