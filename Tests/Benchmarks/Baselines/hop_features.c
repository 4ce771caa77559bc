/// Step 2: two exponential moving averages of the mid price, seeded by the first one, said to be
/// known (not NaN) from the period's end on.
#include "chain.h"
#include <math.h>
#include <stdlib.h>

typedef struct state { double fast, slow; uint64_t seen; } state;

EXPORT void *create(const void *argument) {
  (void)argument;
  return calloc(1, sizeof(state));
}

EXPORT int hop(void *instance, const void *in, void *out) {
  state *self = instance;
  const tick *from = in;
  features *to = out;
  double mid = (from->bid + from->ask) * 0.5;
  self->seen += 1;
  if (self->seen == 1) {
    self->fast = mid;
    self->slow = mid;
  } else {
    self->fast += (2.0 / (fast_period + 1)) * (mid - self->fast);
    self->slow += (2.0 / (slow_period + 1)) * (mid - self->slow);
  }
  to->ns = from->ns;
  to->chain = from->chain;
  to->fast = self->seen < fast_period ? NAN : self->fast;
  to->slow = self->seen < slow_period ? NAN : self->slow;
  return 1;
}
