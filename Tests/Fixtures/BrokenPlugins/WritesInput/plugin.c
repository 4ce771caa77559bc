// Writes into its input.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  ((gantry_tick *)(uintptr_t)gantry_event(batch, 0))->bid = 0;
  return base_on_batch(instance, batch, outs);
}
FIXTURE(plugin.on_batch = on_batch)
