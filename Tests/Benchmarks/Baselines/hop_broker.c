/// Step 6: fills market orders on the quote they come with; exact money.
#include "chain.h"
#include <math.h>
#include <stdlib.h>

typedef struct state {
  double bid, ask;
  int64_t position, open_price, cash;
  uint64_t fills;
} state;

/// What the broker is called with: the quote of this chain, and an order or none (quantity 0).
typedef struct request { const tick *quote; const order *order; } request;

EXPORT void *create(const void *argument) {
  (void)argument;
  return calloc(1, sizeof(state));
}

EXPORT int hop(void *instance, const void *in, void *out) {
  state *self = instance;
  const request *from = in;
  self->bid = from->quote->bid;
  self->ask = from->quote->ask;
  const order *want = from->order;
  if (!want) return 0;
  int64_t price = llround((want->side == 1 ? self->ask : self->bid) * PRICE_SCALE);
  int64_t signed_quantity = want->side == 1 ? want->quantity : -want->quantity;
  int64_t profit = 0;
  // The open position is closed as a whole by every order that gets here but the first.
  if (self->position != 0) profit = cash_of(self->position, price - self->open_price);
  self->cash += profit;
  self->position += signed_quantity;
  self->open_price = price;
  self->fills += 1;
  *(fill *)out = (fill){.ns = want->ns, .chain = want->chain, .id = want->id, .quantity = want->quantity,
                        .price = price, .profit = profit, .position = self->position, .side = want->side};
  return 1;
}

EXPORT void result(void *instance, outcome *to) {
  const state *self = instance;
  to->fills = self->fills;
  int64_t mark = llround((self->position > 0 ? self->bid : self->ask) * PRICE_SCALE);
  to->profit = self->cash + cash_of(self->position, mark - self->open_price);
  to->position = self->position;
}
