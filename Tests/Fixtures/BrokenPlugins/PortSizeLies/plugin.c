// A port's size is not that of the struct.
#include "../base.h"

FIXTURE(inputs[0].size = sizeof(gantry_port) + 8)
