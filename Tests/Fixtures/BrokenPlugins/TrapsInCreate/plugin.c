// Stops with a trap in create.
#include "../base.h"

static gantry_status create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  (void)host;
  (void)node;
  (void)instance;
  __builtin_trap();
}
FIXTURE(plugin.create = create)
