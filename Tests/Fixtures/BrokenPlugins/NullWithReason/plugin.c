// Refuses to load and says why.
#include "../base.h"

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  static const char reason[] = "this processor has no AVX2";
  base_fill("broken");
  memcpy(request->error, reason, sizeof reason - 1);
  *request->error_length = sizeof reason - 1;
  return NULL;
}
