/// Step 3: a linear model of two columns.
#include "chain.h"
#include <stdlib.h>

typedef struct state { double weights[2]; double intercept; } state;

EXPORT void *create(const void *argument) {
  (void)argument;
  state *self = calloc(1, sizeof *self);
  self->weights[0] = 1;
  self->weights[1] = -1;
  return self;
}

EXPORT int hop(void *instance, const void *in, void *out) {
  const state *self = instance;
  const features *from = in;
  prediction *to = out;
  to->ns = from->ns;
  to->chain = from->chain;
  to->value = self->intercept + self->weights[0] * from->fast + self->weights[1] * from->slow;
  return 1;
}
