#include <gantry/gantry.h>
const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) { (void)request; return NULL; }
