#include "threshold.h"

#include <gantry/ext/params_live.h>
#include <gantry/ext/state.h>
#include <stdlib.h>
#include <string.h>

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **result) {
  (void)plugin;
  instance *self = calloc(1, sizeof *self);
  if (!self) {
    return host->fail(node, GANTRY_FULL, 0, (gantry_string)GANTRY_LITERAL("no memory for an instance"));
  }
  self->host = host;
  self->node = node;
  *result = self;
  return GANTRY_OK;
}

static void destroy(gantry_instance *self) {
  free(self->slots);
  free(self->rules);
  free(self);
}

static gantry_status on_predictions(instance *self, const gantry_batch *batch, gantry_outputs *outputs) {
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_prediction *prediction = (const void *)gantry_event(batch, index);
    double number = self->uses_probability ? prediction->probability : prediction->value;
    uint32_t position = prediction->header.instrument - 1;
    if (number != number || position >= self->slot_count || !self->rules[position].is_traded) {
      self->host->update_metric(self->node, self->ignored_metric, 1);
      continue;
    }
    slot *slot = &self->slots[position];
    int64_t wish = number > self->upper   ? self->wish_above
                   : number < self->lower ? self->wish_below
                   : self->holds_between  ? slot->wish
                                          : 0;
    // Nothing to do: the usual case.
    if (wish == slot->wish && slot->order_id == 0 && slot->position == slot->goal) {
      continue;
    }
    gantry_status status = decide(self, wish, number, slot, prediction, index, outputs);
    if (status != GANTRY_OK) {
      outputs->consumed = index;
      return status;
    }
    if (outputs->committed != 0 && gantry_until_output(batch)) {
      outputs->consumed = index + 1;
      return GANTRY_OK;
    }
  }
  return GANTRY_OK;
}

static gantry_status on_executions(instance *self, const gantry_batch *batch, gantry_outputs *outputs) {
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_execution *execution = (const void *)gantry_event(batch, index);
    uint32_t position = execution->header.instrument - 1;
    if (position >= self->slot_count) {
      continue;
    }
    if (slot_take(&self->slots[position], execution, self->retry_after_ns) != GANTRY_OK) {
      outputs->consumed = index;
      return refuse(self, GANTRY_OVERFLOW, "an exact calculation left its range");
    }
  }
  return GANTRY_OK;
}

static void on_ticks(instance *self, const gantry_batch *batch) {
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_tick *tick = (const void *)gantry_event(batch, index);
    uint32_t position = tick->header.instrument - 1;
    // False for NaN as well.
    if (position < self->slot_count && tick->bid > 0 && tick->ask >= tick->bid && tick->ask < __builtin_inf()) {
      self->slots[position].bid = tick->bid;
      self->slots[position].ask = tick->ask;
    }
  }
}

static gantry_status on_batch(gantry_instance *self, const gantry_batch *batch, gantry_outputs *outputs) {
  switch (batch->port) {
    case PORT_PREDICTIONS:
      return on_predictions(self, batch, outputs);
    case PORT_EXECUTIONS:
      return on_executions(self, batch, outputs);
    default:
      on_ticks(self, batch);
      return GANTRY_OK;
  }
}

static uint64_t state_bound(gantry_instance *self) { return 8 + (uint64_t)self->slot_count * sizeof(slot); }

static gantry_status state_save(gantry_instance *self, gantry_state_writer *writer) {
  uint64_t count = self->slot_count;
  if (writer->write(writer, &count, sizeof count) != GANTRY_OK ||
      writer->write(writer, self->slots, count * sizeof(slot)) != GANTRY_OK) {
    return refuse(self, GANTRY_FULL, "the state is larger than the host takes");
  }
  return GANTRY_OK;
}

static bool fits_together(const slot *slot) {
  const int64_t most = INT64_C(1) << 62;
  bool has_quote = slot->bid > 0 && slot->ask >= slot->bid && slot->ask < __builtin_inf();
  return slot->wish >= -1 && slot->wish <= 1 && slot->position >= -most && slot->position <= most &&
         slot->in_flight >= -most && slot->in_flight <= most && (slot->order_id == 0) == (slot->in_flight == 0) &&
         (slot->order_id != 0 || slot->cancel_id == 0) && (slot->bid == 0 || has_quote);
}

static gantry_status state_load(gantry_instance *self, uint32_t version, gantry_bytes bytes) {
  if (version != 1) {
    return refuse(self, GANTRY_UNSUPPORTED, "threshold reads states of version 1, not %u", version);
  }
  uint64_t count;
  if (bytes.length < sizeof count) {
    return refuse(self, GANTRY_INVALID, "the saved state ends too early");
  }
  memcpy(&count, bytes.data, sizeof count);
  if (count != self->slot_count) {
    return refuse(self, GANTRY_UNSUPPORTED, "the saved state was made with other parameters");
  }
  if (bytes.length != state_bound(self)) {
    return refuse(self, GANTRY_INVALID, "the saved state is not as long as this version's");
  }
  memcpy(self->slots, bytes.data + sizeof count, count * sizeof(slot));
  for (uint32_t index = 0; index < self->slot_count; index++) {
    if (!fits_together(&self->slots[index])) {
      return refuse(self, GANTRY_INVALID, "the saved state of instrument %u does not fit together", index + 1);
    }
    // The size of a position is a parameter, and may have changed.
    self->slots[index].goal = self->slots[index].wish * self->rules[index].quantity;
  }
  return GANTRY_OK;
}

static gantry_status live_apply(gantry_instance *self, const gantry_value *values, uint32_t count) {
  return count < PARAM_COUNT ? refuse(self, GANTRY_MISUSE, "not all parameters were given")
                             : take_thresholds(self, values);
}

static const gantry_state state_table = {
    sizeof(gantry_state), 1, GANTRY_LITERAL("threshold"), state_bound, state_save, state_load};
static const gantry_params_live live_table = {sizeof(gantry_params_live), 0, live_apply};

static bool is(gantry_string text, const char *literal) {
  return text.length == strlen(literal) && memcmp(text.data, literal, text.length) == 0;
}

static const void *get_extension(const gantry_plugin *plugin, gantry_string id) {
  (void)plugin;
  return is(id, GANTRY_EXT_STATE) ? (const void *)&state_table : is(id, GANTRY_EXT_PARAMS_LIVE) ? &live_table : NULL;
}

#define TEXT(literal) GANTRY_LITERAL(literal)
#define NOTHING {NULL, 0}
#define PORT(type, flags, name, help) {sizeof(gantry_port), type, flags, 0, TEXT(name), TEXT(help)}
#define PARAM(type, flags, name, fallback, least, most, unit, help) \
  {sizeof(gantry_param), type, flags, 0, TEXT(name), fallback, least, most, NULL, unit, TEXT(help)}
#define CHOICE(name, fallback, choices, help)                                                                       \
  {sizeof(gantry_param), GANTRY_PARAM_CHOICE, 0, sizeof(choices) / sizeof(*choices), TEXT(name), TEXT(fallback), 0, \
   0, choices, NOTHING, TEXT(help)}

static const gantry_string uses[] = {TEXT("value"), TEXT("probability")};
static const gantry_string modes[] = {TEXT("reverse"), TEXT("long_only"), TEXT("short_only")};
static const gantry_string order_types[] = {TEXT("market"), TEXT("limit")};

static const gantry_port inputs[] = {
    PORT(GANTRY_PREDICTION, 0, "predictions", "what to decide by"),
    PORT(GANTRY_EXECUTION, GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY, "executions",
         "what became of the orders: the broker's executions and the risk node's rejects, as feedback; without it "
         "every order counts as filled"),
    PORT(GANTRY_TICK, GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY, "ticks", "quotes that limit prices start from"),
};
static const gantry_port outputs[] = {
    PORT(GANTRY_ORDER, 0, "orders", "orders and cancels"),
    PORT(GANTRY_SIGNAL, 0, "debug", "the wanted position, whenever it changes: -1 short, 0 flat, 1 long"),
};
static const gantry_param params[PARAM_COUNT] = {
    PARAM(GANTRY_PARAM_NUMBER, GANTRY_PARAM_LIVE, "upper", TEXT("0"), 0, 0, NOTHING,
          "above it the wanted position is long"),
    PARAM(GANTRY_PARAM_NUMBER, GANTRY_PARAM_LIVE, "lower", TEXT("0"), 0, 0, NOTHING,
          "below it the wanted position is short; not above `upper`"),
    CHOICE("use", "value", uses, "the field of the prediction to compare"),
    PARAM(GANTRY_PARAM_DECIMAL, GANTRY_PARAM_HAS_MIN | GANTRY_PARAM_ABOVE_MIN, "quantity", TEXT("10000"), 0, 0,
          TEXT("instrument units"), "size of a full position; a whole number of lots"),
    CHOICE("mode", "reverse", modes, "reverse holds either side; the others are flat instead of the other side"),
    PARAM(GANTRY_PARAM_BOOL, 0, "flat_between", TEXT("false"), 0, 0, NOTHING,
          "go flat between the thresholds instead of holding on"),
    PARAM(GANTRY_PARAM_DURATION, GANTRY_PARAM_HAS_MIN, "cooldown", TEXT("0"), 0, 0, NOTHING,
          "least time between two orders of an instrument"),
    PARAM(GANTRY_PARAM_DURATION, GANTRY_PARAM_HAS_MIN, "retry_after", TEXT("1s"), 0, 0, NOTHING,
          "how long to wait after an order was refused or not filled"),
    CHOICE("order_type", "market", order_types, "limit needs ticks in `from`"),
    PARAM(GANTRY_PARAM_INTEGER, GANTRY_PARAM_HAS_MIN | GANTRY_PARAM_HAS_MAX, "limit_offset_points", TEXT("0"), -1e6,
          1e6, TEXT("ticks"), "how far a buy is below the ask and a sell above the bid"),
    PARAM(GANTRY_PARAM_DURATION, GANTRY_PARAM_HAS_MIN, "limit_max_age", TEXT("0"), 0, 0, NOTHING,
          "cancel a limit order that has worked for this long; 0 = never"),
    PARAM(GANTRY_PARAM_INSTRUMENT, 0, "instrument", NOTHING, 0, 0, NOTHING,
          "decide for this one only; unset, for every instrument that is predicted"),
};

static const gantry_plugin plugin = {
    .size = sizeof(gantry_plugin),
    .kind = GANTRY_KIND_DECISION,
    .id = TEXT("threshold-c"),
    .version = TEXT("1.0.0"),
    .summary = TEXT("Goes long above one threshold of a prediction and short below another"),
    .effects = GANTRY_EFFECTS_NONE,
    .determinism = GANTRY_DETERMINISM_EXACT,
    .flags = GANTRY_PLUGIN_STOPS,
    .input_count = sizeof inputs / sizeof *inputs,
    .output_count = sizeof outputs / sizeof *outputs,
    .param_count = PARAM_COUNT,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .create = create,
    .configure = configure,
    .on_batch = on_batch,
    .destroy = destroy,
    .get_extension = get_extension,
};
static const gantry_plugin *const plugins[] = {&plugin};
static const gantry_library library = {
    .size = sizeof(gantry_library),
    .abi_major = GANTRY_ABI_MAJOR,
    .abi_minor = GANTRY_ABI_MINOR,
    .plugin_count = 1,
    .plugins = plugins,
    .built_with = TEXT("C11"),
};

const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
