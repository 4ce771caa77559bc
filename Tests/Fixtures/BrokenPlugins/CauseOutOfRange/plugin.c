// Names an input as the cause that the batch does not have.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  gantry_tick *out = gantry_reserve(outs, 0, batch->count);
  if (out == NULL) return GANTRY_FULL;
  memset(&out->bid, 0, 32);
  gantry_commit(outs, 0);
  return GANTRY_OK;
}
FIXTURE(plugin.on_batch = on_batch)
