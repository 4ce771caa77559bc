// Refuses to load without a reason.
#include "../base.h"

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  base_fill("broken");
  return NULL;
}
