#include "threshold.h"

#include <gantry/ext/chain.h>

#define NOTE(self, cause, text)                                                                     \
  do {                                                                                              \
    if ((self)->chain) {                                                                            \
      (self)->chain->note((self)->node, cause, (gantry_string)GANTRY_LITERAL("rule"), text);        \
    }                                                                                               \
  } while (0)
#define TEXT(literal) ((gantry_string)GANTRY_LITERAL(literal))

static gantry_status full(instance *self) {
  return refuse(self, GANTRY_FULL, "the host has no more room for outputs");
}

/// A row with everything but what the caller knows better.
static gantry_order *reserve_order(instance *self, uint8_t action, uint32_t instrument, bool is_buy, uint32_t cause,
                                   gantry_outputs *outputs) {
  gantry_order *row = gantry_reserve(outputs, PORT_ORDERS, cause);
  if (!row) {
    return NULL;
  }
  row->header.instrument = instrument;
  row->order_id = self->host->next_id(self->node);
  row->target_id = 0;
  row->quantity = 0;
  row->price = 0;
  row->stop_price = 0;
  row->expire_ns = 0;
  row->action = action;
  row->side = is_buy ? GANTRY_BUY : GANTRY_SELL;
  row->order_type = 0;
  row->time_in_force = GANTRY_GTC;
  row->flags = 0;
  row->account = 0;
  row->reserved = 0;
  return row;
}

static gantry_status emit_signal(instance *self, int64_t wish, uint32_t instrument, uint32_t cause,
                                 gantry_outputs *outputs) {
  if (!outputs->ports[PORT_DEBUG].connected) {
    return GANTRY_OK;
  }
  gantry_signal *row = gantry_reserve(outputs, PORT_DEBUG, cause);
  if (!row) {
    return full(self);
  }
  row->header.instrument = instrument;
  row->strength = (double)wish;
  row->price = __builtin_nan("");
  row->stop = __builtin_nan("");
  row->target = __builtin_nan("");
  gantry_commit(outputs, PORT_DEBUG);
  return GANTRY_OK;
}

/// The opposite quote and the offset, on the tick grid, never worse for the account than asked;
/// false before the first quote, and where no price above 0 is left.
static bool limit_price(const instance *self, const slot *slot, const rule *rule, bool is_buy, int64_t *price) {
  double quote = is_buy ? slot->ask : slot->bid;
  int64_t base;
  int64_t offset;
  if (!(quote > 0) || !price_on_grid(rule, quote, !is_buy, &base) ||
      __builtin_mul_overflow(self->limit_offset, rule->tick_size, &offset)) {
    return false;
  }
  bool overflow = is_buy ? __builtin_sub_overflow(base, offset, price) : __builtin_add_overflow(base, offset, price);
  return !overflow && *price > 0;
}

/// An order is in flight: a limit order that is no longer wanted, or too old, is cancelled, once.
static gantry_status reconsider(instance *self, slot *slot, uint32_t instrument, int64_t now, uint32_t cause,
                                gantry_outputs *outputs) {
  if (!self->uses_limit || slot->cancel_id != 0) {
    return GANTRY_OK;
  }
  int64_t reached;
  if (__builtin_add_overflow(slot->position, slot->in_flight, &reached)) {
    return refuse(self, GANTRY_OVERFLOW, "an exact calculation left its range");
  }
  bool is_old = self->limit_max_age_ns > 0 && now >= slot_later(slot->sent_ns, self->limit_max_age_ns);
  if (reached == slot->goal && !is_old) {
    return GANTRY_OK;
  }
  gantry_order *row = reserve_order(self, GANTRY_ORDER_CANCEL, instrument, slot->in_flight > 0, cause, outputs);
  if (!row) {
    return full(self);
  }
  row->target_id = slot->order_id;
  row->order_type = GANTRY_ORDER_LIMIT;
  slot->cancel_id = row->order_id;
  gantry_commit(outputs, PORT_ORDERS);
  NOTE(self, cause, reached != slot->goal ? TEXT("no longer wanted") : TEXT("too old"));
  return GANTRY_OK;
}

gantry_status decide(instance *self, int64_t wish, double number, slot *slot, const gantry_prediction *prediction,
                     uint32_t cause, gantry_outputs *outputs) {
  uint32_t instrument = prediction->header.instrument;
  int64_t now = prediction->header.receive_ns;
  const rule *rule = &self->rules[instrument - 1];
  if (wish != slot->wish) {
    slot->wish = wish;
    slot->goal = wish * rule->quantity;
    gantry_status status = emit_signal(self, wish, instrument, cause, outputs);
    if (status != GANTRY_OK) {
      return status;
    }
  }
  if (slot->order_id != 0) {
    return reconsider(self, slot, instrument, now, cause, outputs);
  }
  int64_t difference;
  if (__builtin_sub_overflow(slot->goal, slot->position, &difference)) {
    return refuse(self, GANTRY_OVERFLOW, "an exact calculation left its range");
  }
  bool is_cool = slot->sent_ns == INT64_MIN || now >= slot_later(slot->sent_ns, self->cooldown_ns);
  if (difference == 0 || now < slot->not_before_ns || !is_cool) {
    return GANTRY_OK;
  }
  bool is_buy = difference > 0;
  int64_t price = 0;
  if (self->uses_limit && !limit_price(self, slot, rule, is_buy, &price)) {
    return GANTRY_OK;
  }
  gantry_order *row = reserve_order(self, GANTRY_ORDER_NEW, instrument, is_buy, cause, outputs);
  if (!row) {
    return full(self);
  }
  row->quantity = is_buy ? difference : (int64_t)(0 - (uint64_t)difference);
  row->price = price;
  row->order_type = self->uses_limit ? GANTRY_ORDER_LIMIT : GANTRY_ORDER_MARKET;
  uint64_t id = row->order_id;
  gantry_commit(outputs, PORT_ORDERS);
  slot->sent_ns = now;
  if (self->is_confirmed) {
    slot->order_id = id;
    slot->in_flight = difference;
  } else {
    slot->position = slot->goal;
  }
  self->host->update_metric(self->node, self->orders_metric, 1);
  NOTE(self, cause, number > self->upper ? TEXT("above upper") : number < self->lower ? TEXT("below lower") : TEXT("between"));
  return GANTRY_OK;
}
