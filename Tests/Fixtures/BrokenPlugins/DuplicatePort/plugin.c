// Two inputs of one name.
#include "../base.h"

static gantry_port two[2];
FIXTURE(two[0] = inputs[0]; two[1] = inputs[0]; plugin.inputs = two; plugin.input_count = 2)
