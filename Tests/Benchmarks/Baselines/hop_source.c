/// Step 1: the next row of a tape in memory, as a tick.
#include "chain.h"
#include <stdlib.h>

typedef struct state { const quote *next; uint64_t chain; } state;

EXPORT void *create(const void *tape) {
  state *self = calloc(1, sizeof *self);
  self->next = tape;
  return self;
}

EXPORT int hop(void *instance, const void *in, void *out) {
  (void)in;
  state *self = instance;
  tick *to = out;
  *to = (tick){.ns = self->next->ns, .chain = self->chain, .bid = self->next->bid, .ask = self->next->ask};
  self->next += 1;
  self->chain += 1;
  return 1;
}
