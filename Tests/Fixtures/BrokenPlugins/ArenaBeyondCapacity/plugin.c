// Claims more of the arena than there is.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  outs->ports[0].arena_count = outs->ports[0].arena_capacity + 1;
  return base_on_batch(instance, batch, outs);
}
FIXTURE(plugin.on_batch = on_batch)
