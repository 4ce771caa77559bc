/// Step 5: lets an order pass while the position it leads to is within the limit.
#include "chain.h"
#include <stdlib.h>

typedef struct state { int64_t position; uint64_t passed; } state;

EXPORT void *create(const void *argument) {
  (void)argument;
  return calloc(1, sizeof(state));
}

EXPORT int hop(void *instance, const void *in, void *out) {
  state *self = instance;
  const order *from = in;
  if (from->quantity == 0) return 0;
  int64_t position = self->position + (from->side == 1 ? from->quantity : -from->quantity);
  if (position > max_position || position < -max_position) return 0;
  self->position = position;
  self->passed += 1;
  *(order *)out = *from;
  return 1;
}

EXPORT void result(void *instance, outcome *to) { to->orders = ((state *)instance)->passed; }
