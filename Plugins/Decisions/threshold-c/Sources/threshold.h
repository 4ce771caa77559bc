/// The `threshold` plugin in C11, file by file beside the Swift one: same ports, parameters, state
/// and outputs, bit for bit. Its test runs both on the same random events.
#ifndef THRESHOLD_H
#define THRESHOLD_H

#include <gantry/gantry.h>
#include <stdbool.h>

/// Parameters, in the order of the descriptor.
enum {
  PARAM_UPPER,
  PARAM_LOWER,
  PARAM_USE,
  PARAM_QUANTITY,
  PARAM_MODE,
  PARAM_FLAT_BETWEEN,
  PARAM_COOLDOWN,
  PARAM_RETRY_AFTER,
  PARAM_ORDER_TYPE,
  PARAM_LIMIT_OFFSET,
  PARAM_LIMIT_MAX_AGE,
  PARAM_INSTRUMENT,
  PARAM_COUNT
};

enum { PORT_PREDICTIONS, PORT_EXECUTIONS, PORT_TICKS };
enum { PORT_ORDERS, PORT_DEBUG };

/// What is fixed for one instrument.
typedef struct rule {
  int64_t quantity;  ///< of a full position
  int64_t tick_size;
  double price_scale; ///< 10^price_digits
  bool is_traded;
} rule;

/// What one instrument remembers. The saved state is this layout, and `threshold` shares it: eight
/// bytes a field.
typedef struct slot {
  int64_t wish;       ///< -1 short, 0 flat, 1 long
  int64_t position;   ///< what the fills of this node's orders made
  int64_t goal;       ///< the position when the wish is fulfilled
  int64_t in_flight;  ///< signed, what the order in flight may still fill
  uint64_t order_id;  ///< 0 = none in flight
  uint64_t cancel_id; ///< the cancel that was sent for it, 0 = none
  int64_t sent_ns;
  int64_t not_before_ns;
  double bid;
  double ask;
} slot;

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  const struct gantry_chain_host *chain;
  double upper;
  double lower;
  int64_t wish_above;
  int64_t wish_below;
  int64_t cooldown_ns;
  int64_t retry_after_ns;
  int64_t limit_offset;
  int64_t limit_max_age_ns;
  bool uses_probability;
  bool holds_between;
  bool is_confirmed;
  bool uses_limit;
  uint32_t slot_count;
  slot *slots;
  rule *rules;
  uint32_t orders_metric;
  uint32_t ignored_metric;
};
typedef gantry_instance instance;

// slot.c
/// Takes what a broker or a risk node says of an order.
gantry_status slot_take(slot *slot, const gantry_execution *execution, int64_t retry_after_ns);
/// `time` + `duration`, cut off at the end of time.
int64_t slot_later(int64_t time, int64_t duration);

// price.c
/// A market price on the tick grid: down, or up. False when it does not fit.
bool price_on_grid(const rule *rule, double value, bool up, int64_t *price);

// decide.c
/// Acts on a wish that differs from the last one, or that is not fulfilled yet.
gantry_status decide(instance *self, int64_t wish, double number, slot *slot, const gantry_prediction *prediction,
               uint32_t cause, gantry_outputs *outputs);

// configure.c
gantry_status configure(instance *self, const gantry_config *config);
/// Checks and takes the live parameters.
gantry_status take_thresholds(instance *self, const gantry_value *values);
/// Says why with host->fail, and answers `status`.
gantry_status refuse(instance *self, gantry_status status, const char *format, ...);

#endif
