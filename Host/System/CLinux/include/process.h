/// What the loader needs of the process: what is mapped, a pipe, limits for throwaway children.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <stdint.h>

/// One loadable segment of one object that the dynamic loader has mapped.
typedef struct clinux_segment {
  const char *path;   ///< as it was opened; empty for the executable
  uint64_t start;
  uint64_t size;
  uint32_t object;    ///< counts the objects, from 0
  uint32_t is_code;
} clinux_segment;

/// Calls `visit` for every loadable segment of every mapped object.
void clinux_visit_segments(void (*visit)(const clinux_segment *segment, void *context), void *context);

/// A pipe whose ends are closed by exec. The read end never blocks; the write end does where
/// `blocking_writes` says so. 0, or an errno.
int clinux_make_pipe(int ends[2], int blocking_writes);

/// A descriptor that becomes readable when process `pid` ends, or -1.
int clinux_watch_process(int pid);

/// Starts a program in a process group of its own: no signal blocked, all at their defaults, nothing on its
/// standard input. `descriptors[i]` is the child's `targets[i]`; what else is to be closed says so itself.
/// 0 and the process in `pid`, or an errno.
int clinux_spawn(const char *executable, char *const *arguments, char *const *environment, const int *descriptors,
                 const int *targets, int count, int *pid);

/// Whether the file system of `folder` is mounted so that code may be mapped from it.
int clinux_allows_code(const char *folder);

/// Confines the calling process for good: address space beyond what it has now, CPU seconds, no
/// core dumps, no files larger than `file_bytes`, no new privileges, and death with its parent.
void clinux_confine(uint64_t more_memory_bytes, uint64_t cpu_seconds, uint64_t file_bytes);

#endif
