// A choice with nothing to choose.
#include "../base.h"

FIXTURE(params[0].type = GANTRY_PARAM_CHOICE; params[0].flags = 0)
