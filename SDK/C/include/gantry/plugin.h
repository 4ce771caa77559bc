/// What a plugin offers, and the one symbol it exports.
#ifndef GANTRY_PLUGIN_H
#define GANTRY_PLUGIN_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/// gantry_plugin.kind
#define GANTRY_KIND_SOURCE 1u
#define GANTRY_KIND_FEATURE 2u
#define GANTRY_KIND_MODEL 3u
#define GANTRY_KIND_DECISION 4u
#define GANTRY_KIND_RISK 5u
#define GANTRY_KIND_BROKER 6u
#define GANTRY_KIND_NOTIFIER 7u
#define GANTRY_KIND_STORE 8u
#define GANTRY_KIND_SERVICE 9u
#define GANTRY_KIND_TRANSFORM 10u

/// gantry_plugin.effects: may an instance run muted beside another?
#define GANTRY_EFFECTS_NONE 0u
#define GANTRY_EFFECTS_EXTERNAL 1u

/// gantry_plugin.determinism: same inputs, same outputs, bit for bit ...
#define GANTRY_DETERMINISM_EXACT 1u ///< ... on every machine
#define GANTRY_DETERMINISM_CPU 2u   ///< ... on machines with the same CPU features
#define GANTRY_DETERMINISM_NONE 3u  ///< ... not promised

/// gantry_plugin.flags
/// An output depends on nothing but its cause.
#define GANTRY_PLUGIN_STATELESS 1u
/// Wants one event a call, always.
#define GANTRY_PLUGIN_SINGLE 2u
/// Uses set_timer. Implies SINGLE.
#define GANTRY_PLUGIN_TIMERS 4u
/// Keeps to GANTRY_BATCH_UNTIL_OUTPUT: in a feedback loop it may be given runs of events, up to the
/// first that causes something. Not with SINGLE or TIMERS.
#define GANTRY_PLUGIN_STOPS 8u

/// gantry_plugin.needs: what the graph must `grant:`.
#define GANTRY_NEEDS_NETWORK 1u
#define GANTRY_NEEDS_FILES 2u   ///< other files than those its path and artifact parameters name
#define GANTRY_NEEDS_SECRETS 4u
#define GANTRY_NEEDS_ADMIN 8u
#define GANTRY_NEEDS_LIBRARY 16u ///< opens libraries at run time
/// The same bits, this much higher: needed with some parameters only. The graph may leave the grant
/// out; then the host refuses when the instance asks, as gantry.library/1 does, or a cell's walls do.
#define GANTRY_NEEDS_OPTIONAL_SHIFT 16u

/// gantry_port.flags
/// The node runs without it.
#define GANTRY_PORT_OPTIONAL 1u
/// Several edges may end here.
#define GANTRY_PORT_MANY 2u

/// One input or output port.
typedef struct gantry_port {
  uint32_t size;
  uint32_t type;       ///< GANTRY_ANY only for inputs
  uint32_t flags;
  uint32_t reserved;
  gantry_string name;
  gantry_string help;
} gantry_port;

/// One timer that fired.
typedef struct gantry_timer {
  uint32_t size;
  uint32_t reserved;
  uint64_t tag;
  int64_t due_ns;
} gantry_timer;

/// One plugin: its description and its functions. Constant, and valid while the code is loaded.
/// The only functions that may be null are start, flush, on_timer, stop and get_extension;
/// on_batch may be null where there are no inputs.
typedef struct gantry_plugin {
  uint32_t size;
  uint32_t kind;
  gantry_string id;       ///< lower-case letters, digits and dashes; the file is lib<id>.so
  gantry_string version;  ///< semantic version
  gantry_string summary;  ///< one line
  uint32_t effects;
  uint32_t determinism;
  uint32_t flags;
  uint32_t needs;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t param_count;
  uint32_t reserved;
  const gantry_port *inputs;
  const gantry_port *outputs;
  const gantry_param *params;

  /// Makes an instance of `plugin`, this very struct. Cheap: no files, no network, no threads.
  ///
  /// Thread:  [control]
  /// State:   -> created
  /// Memory:  `host` and `node` are valid until destroy returns; *instance is the plugin's
  /// Errors:  any; *instance is then not used
  /// Since:   0.1
  gantry_status (*create)(const struct gantry_plugin *plugin, const gantry_host *host,
                          gantry_node *node, gantry_instance **instance);

  /// Takes parameters and inputs, checks them against each other, names output columns.
  /// `gantry check` calls it: it does nothing that is seen outside.
  ///
  /// Thread:  [control]
  /// State:   created -> configured
  /// Memory:  `config` and all it points to are valid until return; copy what is needed
  /// Allowed: reading files that path and artifact parameters name. Forbidden: network, threads
  /// Errors:  GANTRY_INVALID with a text that names the parameter or column and the remedy
  /// Since:   0.1
  gantry_status (*configure)(gantry_instance *instance, const gantry_config *config);

  /// Gets ready for events: opens what it needs, sets its first timers.
  ///
  /// Thread:  [control]
  /// State:   configured -> running
  /// Errors:  any; the graph then does not start, or the swap is refused
  /// Since:   0.1
  gantry_status (*start)(gantry_instance *instance);

  /// Handles one batch of events of one edge, oldest first.
  ///
  /// Thread:  [lane]; never two calls at once for one instance
  /// State:   running
  /// Memory:  the host owns `batch` and `outputs`; keep nothing of them after return
  /// Allowed: reserve and commit, set_timer, next_id, random, log, update_metric.
  ///          Forbidden: allocation, locks, blocking, [control] calls
  /// Errors:  any status but GANTRY_OK fails the input at `outputs->consumed` and sends the node
  ///          to its on_error policy
  /// Since:   0.1
  gantry_status (*on_batch)(gantry_instance *instance, const gantry_batch *batch,
                            gantry_outputs *outputs);

  /// A timer fired. It begins a chain of its own; outputs use cause 0.
  ///
  /// Thread:  [lane]
  /// State:   running
  /// Errors:  as on_batch
  /// Since:   0.1
  gantry_status (*on_timer)(gantry_instance *instance, const gantry_timer *timer,
                            gantry_outputs *outputs);

  /// The last event has been handled; a last chance for outputs (cause 0), in topological order.
  ///
  /// Thread:  [lane]
  /// State:   running -> flushed
  /// Errors:  reported; the run goes on to stop
  /// Since:   0.1
  gantry_status (*flush)(gantry_instance *instance, gantry_outputs *outputs);

  /// Ends every thread and task of the instance and closes what start opened. After it returns
  /// nothing of the plugin may run until destroy.
  ///
  /// Thread:  [control]
  /// State:   running or flushed -> stopped
  /// Errors:  reported; destroy follows
  /// Since:   0.1
  gantry_status (*stop)(gantry_instance *instance);

  /// Frees the instance.
  ///
  /// Thread:  [control]
  /// State:   any -> destroyed
  /// Since:   0.1
  void (*destroy)(gantry_instance *instance);

  /// An extension of the plugin by id, or null.
  ///
  /// Thread:  [control]
  /// Memory:  constant, valid while the code is loaded
  /// Since:   0.1
  const void *(*get_extension)(const struct gantry_plugin *plugin, gantry_string id);
} gantry_plugin;

/// Everything one `.so` offers.
typedef struct gantry_library {
  uint32_t size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t plugin_count;
  const gantry_plugin *const *plugins;
  gantry_string built_with; ///< compiler and SDK, for people
  uint32_t flags;           ///< GANTRY_LIBRARY_
  uint32_t reserved;
} gantry_library;

/// The code must stay mapped once it has run (full Swift, Go, anything with threads it cannot end).
#define GANTRY_LIBRARY_RESIDENT 1u

/// What the host says of itself, and where an entry that refuses puts its reason.
typedef struct gantry_entry_request {
  uint32_t size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t error_capacity;
  gantry_string host_name;
  gantry_string host_version;
  char *error;            ///< UTF-8, the plugin writes at most error_capacity bytes
  uint32_t *error_length;
} gantry_entry_request;

/// The one exported symbol. Called once a generation, before anything else.
///
/// Thread:  [control], or a throwaway child
/// Memory:  what it returns is constant and valid while the code is loaded
/// Allowed: nothing but filling in constants: no files, threads, network, output
/// Errors:  null, with the reason in request->error
/// Since:   0.1
GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request);

/// The type of gantry_plugin_entry.
typedef const gantry_library *(*gantry_plugin_entry_function)(const gantry_entry_request *request);

#ifdef __cplusplus
}
#endif
#endif
