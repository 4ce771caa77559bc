/// gantry.query/1 (plugin side): range reads from a store.
#ifndef GANTRY_EXT_QUERY_H
#define GANTRY_EXT_QUERY_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_QUERY "gantry.query/1"

/// What is asked for: events of one type and instrument, from `from_ns` to before `to_ns`.
typedef struct gantry_query {
  uint32_t size;
  uint32_t type;
  uint32_t instrument;  ///< 0 = all
  uint32_t newest_first;
  int64_t from_ns;
  int64_t to_ns;
  uint64_t limit;       ///< 0 = no limit
  gantry_string series; ///< the store's own name of a series; empty = by type and instrument
} gantry_query;

/// Takes one batch of the answer. Anything but GANTRY_OK ends the query with that status.
typedef gantry_status (*gantry_query_sink)(void *context, const gantry_batch *batch);

typedef struct gantry_query_store {
  uint32_t size;
  uint32_t reserved;

  /// Reads a range and hands it to `sink` in batches, in event time order.
  ///
  /// Thread:  [any] but [lane]; calls may run at once
  /// State:   running
  /// Memory:  a batch is valid until sink returns
  /// Errors:  GANTRY_NOT_FOUND for an unknown series, GANTRY_IO
  /// Since:   0.1
  gantry_status (*range)(gantry_instance *instance, const gantry_query *query,
                         gantry_query_sink sink, void *context);
} gantry_query_store;

#ifdef __cplusplus
}
#endif
#endif
