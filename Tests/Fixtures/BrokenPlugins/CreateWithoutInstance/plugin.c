// Says that create went well and hands over no instance.
#include "../base.h"

static gantry_status create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  (void)host;
  (void)node;
  *instance = NULL;
  return GANTRY_OK;
}
FIXTURE(plugin.create = create)
