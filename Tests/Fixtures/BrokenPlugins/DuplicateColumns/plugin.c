// Names two columns of one output alike.
#include "../base.h"

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  gantry_string names[2] = {text("ema_10"), text("ema_10")};
  gantry_status status = config->set_columns(config, 0, names, 2);
  if (status != GANTRY_OK) return instance->host->fail(instance->node, status, 0, text("the host refused the columns"));
  return GANTRY_OK;
}
FIXTURE(outputs[0].type = GANTRY_FEATURES; plugin.configure = configure)
