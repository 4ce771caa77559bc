// Returns a status the ABI does not have.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)batch;
  outs->consumed = 0;
  return instance->host->fail(instance->node, 12345, 0, text("a status of its own making"));
}
FIXTURE(plugin.on_batch = on_batch)
