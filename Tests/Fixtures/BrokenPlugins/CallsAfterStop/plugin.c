// Goes on calling the host after stop; each such call must get GANTRY_GONE.
#include "../base.h"
#include <stdio.h>

static gantry_status stop(gantry_instance *instance) {
  instance->seen = 1;
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) {
  // destroy is the one call after stop, so this is where it is still alive and misbehaves.
  gantry_status status = instance->host->fail(instance->node, GANTRY_BUG, 0, text("too late"));
  instance->host->log(instance->node, GANTRY_LOG_ERROR, text("a line after stop"));
  if (instance->seen != 0 && status != GANTRY_GONE) {
    fputs("a late call was not answered with GANTRY_GONE\n", stderr);
    abort();
  }
  free(instance);
}
FIXTURE(plugin.stop = stop; plugin.destroy = destroy)
