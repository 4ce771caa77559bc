// Says it has handled more inputs than it was given.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  gantry_status status = base_on_batch(instance, batch, outs);
  outs->consumed = batch->count + 1;
  return status;
}
FIXTURE(plugin.on_batch = on_batch)
