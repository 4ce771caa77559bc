/// What the host offers to an instance.
#ifndef GANTRY_HOST_H
#define GANTRY_HOST_H

#include "config.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Severities of log lines and alerts.
#define GANTRY_LOG_TRACE 0u
#define GANTRY_LOG_DEBUG 1u
#define GANTRY_LOG_INFO 2u
#define GANTRY_LOG_WARNING 3u
#define GANTRY_LOG_ERROR 4u

/// Kinds of metrics.
#define GANTRY_METRIC_COUNTER 1u
#define GANTRY_METRIC_GAUGE 2u

/// The host's functions. One table for each instance, valid until destroy returns.
/// `node` is the handle given to create. Every function but get_extension returns GANTRY_GONE, or
/// does nothing, once the instance has been stopped.
typedef struct gantry_host {
  uint32_t size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  gantry_string name;
  gantry_string version;

  /// A host extension by id, or null when this host or this node's grants do not offer it.
  ///
  /// Thread:  [control]
  /// Memory:  the table lives until destroy returns
  /// Since:   0.1
  const void *(*get_extension)(gantry_node *node, gantry_string id);

  /// Writes a log line with the node's name and, on a lane, the current chain.
  ///
  /// Thread:  [any]; on a lane the line goes to a bounded ring, and what does not fit is counted
  /// Memory:  the text is copied; at most 4,096 bytes of it
  /// Since:   0.1
  void (*log)(gantry_node *node, uint32_t severity, gantry_string text);

  /// Says why the running call is about to return `status`. Returns `status`.
  ///
  /// Thread:  [any], inside a call of the host
  /// Memory:  the text is copied; at most 1,024 bytes of it. It never holds a secret
  /// Allowed: once a call; a second text replaces the first
  /// Since:   0.1
  gantry_status (*fail)(gantry_node *node, gantry_status status, uint32_t retryable,
                        gantry_string text);

  /// The chain's time: receive_ns of the (first) event of the running call, or the timer's due
  /// time. Constant within a chain. Outside on_batch and on_timer: the graph's clock. A node that
  /// asks in on_batch declares GANTRY_PLUGIN_SINGLE, or reads receive_ns of each event.
  ///
  /// Thread:  [any]
  /// Since:   0.1
  int64_t (*now)(gantry_node *node);

  /// The next number of the node's own random sequence: seeded by graph, node and run seed, the
  /// same in every replay.
  ///
  /// Thread:  [lane] or [reader]
  /// Since:   0.1
  uint64_t (*random)(gantry_node *node);

  /// The next id of the node: unique in the run, the same in every replay, never 0.
  ///
  /// Thread:  [lane] or [reader]
  /// Since:   0.1
  uint64_t (*next_id)(gantry_node *node);

  /// Calls on_timer with `tag` at `due_ns` of the graph's clock; at once when that is past.
  /// One timer a tag: setting it again moves it.
  ///
  /// Thread:  [lane], or [control] in start; the plugin declares GANTRY_PLUGIN_TIMERS
  /// Errors:  GANTRY_MISUSE without that flag, GANTRY_FULL beyond 64 timers
  /// Since:   0.1
  gantry_status (*set_timer)(gantry_node *node, int64_t due_ns, uint64_t tag);

  /// Forgets a timer. GANTRY_NOT_FOUND when there is none.
  ///
  /// Thread:  [lane], or [control] in start
  /// Since:   0.1
  gantry_status (*cancel_timer)(gantry_node *node, uint64_t tag);

  /// Fills `*out` (whose size the caller has set) with instrument `id`, 1-based.
  ///
  /// Thread:  [any]
  /// Errors:  GANTRY_NOT_FOUND
  /// Since:   0.1
  gantry_status (*instrument)(gantry_node *node, uint32_t id, gantry_instrument *out);

  /// Fills `*out` with currency `index`, 0-based.
  ///
  /// Thread:  [any]
  /// Errors:  GANTRY_NOT_FOUND
  /// Since:   0.1
  gantry_status (*currency)(gantry_node *node, uint32_t index, gantry_currency *out);

  /// The number that predictions carry to name their model. The same name and version give the
  /// same number.
  ///
  /// Thread:  [control], in configure or start
  /// Errors:  0 when the table (65,535 rows) is full or the text is no UTF-8
  /// Since:   0.1
  uint32_t (*model_ref)(gantry_node *node, gantry_string name, gantry_string version);

  /// Copies a granted secret into `buffer` and its length into `*length`.
  ///
  /// Thread:  [control] or [feed]
  /// Memory:  the caller's; wipe it after use
  /// Errors:  GANTRY_DENIED without `grant: [secrets]` or while muted, GANTRY_NOT_FOUND,
  ///          GANTRY_FULL when it does not fit (`*length` says what it needs)
  /// Since:   0.1
  gantry_status (*secret)(gantry_node *node, gantry_string name, uint8_t *buffer,
                          uint64_t capacity, uint64_t *length);

  /// Defines a metric of this node and returns its number, to be used from any thread.
  ///
  /// Thread:  [control], in configure or start
  /// Errors:  0 beyond 64 metrics a node or for a bad name
  /// Since:   0.1
  uint32_t (*define_metric)(gantry_node *node, uint32_t kind, gantry_string name,
                            gantry_string unit, gantry_string help);

  /// Adds to a counter, or sets a gauge. Cheap: one store.
  ///
  /// Thread:  [lane] for metrics updated there, else one thread a metric
  /// Since:   0.1
  void (*update_metric)(gantry_node *node, uint32_t metric, double value);
} gantry_host;

#ifdef __cplusplus
}
#endif
#endif
