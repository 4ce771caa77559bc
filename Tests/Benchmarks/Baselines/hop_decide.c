/// Step 4: long above zero, short below it, an order when that changes.
#include "chain.h"
#include <stdlib.h>

typedef struct state { int64_t wanted; uint64_t last_id; uint64_t flips; } state;

EXPORT void *create(const void *argument) {
  (void)argument;
  return calloc(1, sizeof(state));
}

EXPORT int hop(void *instance, const void *in, void *out) {
  state *self = instance;
  const prediction *from = in;
  int64_t wanted = from->value > 0 ? order_quantity : from->value < 0 ? -order_quantity : self->wanted;
  if (wanted == self->wanted) return 0;
  order *to = out;
  int64_t change = wanted - self->wanted;
  self->flips += self->wanted != 0;
  self->wanted = wanted;
  self->last_id += 1;
  *to = (order){.ns = from->ns, .chain = from->chain, .id = self->last_id,
                .quantity = change > 0 ? change : -change, .side = change > 0 ? 1 : 2};
  return 1;
}

EXPORT void result(void *instance, outcome *to) { to->flips = ((state *)instance)->flips; }
