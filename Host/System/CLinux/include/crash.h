/// A record of what was running when the process died: written by a signal handler into a mapped file,
/// so that it stands there whatever happens next.
#ifndef CLINUX_CRASH_H
#define CLINUX_CRASH_H

#include <stdint.h>

#define CLINUX_CRASH_BYTES 4096

/// One node, as the record names it: JSON text without quotes' need of escaping.
typedef struct clinux_crash_node {
  const char *name;
  const char *plugin;
} clinux_crash_node;

/// How to read the node that a lane is calling: offsets into the lane's own table row.
typedef struct clinux_crash_shape {
  uint32_t index_offset;      ///< int32: the node's index
  uint32_t generation_offset; ///< uint32
  uint32_t single_offset;     ///< one byte: it gets one event a call
} clinux_crash_shape;

/// Installs the handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGABRT and maps `path` as the
/// record. `nodes` must stay. Once a process; a later call changes record and nodes. 0, or an errno.
int clinux_crash_install(const char *path, const clinux_crash_node *nodes, uint32_t count, clinux_crash_shape shape);

/// Takes the record away again: the process has ended what it describes.
void clinux_crash_forget(void);

/// Gives the calling thread a stack of its own for the handlers, and takes it back.
void clinux_crash_thread_begin(void);
void clinux_crash_thread_end(void);

/// What the calling thread works on: a lane (`now` points to its time, the chain, the
/// row of the node that it calls and, for a node that gets blocks, the first chain), or one
/// node in one phase. `phase` must be constant text.
void clinux_crash_on_lane(const int64_t *now, const char *lane);
void clinux_crash_on_node(int32_t node, uint32_t generation, const char *phase);
void clinux_crash_on_nothing(void);

/// Writes the record as the handlers do, for a hang: `what` is the reason. The first record stands.
void clinux_crash_write(const char *what, int32_t node, uint32_t generation, const char *lane, int64_t chain);

#endif
