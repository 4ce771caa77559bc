/// gantry.pull/1 (plugin side): a source that is read at the host's pace, such as a file.
#ifndef GANTRY_EXT_PULL_H
#define GANTRY_EXT_PULL_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_PULL "gantry.pull/1"

/// A pulled source's events must not go back in event time; each is a chain of its own.
typedef struct gantry_pull {
  uint32_t size;
  uint32_t reserved;

  /// Writes up to `max` events, in event time order over all ports, to `outputs` with their
  /// event_ns set. One call writes to one port only.
  ///
  /// Thread:  [reader]
  /// State:   running
  /// Memory:  as on_batch; the capacity is at least `max`
  /// Errors:  GANTRY_END after the last event (with or without events), GANTRY_AGAIN when nothing
  ///          is there yet; anything else ends the source with an error
  /// Since:   0.1
  gantry_status (*pull)(gantry_instance *instance, uint32_t max, gantry_outputs *outputs);

  /// Describes what is being read, for the journal: a content hash and the number of the next row.
  /// Null when the events themselves are to be journaled.
  ///
  /// Thread:  [reader], between two pulls
  /// Since:   0.1
  gantry_status (*cursor)(gantry_instance *instance, uint64_t *content_hash, uint64_t *row);
} gantry_pull;

#ifdef __cplusplus
}
#endif
#endif
