// Fails and does not say why.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  (void)batch;
  outs->consumed = 0;
  return GANTRY_INVALID;
}
FIXTURE(plugin.on_batch = on_batch)
