#include "threshold.h"

#include <gantry/ext/chain.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

gantry_status refuse(instance *self, gantry_status status, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  uint64_t count = length < 0 ? 0 : (uint64_t)length < sizeof text ? (uint64_t)length : sizeof text - 1;
  return self->host->fail(self->node, status, 0, (gantry_string){text, count});
}

gantry_status take_thresholds(instance *self, const gantry_value *values) {
  double upper = values[PARAM_UPPER].number;
  double lower = values[PARAM_LOWER].number;
  if (!(upper >= lower)) {
    return refuse(self, GANTRY_INVALID,
                  "upper: %.9f is below lower: %.9f; a prediction between them would be both: set upper to at "
                  "least lower",
                  upper, lower);
  }
  self->upper = upper;
  self->lower = lower;
  return GANTRY_OK;
}

static bool is_connected(const gantry_config *config, uint32_t port) {
  for (uint32_t index = 0; index < config->input_count; index++) {
    if (config->inputs[index].port == port) {
      return true;
    }
  }
  return false;
}

/// mantissa * 10^-have as a count of 10^-want; false when that would lose something.
static bool scaled(int64_t mantissa, uint32_t have, uint32_t want, int64_t *result) {
  for (; have < want; have++) {
    if (__builtin_mul_overflow(mantissa, 10, &mantissa)) {
      return false;
    }
  }
  for (; have > want; have--) {
    if (mantissa % 10 != 0) {
      return false;
    }
    mantissa /= 10;
  }
  *result = mantissa;
  return true;
}

/// An exact decimal as text: 12345 with 2 digits is 123.45.
static const char *decimal(char text[48], int64_t value, uint32_t digits) {
  uint64_t scale = 1;
  for (uint32_t index = 0; index < digits && index < 18; index++) {
    scale *= 10;
  }
  uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  const char *sign = value < 0 ? "-" : "";
  if (digits == 0) {
    snprintf(text, 48, "%s%" PRIu64, sign, magnitude);
  } else {
    snprintf(text, 48, "%s%" PRIu64 ".%0*" PRIu64, sign, magnitude / scale, (int)digits, magnitude % scale);
  }
  return text;
}

static gantry_status read_instrument(instance *self, uint32_t index, const gantry_value *values) {
  gantry_instrument instrument = {.size = sizeof instrument};
  gantry_currency quote = {.size = sizeof quote};
  if (self->host->instrument(self->node, index + 1, &instrument) != GANTRY_OK ||
      self->host->currency(self->node, instrument.quote_currency, &quote) != GANTRY_OK) {
    return refuse(self, GANTRY_BUG, "threshold: the host does not know instrument %u of its own table", index + 1);
  }
  int symbol_length = (int)instrument.symbol.length;
  const char *symbol = instrument.symbol.data;
  if (instrument.price_digits > 18 || instrument.quantity_digits > 18 || quote.digits > 18) {
    return refuse(self, GANTRY_INVALID,
                  "%.*s has more than 18 digits of price, quantity or cash; exact numbers hold 18", symbol_length,
                  symbol);
  }
  if (instrument.tick_size <= 0 || instrument.lot_size <= 0 || instrument.contract_units <= 0) {
    return refuse(self, GANTRY_INVALID, "%.*s has a tick, lot or contract that is not above 0", symbol_length, symbol);
  }
  const gantry_value *only = &values[PARAM_INSTRUMENT];
  const gantry_value *quantity = &values[PARAM_QUANTITY];
  rule *rule = &self->rules[index];
  rule->is_traded = !only->is_set || only->integer == 0 || only->integer == (int64_t)index + 1;
  rule->tick_size = instrument.tick_size;
  rule->price_scale = 1;
  for (uint32_t digit = 0; digit < instrument.price_digits; digit++) {
    rule->price_scale *= 10;
  }
  bool is_whole = scaled(quantity->integer, quantity->digits, instrument.quantity_digits, &rule->quantity) &&
                  rule->quantity % instrument.lot_size == 0;
  if (!is_whole) {
    rule->quantity = 0;
  }
  if (rule->is_traded && (!is_whole || rule->quantity <= 0 || rule->quantity > INT64_C(1) << 60)) {
    char wanted[48];
    char lot[48];
    return refuse(self, GANTRY_INVALID,
                  "quantity: %s is not a whole number of lots of %.*s, whose lot is %s; choose a multiple of it, or "
                  "set `instrument:` when this node trades another one",
                  decimal(wanted, quantity->integer, quantity->digits), symbol_length, symbol,
                  decimal(lot, instrument.lot_size, instrument.quantity_digits));
  }
  return GANTRY_OK;
}

static gantry_status read_instruments(instance *self, const gantry_config *config) {
  uint32_t count = config->instrument_count;
  if (count == 0) {
    return refuse(self, GANTRY_INVALID, "threshold has nothing to trade: list the graph's `instruments:`");
  }
  self->slots = calloc(count, sizeof *self->slots);
  self->rules = calloc(count, sizeof *self->rules);
  if (!self->slots || !self->rules) {
    return refuse(self, GANTRY_FULL, "no memory for %u instruments", count);
  }
  self->slot_count = count;
  for (uint32_t index = 0; index < count; index++) {
    self->slots[index].sent_ns = INT64_MIN;
    self->slots[index].not_before_ns = INT64_MIN;
    gantry_status status = read_instrument(self, index, config->values);
    if (status != GANTRY_OK) {
      return status;
    }
  }
  return GANTRY_OK;
}

gantry_status configure(instance *self, const gantry_config *config) {
  const gantry_value *values = config->values;
  gantry_status status = take_thresholds(self, values);
  if (status != GANTRY_OK) {
    return status;
  }
  self->uses_probability = values[PARAM_USE].integer == 1;
  self->holds_between = values[PARAM_FLAT_BETWEEN].integer == 0;
  self->wish_above = values[PARAM_MODE].integer == 2 ? 0 : 1;
  self->wish_below = values[PARAM_MODE].integer == 1 ? 0 : -1;
  self->cooldown_ns = values[PARAM_COOLDOWN].integer;
  self->retry_after_ns = values[PARAM_RETRY_AFTER].integer;
  self->uses_limit = values[PARAM_ORDER_TYPE].integer == 1;
  self->limit_offset = values[PARAM_LIMIT_OFFSET].integer;
  self->limit_max_age_ns = values[PARAM_LIMIT_MAX_AGE].integer;
  self->is_confirmed = is_connected(config, PORT_EXECUTIONS);
  if (self->uses_limit && !is_connected(config, PORT_TICKS)) {
    return refuse(self, GANTRY_INVALID,
                  "order_type: limit needs quotes to start from; add the tick source to `from`");
  }
  if (self->uses_limit && !self->is_confirmed) {
    return refuse(self, GANTRY_INVALID,
                  "order_type: limit needs to know what was filled; add the broker's executions to `from`, as "
                  "`broker.executions~`");
  }
  status = read_instruments(self, config);
  if (status != GANTRY_OK) {
    return status;
  }
  self->chain = self->host->get_extension(self->node, (gantry_string)GANTRY_LITERAL(GANTRY_EXT_CHAIN));
  self->orders_metric = self->host->define_metric(
      self->node, GANTRY_METRIC_COUNTER, (gantry_string)GANTRY_LITERAL("orders"), (gantry_string){NULL, 0},
      (gantry_string)GANTRY_LITERAL("new orders sent"));
  self->ignored_metric = self->host->define_metric(
      self->node, GANTRY_METRIC_COUNTER, (gantry_string)GANTRY_LITERAL("ignored"), (gantry_string){NULL, 0},
      (gantry_string)GANTRY_LITERAL("predictions that were not a number, or of no traded instrument"));
  return GANTRY_OK;
}
