#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct visitor {
  void (*visit)(const clinux_segment *segment, void *context);
  void *context;
  uint32_t objects;
} visitor;

static int visit_object(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  visitor *v = context;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD) continue;
    clinux_segment segment = {
        .path = info->dlpi_name ? info->dlpi_name : "",
        .start = info->dlpi_addr + header->p_vaddr,
        .size = header->p_memsz,
        .object = v->objects,
        .is_code = (header->p_flags & PF_X) != 0,
    };
    v->visit(&segment, v->context);
  }
  v->objects += 1;
  return 0;
}

void clinux_visit_segments(void (*visit)(const clinux_segment *segment, void *context), void *context) {
  visitor v = {visit, context, 0};
  dl_iterate_phdr(visit_object, &v);
}

int clinux_make_pipe(int ends[2], int blocking_writes) {
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
  if (blocking_writes) fcntl(ends[1], F_SETFL, 0);
  return 0;
}

int clinux_watch_process(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clinux_spawn(const char *executable, char *const *arguments, char *const *environment, const int *descriptors,
                 const int *targets, int count, int *pid) {
  int high[8];
  if (count > (int)(sizeof high / sizeof *high)) return EINVAL;
  int error = 0, made = 0;
  // Out of the way of all targets, so that none is overwritten before it was moved.
  for (; made < count && error == 0; made++) {
    high[made] = fcntl(descriptors[made], F_DUPFD_CLOEXEC, 200);
    if (high[made] < 0) error = errno;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (error == 0) error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  for (int i = 0; i < count && error == 0; i++) error = posix_spawn_file_actions_adddup2(&actions, high[i], targets[i]);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  if (error == 0) error = posix_spawn(pid, executable, &actions, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  for (int i = 0; i < made; i++) {
    if (high[i] >= 0) close(high[i]);
  }
  return error;
}

int clinux_allows_code(const char *folder) {
  struct statvfs status;
  return statvfs(folder, &status) == 0 && (status.f_flag & ST_NOEXEC) == 0;
}

static void limit(__rlimit_resource_t resource, uint64_t value) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) return;
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value) limit.rlim_max = value;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(resource, &limit);
}

void clinux_confine(uint64_t more_memory_bytes, uint64_t cpu_seconds, uint64_t file_bytes) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file != NULL) {
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
  }
  limit(RLIMIT_AS, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) + more_memory_bytes);
  limit(RLIMIT_CPU, cpu_seconds);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, file_bytes);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
