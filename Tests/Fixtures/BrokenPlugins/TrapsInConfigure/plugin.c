// Stops with a trap in configure.
#include "../base.h"

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  (void)instance;
  (void)config;
  __builtin_trap();
}
FIXTURE(plugin.configure = configure)
