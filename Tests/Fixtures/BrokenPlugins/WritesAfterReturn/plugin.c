// Keeps its outputs and writes to them in the next call, before it may.
#include "../base.h"

static gantry_tick *kept;

static gantry_status stop(gantry_instance *instance) {
  (void)instance;
  if (kept != NULL) kept->bid = 42;
  return GANTRY_OK;
}
static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  gantry_status status = base_on_batch(instance, batch, outs);
  kept = (gantry_tick *)(void *)outs->ports[0].base;
  return status;
}
FIXTURE(plugin.on_batch = on_batch; plugin.stop = stop)
