/// What a lane needs: a cheap clock, a pause, a futex, a thread tag.
#ifndef CLINUX_LANE_H
#define CLINUX_LANE_H

#include <stdint.h>
#include <stdatomic.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/// The CPU's constant-rate counter: some 20 ns on virtual machines, half of clock_gettime.
static inline uint64_t clinux_ticks(void) {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t value;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static inline int64_t clinux_wall_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t clinux_monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// CPU time of the calling thread.
static inline int64_t clinux_thread_cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// One word that one thread writes and others look at, in no order with anything else: a plain move.
static inline void clinux_store_relaxed(int64_t *word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
static inline int64_t clinux_load_relaxed(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

/// Tells the CPU that this is a spin loop.
static inline void clinux_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Sleeps while `*word` is `expected`, at most `timeout_ns` (negative: no limit).
void clinux_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns);
/// Wakes up to `count` sleepers of `word`.
void clinux_futex_wake(uint32_t *word, int count);

/// A number of the calling thread that its owner has set, 0 where nobody has.
uint64_t clinux_thread_tag(void);
void clinux_set_thread_tag(uint64_t tag);

/// Names the calling thread (15 bytes) and, for `cpu` >= 0, binds it to one CPU. 0, or an errno.
int clinux_name_thread(const char *name, int cpu);

/// Resident set size of this process in bytes, 0 where it cannot be read.
uint64_t clinux_resident_bytes(void);

/// Renames a file to a name that nothing has yet. Returns 0, or errno: EEXIST when something has it.
int clinux_rename_new(const char *from, const char *to);

#endif
