/// gantry.state/1 (plugin side): state that can be saved and given to another instance.
#ifndef GANTRY_EXT_STATE_H
#define GANTRY_EXT_STATE_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_STATE "gantry.state/1"

/// Where a state is written. `write` may be called as often as needed.
typedef struct gantry_state_writer {
  uint32_t size;
  uint32_t reserved;
  void *context;
  /// Thread:  the caller's. Errors: GANTRY_FULL beyond the host's limit. Since: 0.1
  gantry_status (*write)(struct gantry_state_writer *writer, const void *bytes, uint64_t length);
} gantry_state_writer;

typedef struct gantry_state {
  uint32_t size;
  uint32_t version;      ///< of the layout that save writes
  gantry_string schema;  ///< the layout's name, the same for all versions

  /// An upper bound of what save would write now. A state up to 64 KB is saved on the lane.
  ///
  /// Thread:  [lane], or [control] while the node does not run
  /// Since:   0.1
  uint64_t (*bound)(gantry_instance *instance);

  /// Writes all that the instance remembers from events. Timers, random position and ids are the
  /// host's. Saving twice writes the same bytes.
  ///
  /// Thread:  [lane], or [control] while the node does not run
  /// State:   configured, running or flushed
  /// Since:   0.1
  gantry_status (*save)(gantry_instance *instance, gantry_state_writer *writer);

  /// Takes over a saved state, of this version or an older one. Any bytes may come.
  ///
  /// Thread:  [control], or [lane] for a state up to 64 KB that is handed over at a flip
  /// State:   configured or running, before the first event
  /// Memory:  `bytes` is valid until return
  /// Errors:  GANTRY_INVALID for damaged bytes, GANTRY_UNSUPPORTED for an unknown version or for a
  ///          state made with parameters that do not fit; the instance is then destroyed
  /// Since:   0.1
  gantry_status (*load)(gantry_instance *instance, uint32_t version, gantry_bytes bytes);
} gantry_state;

#ifdef __cplusplus
}
#endif
#endif
