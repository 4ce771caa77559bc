// Names columns for a port that has none.
#include "../base.h"

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  gantry_string names[1] = {text("close")};
  gantry_status status = config->set_columns(config, 0, names, 1);
  if (status != GANTRY_OK) return instance->host->fail(instance->node, status, 0, text("the host refused the columns"));
  return GANTRY_OK;
}
FIXTURE(plugin.configure = configure)
