/// gantry.params-live/1 (plugin side): parameters marked LIVE change without a new instance.
#ifndef GANTRY_EXT_PARAMS_LIVE_H
#define GANTRY_EXT_PARAMS_LIVE_H

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_PARAMS_LIVE "gantry.params-live/1"

typedef struct gantry_params_live {
  uint32_t size;
  uint32_t reserved;

  /// Takes new values, all or none. Only LIVE parameters differ from what configure was given.
  ///
  /// Thread:  [lane], between two chains; the change is journaled
  /// State:   running
  /// Memory:  `values` are valid until return
  /// Errors:  GANTRY_INVALID; the old values then stay in force
  /// Since:   0.1
  gantry_status (*apply)(gantry_instance *instance, const gantry_value *values, uint32_t count);
} gantry_params_live;

#ifdef __cplusplus
}
#endif
#endif
