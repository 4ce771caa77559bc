/// Batches in, outputs out. The host owns all of this memory.
#ifndef GANTRY_BATCH_H
#define GANTRY_BATCH_H

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The shape of one port's events, fixed when the graph was checked. While the graph runs a swap may add
/// columns behind those that there are: what was there keeps its offset, and a batch's schema and
/// stride are those of its own rows. So go from event to event by the batch's stride.
typedef struct gantry_schema {
  uint32_t size;
  uint32_t type;                 ///< GANTRY_TICK ...
  uint32_t stride;               ///< bytes from one event to the next
  uint32_t column_count;         ///< FEATURES only
  const gantry_string *columns;  ///< names, in the order of the row
  uint64_t fingerprint;          ///< equal exactly when type and columns are equal
} gantry_schema;

/// gantry_batch.flags
/// Return after the event that made the call commit a row, with `consumed` counting it. The host asks
/// for it only where the plugin declares GANTRY_PLUGIN_STOPS.
#define GANTRY_BATCH_UNTIL_OUTPUT 1u

/// A run of events of one edge, oldest first. Valid until the call returns.
typedef struct gantry_batch {
  uint32_t size;
  uint32_t port;     ///< index of the input port
  uint32_t edge;     ///< which of the edges into that port, in the order of `from`
  uint32_t type;
  uint32_t count;    ///< >= 1
  uint32_t stride;
  const uint8_t *base;
  const gantry_schema *schema;
  gantry_bytes arena; ///< what the events' offsets point into
  uint32_t flags;     ///< GANTRY_BATCH_; since 0.1
  uint32_t reserved;
} gantry_batch;

/// Whether the call is to end after the event that made it commit a row.
GANTRY_INLINE uint32_t gantry_until_output(const gantry_batch *batch) {
  return batch->size > offsetof(gantry_batch, flags) ? batch->flags & GANTRY_BATCH_UNTIL_OUTPUT : 0;
}

/// Event `index` of a batch.
GANTRY_INLINE const gantry_header *gantry_event(const gantry_batch *batch, uint32_t index) {
  return (const gantry_header *)(const void *)(batch->base + (uint64_t)index * batch->stride);
}

/// The writable end of one output port, during one call.
typedef struct gantry_output {
  uint32_t size;
  uint32_t type;
  uint32_t stride;
  uint32_t capacity; ///< rows there is room for
  uint32_t count;    ///< rows committed
  uint32_t connected;///< 0: nobody reads it; writing is allowed and goes nowhere
  uint8_t *base;
  uint32_t *cause;   ///< for each row, the index of the input it was caused by
  uint8_t *arena;
  uint64_t arena_capacity;
  uint64_t arena_count;
} gantry_output;

/// All outputs of one call. `context` and `grow` are the host's.
typedef struct gantry_outputs {
  uint32_t size;
  uint32_t port_count;
  gantry_output *ports;
  /// How many inputs the call handled, from the first. The host sets it to the batch's count
  /// before the call; a plugin lowers it when it fails or stops early. What inputs before it
  /// caused stands; what the input at it caused is discarded, and the input and those after it are
  /// offered again after the node's policy.
  uint32_t consumed;
  uint32_t committed; ///< rows committed over all ports in this call; gantry_commit counts them
  void *context;
  /// Makes room for at least `rows` more rows and `arena` more arena bytes in a port, and moves
  /// its memory: pointers of an uncommitted reservation become invalid.
  ///
  /// Thread:  the caller's, inside on_batch, on_timer, pull or flush
  /// Errors:  GANTRY_FULL beyond the host's limit (65,536 rows or 16 MB a call)
  /// Since:   0.1
  gantry_status (*grow)(struct gantry_outputs *outputs, uint32_t port, uint32_t rows, uint64_t arena);
  /// Bit n: events of input port n cause no output, until an event of another port, a timer, a state
  /// or live parameters come. The plugin's, see gantry_set_idle; the host takes it back to 0 when one
  /// of those last two has come. A node in a feedback loop may be given runs of such events.
  uint64_t idle;
} gantry_outputs;

/// Says which input ports' events cause nothing from now on, a bit each; see gantry_outputs.idle.
/// A row committed in a call with events of an idle port ends the run.
GANTRY_INLINE void gantry_set_idle(gantry_outputs *outputs, uint64_t ports) {
  if (outputs->size > offsetof(gantry_outputs, idle)) {
    outputs->idle = ports;
  }
}

/// Reserves one row of `port`, caused by input `cause` of the batch (0 for timers and sources;
/// never less than that of the row before). The header is zeroed, the payload is not: write all
/// of it. Null when the host has no more room: return GANTRY_FULL. Nothing goes on without
/// gantry_commit.
GANTRY_INLINE void *gantry_reserve(gantry_outputs *outputs, uint32_t port, uint32_t cause) {
  gantry_output *output = &outputs->ports[port];
  if (output->count == output->capacity && outputs->grow(outputs, port, 1, 0) != GANTRY_OK) {
    return NULL;
  }
  uint64_t *row = (uint64_t *)(void *)(output->base + (uint64_t)output->count * output->stride);
  row[0] = 0;
  row[1] = 0;
  row[2] = 0;
  row[3] = 0;
  output->cause[output->count] = cause;
  return row;
}

/// Commits the row reserved last.
GANTRY_INLINE void gantry_commit(gantry_outputs *outputs, uint32_t port) {
  outputs->ports[port].count += 1;
  outputs->committed += 1;
}

/// Reserves `length` bytes of a port's arena and returns their offset through `offset`.
/// The bytes belong to the row committed next. Null when there is no more room.
GANTRY_INLINE uint8_t *gantry_reserve_bytes(gantry_outputs *outputs, uint32_t port,
                                            uint64_t length, uint64_t *offset) {
  gantry_output *output = &outputs->ports[port];
  if (output->arena_capacity - output->arena_count < length &&
      outputs->grow(outputs, port, 0, length) != GANTRY_OK) {
    return NULL;
  }
  *offset = output->arena_count;
  output->arena_count += length;
  return output->arena + *offset;
}

#ifdef __cplusplus
}
#endif
#endif
