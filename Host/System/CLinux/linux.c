#define _GNU_SOURCE
#include "lane.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

void clinux_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns) {
  struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void clinux_futex_wake(uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static _Thread_local uint64_t thread_tag;

uint64_t clinux_thread_tag(void) { return thread_tag; }
void clinux_set_thread_tag(uint64_t tag) { thread_tag = tag; }

int clinux_name_thread(const char *name, int cpu) {
  char shortened[16];
  snprintf(shortened, sizeof shortened, "%s", name);
  int error = pthread_setname_np(pthread_self(), shortened);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    int bound = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    if (bound != 0) error = bound;
  }
  return error;
}

uint64_t clinux_resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  unsigned long size = 0, resident = 0;
  int fields = fscanf(file, "%lu %lu", &size, &resident);
  fclose(file);
  return fields == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

int clinux_rename_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL) return errno;
  // A file system that cannot do it in one step.
  if (access(to, F_OK) == 0) return EEXIST;
  return rename(from, to) == 0 ? 0 : errno;
}
