// A live parameter without gantry.params-live/1.
#include "../base.h"

FIXTURE(params[0].flags |= GANTRY_PARAM_LIVE)
