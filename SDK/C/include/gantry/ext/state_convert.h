/// gantry.state-convert/1 (plugin side): turns a saved state of one version into one of another.
#ifndef GANTRY_EXT_STATE_CONVERT_H
#define GANTRY_EXT_STATE_CONVERT_H

#include "state.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_STATE_CONVERT "gantry.state-convert/1"

/// Offered by any plugin, also by a third one that knows both layouts. Up and down: a downgrade is
/// a conversion like any other.
typedef struct gantry_state_convert {
  uint32_t size;
  uint32_t reserved;

  /// Writes the state `bytes` of layout `from` and version `from_version` as layout `to` and version
  /// `to_version`.
  ///
  /// Thread:  [control]; no instance is needed
  /// Memory:  `bytes` is valid until return
  /// Errors:  GANTRY_UNSUPPORTED for layouts or versions it does not know, GANTRY_INVALID for damaged
  ///          bytes; what was written is then thrown away
  /// Since:   0.1
  gantry_status (*convert)(gantry_string from, uint32_t from_version, gantry_bytes bytes, gantry_string to,
                           uint32_t to_version, gantry_state_writer *writer);
} gantry_state_convert;

#ifdef __cplusplus
}
#endif
#endif
