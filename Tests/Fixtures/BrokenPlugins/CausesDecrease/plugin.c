// Names causes in descending order.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  for (uint32_t i = batch->count; i > 0; i--) {
    gantry_tick *out = gantry_reserve(outs, 0, i - 1);
    if (out == NULL) return GANTRY_FULL;
    memset(&out->bid, 0, 32);
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}
FIXTURE(plugin.on_batch = on_batch)
