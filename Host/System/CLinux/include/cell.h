/// What a host and a cell (a child process that runs one plugin's instance) share: the layout of their
/// memory, the two ends of a conversation in it, and the walls around the child.
#ifndef CLINUX_CELL_H
#define CLINUX_CELL_H

#include <stdint.h>

#include "lane.h"

#define CLINUX_CELL_MAGIC 0x6C6C65637972746Eull
#define CLINUX_CELL_PORTS 64

/// One message from the host: a call, or the answer to the cell's. One cache line, so that whoever
/// sees `turn` change has the rest as well.
typedef struct clinux_cell_request {
  uint32_t turn; ///< counts the host's messages; a futex word
  uint32_t op;
  uint32_t input;
  uint32_t count;
  int64_t now_ns;
  uint64_t bytes;
  uint64_t x;
  uint64_t y;
  int32_t status;
  uint32_t flags;
  uint32_t a;
  uint32_t b;
} clinux_cell_request;

/// One message from the cell: the result of a call, or a call of the host's functions.
typedef struct clinux_cell_reply {
  uint32_t turn; ///< counts the cell's messages; a futex word
  uint32_t op;
  int32_t status;
  uint32_t consumed;
  uint32_t committed;
  uint32_t a;
  uint64_t deferred; ///< bytes of calls that wanted no answer, to be made before this message is taken
  uint64_t x;
  uint64_t y;
  uint64_t z;
  uint64_t bytes;
} clinux_cell_reply;

/// A conversation: the sides take turns. Each side's words stand in lines of their own.
typedef struct clinux_cell_channel {
  clinux_cell_request request;
  clinux_cell_reply reply;
  uint32_t cell_sleeps;
  uint32_t reserved_a[15];
  uint32_t host_sleeps;
  uint32_t reserved_b[15];
} clinux_cell_channel;

_Static_assert(sizeof(clinux_cell_request) == 64 && sizeof(clinux_cell_reply) == 64, "a message is a cache line");
_Static_assert(sizeof(clinux_cell_channel) == 256, "channel");

/// What one output port holds after a call.
typedef struct clinux_cell_port {
  uint32_t count;
  uint32_t reserved;
  uint64_t arena_count;
} clinux_cell_port;

/// A saved state: the number of calls it stands for, and its length in the slot.
typedef struct clinux_cell_snapshot {
  uint64_t calls;
  uint64_t length;
  uint64_t cost_ns;
  uint32_t version;
  uint32_t is_whole;
} clinux_cell_snapshot;

/// The first page of the shared memory.
typedef struct clinux_cell_page {
  uint64_t magic;
  uint64_t size;
  uint64_t reserved[6];
  clinux_cell_channel calls;  ///< the host calls; one thread of the cell serves
  clinux_cell_channel feed;   ///< the same for gantry.feed/1, whose run lasts as long as the feed
  clinux_cell_channel others; ///< other threads of the cell call; the host's watcher serves
  clinux_cell_port ports[CLINUX_CELL_PORTS];
  clinux_cell_snapshot snapshots[2];
  uint32_t newest_snapshot;   ///< 1 or 2; 0 = none yet
  uint32_t spins;             ///< how long the cell looks before it sleeps
} clinux_cell_page;

static inline uint32_t clinux_load32(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline void clinux_store32(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static inline uint32_t clinux_exchange32(uint32_t *word, uint32_t value) {
  return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}

void clinux_shared_futex_wake(uint32_t *word);
void clinux_shared_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns);

/// Hands a message over, as number `value`: what was written before is seen by whoever sees it.
static inline void clinux_cell_post(uint32_t *turn, uint32_t *sleeps, uint32_t value) {
  __atomic_exchange_n(turn, value, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(sleeps, __ATOMIC_SEQ_CST) != 0) clinux_shared_futex_wake(turn);
}

/// Waits until `turn` is no longer `seen`: `spins` looks, then sleep. Returns 0, or 1 when the time is over.
static inline int clinux_cell_await(uint32_t *turn, uint32_t *sleeps, uint32_t seen, uint32_t spins, int64_t timeout_ns) {
  for (uint32_t i = 0; i < spins; i++) {
    if (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != seen) return 0;
    clinux_pause();
  }
  if (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != seen) return 0;
  __atomic_store_n(sleeps, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(turn, __ATOMIC_SEQ_CST) == seen) clinux_shared_futex_wait(turn, seen, timeout_ns);
  __atomic_store_n(sleeps, 0, __ATOMIC_RELEASE);
  return __atomic_load_n(turn, __ATOMIC_ACQUIRE) == seen;
}

/// Shared memory of `size` bytes that neither side can resize, or -1 and errno. Pages cost nothing until
/// they are touched.
int clinux_cell_memory(uint64_t size);

/// A descriptor that other threads and processes ring, or -1.
int clinux_make_bell(void);
void clinux_ring_bell(int bell);
void clinux_quiet_bell(int bell);

/// CPUs that this process may use.
int clinux_cpu_count(void);

/// What a cell may do. Everything not named is refused with EACCES or EPERM.
typedef struct clinux_walls {
  uint64_t memory_bytes;      ///< address space beyond what is mapped now; 0 = no limit
  uint64_t cpu_seconds;       ///< CPU time from here on, then SIGXCPU; 0 = no limit
  uint64_t file_bytes;        ///< the largest file it may write
  uint32_t open_files;
  uint32_t network;           ///< 1: Internet sockets
  uint32_t local_sockets;     ///< 1: Unix sockets, over which the host's control socket can be reached
  uint32_t files;             ///< 1: all files of the user
  uint32_t path_count;
  const char *const *paths;   ///< files and folders that may be read
  uint32_t writable_count;
  const char *const *writables; ///< files and folders that may be read and written
} clinux_walls;

/// clinux_raise_walls: what stands.
#define CLINUX_WALL_NO_NEW_PRIVILEGES 1u
#define CLINUX_WALL_SECCOMP 2u
#define CLINUX_WALL_LANDLOCK_FILES 4u
#define CLINUX_WALL_LANDLOCK_NETWORK 8u
#define CLINUX_WALL_LIMITS 16u

/// Walls the calling process in for good, with whatever this kernel has. Returns what stands.
uint32_t clinux_raise_walls(const clinux_walls *walls);

/// Dies with the parent from now on; false when the parent is not `parent` any more.
int clinux_die_with_parent(int parent);

/// Is sent `signal` when the thread that spawned this process ends.
void clinux_end_with_parent(int signal);

/// Closes every descriptor from `first` on.
void clinux_close_from(int first);

/// The version of landlock that this kernel has, 0 = none.
int clinux_landlock_version(void);

#endif
