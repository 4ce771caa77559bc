// Keeps the contract: fails every third event, with a reason, and consumes those before it.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    instance->seen += 1;
    if (instance->seen % 3 == 0) {
      outs->consumed = i;
      return instance->host->fail(instance->node, GANTRY_INVALID, 0, text("every third event fails"));
    }
    gantry_tick *out = gantry_reserve(outs, 0, i);
    if (out == NULL) return GANTRY_FULL;
    memcpy(&out->bid, &((const gantry_tick *)gantry_event(batch, i))->bid, 32);
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}
FIXTURE(plugin.on_batch = on_batch)
