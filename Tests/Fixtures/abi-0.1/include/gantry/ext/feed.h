/// gantry.feed/1 (plugin side): a source with a thread of its own, such as a market data session.
#ifndef GANTRY_EXT_FEED_H
#define GANTRY_EXT_FEED_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_FEED "gantry.feed/1"

/// The host's end of a feed. Used by the feed's thread alone.
typedef struct gantry_feed {
  uint32_t size;
  uint32_t reserved;
  void *context;

  /// Hands over `count` events of one port, with `event_ns` set, and their arena. They are copied
  /// into the lane's ring; receive_ns is stamped here. A full ring blocks: a graph that would rather
  /// drop puts a `queue:` on the edge that leads on.
  ///
  /// Thread:  [feed]
  /// Errors:  GANTRY_GONE once the instance is to stop: return from run
  /// Since:   0.1
  gantry_status (*emit)(struct gantry_feed *feed, uint32_t port, const void *events,
                        uint32_t count, gantry_bytes arena);

  /// Sleeps until `due_ns` of the graph's clock, or until the instance is to stop (GANTRY_GONE).
  ///
  /// Thread:  [feed]
  /// Since:   0.1
  gantry_status (*wait)(struct gantry_feed *feed, int64_t due_ns);
} gantry_feed;

typedef struct gantry_feed_source {
  uint32_t size;
  uint32_t reserved;

  /// Runs the feed until it ends (GANTRY_END) or is told to stop (GANTRY_GONE).
  ///
  /// Thread:  [feed], made by the host; further threads are the plugin's and end in stop
  /// State:   running
  /// Errors:  anything else restarts the feed with backoff, by the node's policy
  /// Since:   0.1
  gantry_status (*run)(gantry_instance *instance, gantry_feed *feed);
} gantry_feed_source;

#ifdef __cplusplus
}
#endif
#endif
