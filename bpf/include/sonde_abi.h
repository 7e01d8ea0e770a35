/* The one contract between the kernel programs and user space: records of the ring, keys and values
 * of the maps. Compiled by clang for BPF (C) and by the host compiler (C++); both check the layout.
 */
#ifndef SONDE_BPF_INCLUDE_SONDE_ABI_H_
#define SONDE_BPF_INCLUDE_SONDE_ABI_H_

#include <linux/types.h>

#ifdef __cplusplus
#define SONDE_ABI_ASSERT(condition) static_assert(condition, #condition)
#else
#define SONDE_ABI_ASSERT(condition) _Static_assert(condition, #condition)
#endif
/* Not offsetof(): libbpf's helpers redefine it as something that is no constant. */
#define SONDE_ABI_AT(type, member, at) \
  SONDE_ABI_ASSERT(__builtin_offsetof(struct type, member) == (at))

/* One invocation (a library call or a syscall) sends at most head + tail bytes. */
#define SONDE_HEAD_BYTES (192U * 1024U)
#define SONDE_TAIL_BYTES (64U * 1024U)
/* One record carries at most this much of it. */
#define SONDE_PIECE_BYTES (16U * 1024U)
#define SONDE_PIECES ((SONDE_HEAD_BYTES + SONDE_TAIL_BYTES) / SONDE_PIECE_BYTES)
/* Size classes of payloads are powers of two from the first to the last. */
#define SONDE_SMALLEST_CLASS 128U
/* Steps through the vector of one vectored syscall: records plus vector elements. */
#define SONDE_VECTOR_STEPS 48U
#define SONDE_NAME_BYTES 256U
/* Levels of a cgroup path that are looked at, from the process upwards. */
#define SONDE_CGROUP_LEVELS 16
/* Start times of processes are cut to what procfs shows: clock ticks of USER_HZ = 100. Both sides
 * then name a process alike, and a pid cannot come round within one tick. */
#define SONDE_START_TICK_NS 10000000ULL

enum sonde_record_type {
  SONDE_RECORD_DATA = 1,
  SONDE_RECORD_OPENED = 2,
  SONDE_RECORD_INFO = 3,
  SONDE_RECORD_NAME = 4,  /* Server name the client asked for. */
  SONDE_RECORD_ENDED = 5, /* One direction ended. */
  SONDE_RECORD_CLOSED = 6,
  SONDE_RECORD_FORKED = 7,
  SONDE_RECORD_EXECED = 8,
  SONDE_RECORD_EXITED = 9,
  SONDE_RECORD_MET = 10,       /* A process selected by its cgroup was seen for the first time. */
  SONDE_RECORD_MAPPED = 11,    /* A selected process mapped a file executable. */
  SONDE_RECORD_IO_URING = 12,  /* A selected process made an io_uring. */
  SONDE_RECORD_LEFT = 13,      /* A process is in no selected cgroup any more and was let go. */
  SONDE_RECORD_PASSED_BY = 14, /* A process that is not selected has executed a program. */
};

enum sonde_transport { SONDE_TRANSPORT_TLS = 1, SONDE_TRANSPORT_SOCKET = 2 };
enum sonde_role { SONDE_ROLE_UNKNOWN = 0, SONDE_ROLE_CLIENT = 1, SONDE_ROLE_SERVER = 2 };
enum sonde_direction { SONDE_OUT = 0, SONDE_IN = 1 };

enum sonde_close_reason {
  SONDE_CLOSE_FREED = 1,
  SONDE_CLOSE_CLOSED = 2,
  SONDE_CLOSE_SHUTDOWN = 3,
  SONDE_CLOSE_EXEC = 4,
  SONDE_CLOSE_EXIT = 5,
  SONDE_CLOSE_EVICTED = 6,
};

/* Flags of a record. */
#define SONDE_FLAG_MID_STREAM 1U /* OPENED: the beginning was not seen. */
#define SONDE_FLAG_AFTER_GAP 2U  /* DATA: tail of an invocation whose middle was left out. */
#define SONDE_FLAG_CONCURRENT 4U /* DATA: another invocation was inside on this direction. */
#define SONDE_FLAG_ERROR 8U      /* ENDED: by an error. */
#define SONDE_FLAG_DATAGRAM 16U  /* INFO: a UDP socket talking to port 443. */

/* INFO: which fields hold something. */
#define SONDE_INFO_ROLE 1U
#define SONDE_INFO_PEER 2U
#define SONDE_INFO_FD 4U

enum sonde_family { SONDE_FAMILY_NONE = 0, SONDE_FAMILY_IP4 = 4, SONDE_FAMILY_IP6 = 6 };

/* Causes of loss: index of the per-CPU array `losses`. */
enum sonde_loss {
  SONDE_LOSS_RING_DATA = 0,   /* The ring had no room for a data record. */
  SONDE_LOSS_RING_EVENT = 1,  /* The ring had no room for another record. */
  SONDE_LOSS_READ = 2,        /* The program's memory could not be read (paged out). */
  SONDE_LOSS_CONNECTIONS = 3, /* The connection table was full. */
  SONDE_LOSS_PROCESSES = 4,   /* The process table was full. */
  SONDE_LOSS_IN_FLIGHT = 5,   /* An invocation could not be remembered. */
  SONDE_LOSS_STALE = 6,       /* A connection was freed or reused during an invocation on it. */
  SONDE_LOSS_VECTOR = 7,      /* A vectored syscall had more elements than are looked at. */
  SONDE_LOSS_NAME = 8,        /* A server name could not be read: no bytes are lost by it. */
  SONDE_LOSS_COUNT = 9,
};

/* First part of every record. */
struct sonde_header {
  __u8 type;
  __u8 transport;
  __u8 direction;
  __u8 role;
  __u32 flags;
  __u32 tid;
  __u32 detail; /* DATA: payload bytes that follow. CLOSED: the reason. INFO: the fields. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_header) == 16);

struct sonde_process_id {
  __u32 tgid;
  __u32 exec_generation;
  __u64 start_ns;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_process_id) == 16);

struct sonde_data_record {
  struct sonde_header header;
  struct sonde_process_id process;
  __u64 handle;
  __u64 generation;
  __u64 offset;
  __u64 length; /* Bytes of the stream this record stands for; the payload is their beginning. */
  __u64 entry_ns;
  __u64 exit_ns;
  /* header.detail bytes of payload follow. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_data_record) == 80);
SONDE_ABI_AT(sonde_data_record, handle, 32);
SONDE_ABI_AT(sonde_data_record, offset, 48);
SONDE_ABI_AT(sonde_data_record, exit_ns, 72);

/* OPENED, ENDED and the beginning of the three that follow. */
struct sonde_connection_record {
  struct sonde_header header;
  struct sonde_process_id process;
  __u64 handle;
  __u64 generation;
  __u64 ns;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_connection_record) == 56);

struct sonde_info_record {
  struct sonde_connection_record connection;
  __s32 fd;
  __u16 peer_port; /* Host order. */
  __u8 peer_family;
  __u8 reserved;
  __u8 peer_address[16];
};
SONDE_ABI_ASSERT(sizeof(struct sonde_info_record) == 80);
SONDE_ABI_AT(sonde_info_record, peer_address, 64);

struct sonde_name_record {
  struct sonde_connection_record connection;
  char name[SONDE_NAME_BYTES]; /* Ends with a zero. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_name_record) == 312);

struct sonde_closed_record {
  struct sonde_connection_record connection;
  __u64 bytes[2];
  __u64 lost_records;
  __u64 turns;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_closed_record) == 88);

/* FORKED, EXECED, EXITED, MET, MAPPED, IO_URING, LEFT. */
struct sonde_process_record {
  struct sonde_header header;
  struct sonde_process_id process;
  struct sonde_process_id parent; /* FORKED only. */
  __u64 ns;
  char comm[16]; /* Of the current task: the process may be gone before procfs is asked. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_process_record) == 72);

/* Map `config`, one element. User space writes it; the kernel reads it. */
struct sonde_config {
  __u32 enabled; /* 0 closes the gate. */
  __u32 self_tgid;
  __u32 cgroups;      /* Entries of the map `cgroups`; 0 spares the walk. */
  __s32 v1_subsystem; /* Index of the v1 controller whose cgroups are selected, or -1. */
  __u32 selection;    /* Changes when a selection is taken back. */
  __u32 verdicts;     /* Not 0 once a verdict was written. */
  __u64 wake_bytes;   /* The consumer is woken when the ring holds this much. */
  __u32 all_execs;    /* Not 0: tell of every exec, also of processes that are not selected. */
  __u32 reserved;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_config) == 40);

enum sonde_source { SONDE_SOURCE_TREE = 1, SONDE_SOURCE_CGROUP = 2 };

/* Map `processes`: tgid -> this. */
struct sonde_process {
  __u64 start_ns;
  __u32 exec_generation;
  __u32 source;
  __u32 selection; /* sonde_config.selection when a cgroup process was last found selected. */
  __u32 reserved;
  __u64 since_ns; /* When it was selected: what bytes its older connections moved is not known. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_process) == 32);

/* Map `cgroups`. */
struct sonde_cgroup_key {
  __u64 id;        /* kernfs id: the inode number of the cgroup's directory. */
  __s32 subsystem; /* v1 controller index; -1 is the v2 hierarchy. Ids repeat among hierarchies. */
  __u32 reserved;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_cgroup_key) == 16);

/* Map `connections`. */
struct sonde_connection_key {
  __u32 tgid;
  __u32 transport;
  __u64 handle; /* SSL*, or the kernel's socket: descriptors are duplicated and reused. */
};
SONDE_ABI_ASSERT(sizeof(struct sonde_connection_key) == 16);

enum sonde_socket_state {
  SONDE_SOCKET_NEW = 0, /* No byte seen yet. */
  SONDE_SOCKET_PLAIN = 1,
  SONDE_SOCKET_HELLO = 2,    /* TLS; the first record is being sent. */
  SONDE_SOCKET_SILENT = 3,   /* TLS; only counted from here on. */
  SONDE_SOCKET_DATAGRAM = 4, /* UDP to port 443; only named. */
};

/* Written by the kernel only. */
struct sonde_connection {
  __u64 generation;
  __u64 start_ns; /* With exec_generation: the process image it belongs to. */
  __u32 exec_generation;
  __s32 fd;
  __u64 handle; /* As records name it: SSL*, or the descriptor at birth. */
  __u64 bytes[2];
  __u64 lost_records;
  __u64 active_sp[2]; /* The invocation inside, per direction; 0 when there is none. */
  __u32 active_tid[2];
  __u32 turns;      /* Times the direction changed to out. */
  __u32 inode;      /* Sockets: tells a reused address. */
  __u64 turn_bytes; /* Bytes in the current direction since it changed. */
  __u64 last_ns;
  __u32 hello_left;      /* Bytes of the TLS hello still to send. */
  __s32 references;      /* Descriptors of the socket, or owners of the SSL object. */
  __u8 last_direction;   /* Plus 1; 0 before the first byte. */
  __u8 failed_direction; /* Of the last invocation that failed. */
  __u8 hello_direction;
  __u8 socket_state;
  __u8 role;
  __u8 ended[2];
  __u8 reserved;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_connection) == 120);
SONDE_ABI_AT(sonde_connection, bytes, 32);
SONDE_ABI_AT(sonde_connection, turn_bytes, 88);

enum sonde_mode { SONDE_MODE_FULL = 0, SONDE_MODE_PREFIX = 1, SONDE_MODE_LENGTHS = 2 };

/* Map `verdicts`, written by user space only. The generation stands in the key, so that a verdict
 * cannot reach the next connection on the same handle. */
struct sonde_verdict_key {
  __u32 tgid;
  __u32 transport;
  __u64 generation;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_verdict_key) == 16);

struct sonde_verdict {
  __u64 expires_ns;
  __u32 mode;
  __u32 prefix_bytes;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_verdict) == 16);

/* Map `in_flight`. The stack pointer at entry tells nested invocations of one thread apart. An
 * entry whose kind is 0 is free. */
struct sonde_invocation_key {
  __u32 tgid;
  __u32 reserved;
  __u64 sp;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_invocation_key) == 16);

enum sonde_kind {
  SONDE_KIND_READ = 1,
  SONDE_KIND_READ_EX = 2,
  SONDE_KIND_WRITE = 3,
  SONDE_KIND_WRITE_EX = 4,
  SONDE_KIND_PEEK = 5,
  SONDE_KIND_SENDFILE = 6,
  SONDE_KIND_GET_ERROR = 7,
  SONDE_KIND_DUP = 8,
  SONDE_KIND_NAME = 9, /* The server name that is asked for is set. */
};

struct sonde_invocation {
  __u64 handle;
  __u64 generation;
  __u64 buffer; /* NAME: the name. */
  __u64 length_pointer;
  __u64 entry_ns;
  __u64 outer_sp; /* The invocation on the same connection that this one is nested in. */
  __u64 settled;  /* Bytes that nested invocations have sent already. */
  __u32 kind;
  __u32 concurrent;
};
SONDE_ABI_ASSERT(sizeof(struct sonde_invocation) == 64);

enum sonde_syscall_kind {
  SONDE_CALL_BUFFER = 1,   /* read, write, sendto, recvfrom */
  SONDE_CALL_VECTOR = 2,   /* readv, writev, sendmsg, recvmsg */
  SONDE_CALL_HOLE = 3,     /* sendfile, splice */
  SONDE_CALL_MESSAGES = 4, /* recvmmsg, sendmmsg */
  SONDE_CALL_CONNECT = 5,
  SONDE_CALL_ACCEPT = 6,
  SONDE_CALL_DUP = 7,
  SONDE_CALL_MMAP = 8,
};

/* Map `syscalls`: pid and tgid -> the syscall a selected thread is in. */
struct sonde_syscall {
  __u64 socket;
  __u64 generation;
  __u64 buffer; /* Or the vector; DUP: the socket that was replaced. */
  __u64 count;  /* Elements of the vector; DUP: the replaced socket's inode. */
  __u64 entry_ns;
  __s32 fd;
  __u32 inode;
  __u8 kind;
  __u8 direction;
  __u8 concurrent;
  __u8 reserved[5];
};
SONDE_ABI_ASSERT(sizeof(struct sonde_syscall) == 56);

#endif /* SONDE_BPF_INCLUDE_SONDE_ABI_H_ */
