// Has a features output and never names its columns.
#include "../base.h"

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  (void)instance;
  (void)batch;
  (void)outs;
  return GANTRY_OK;
}
FIXTURE(outputs[0].type = GANTRY_FEATURES; plugin.on_batch = on_batch)
