// Exports no gantry_plugin_entry.
#include "../base.h"

GANTRY_EXPORT int some_other_function(void);
int some_other_function(void) {
  base_fill("broken");
  return plugin.kind;
}
