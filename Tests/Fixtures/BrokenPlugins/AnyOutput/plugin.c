// An output of type any.
#include "../base.h"

FIXTURE(outputs[0].type = GANTRY_ANY)
