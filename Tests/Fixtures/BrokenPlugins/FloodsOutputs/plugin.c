// Asks for rows without end.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)batch;
  for (;;) {
    gantry_tick *out = gantry_reserve(outs, 0, 0);
    if (out == NULL) {
      outs->consumed = 0;
      return instance->host->fail(instance->node, GANTRY_FULL, 0, text("the host has no more room"));
    }
    memset(&out->bid, 0, 32);
    gantry_commit(outs, 0);
  }
}
FIXTURE(plugin.on_batch = on_batch)
