// Stops with a trap in on_batch.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  (void)batch;
  (void)outs;
  __builtin_trap();
}
FIXTURE(plugin.on_batch = on_batch)
