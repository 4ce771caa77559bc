// Keeps what one instance remembers where all instances see it.
#include "../base.h"

static uint64_t seen_by_all;

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  for (uint32_t i = 0; i < batch->count; i++) {
    gantry_tick *out = gantry_reserve(outs, 0, i);
    if (out == NULL) return GANTRY_FULL;
    seen_by_all += 1;
    out->bid = (double)seen_by_all;
    out->ask = out->bid;
    out->bid_size = 0;
    out->ask_size = 0;
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}
FIXTURE(plugin.on_batch = on_batch)
