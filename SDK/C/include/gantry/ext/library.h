/// gantry.library/1 (host side): shared libraries that a plugin opens at run time.
#ifndef GANTRY_EXT_LIBRARY_H
#define GANTRY_EXT_LIBRARY_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_LIBRARY "gantry.library/1"

/// Refuse when this process has another file of the same name mapped, whatever its version
/// ("libx.so.1" beside "libx.so.2"): for libraries that do not bear a second one.
#define GANTRY_LIBRARY_ALONE 1u

typedef struct gantry_library_host {
  uint32_t size;
  uint32_t reserved;

  /// Opens the shared library at an absolute path, as the graph's trust says: with `trust: manifest`
  /// only when its bytes, and those of what it finds beside itself ($ORIGIN), are pinned in
  /// plugins.lock; what is mapped is a private copy of the bytes that were compared. A plugin that
  /// calls dlopen itself goes round that, so it does not.
  ///
  /// Thread:  [control], in configure or start
  /// Memory:  *handle is for dlsym. It is never closed: the library stays mapped. The reason, at most
  ///          `capacity` bytes of UTF-8, is written to the caller's `reason`, its length to *length
  /// Errors:  GANTRY_DENIED without `grant: [library]`, or when the graph's trust refuses the bytes;
  ///          GANTRY_IO when the file cannot be read or mapped; GANTRY_MISUSE for a path that is not
  ///          absolute and on other threads. The reason holds the remedy
  /// Since:   0.1
  gantry_status (*open)(gantry_node *node, gantry_string path, uint32_t flags, void **handle,
                        char *reason, uint64_t capacity, uint64_t *length);
} gantry_library_host;

#ifdef __cplusplus
}
#endif
#endif
