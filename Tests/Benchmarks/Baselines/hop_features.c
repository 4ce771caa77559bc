/// Step 2: two exponential moving averages of the mid price. Each begins, as in TA-Lib, with the mean
/// of its first period and is NaN before.
#include "chain.h"
#include <math.h>
#include <stdlib.h>

typedef struct state { double fast, slow, sum; uint64_t seen; } state;

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
  if (self->seen <= slow_period) self->sum += mid;
  if (self->seen == fast_period) self->fast = self->sum / fast_period;
  if (self->seen > fast_period) self->fast += (2.0 / (fast_period + 1)) * (mid - self->fast);
  if (self->seen == slow_period) self->slow = self->sum / slow_period;
  if (self->seen > slow_period) self->slow += (2.0 / (slow_period + 1)) * (mid - self->slow);
  to->ns = from->ns;
  to->chain = from->chain;
  to->fast = self->seen < fast_period ? NAN : self->fast;
  to->slow = self->seen < slow_period ? NAN : self->slow;
  return 1;
}
