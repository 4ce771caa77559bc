// A port type this host does not know.
#include "../base.h"

FIXTURE(inputs[0].type = 77)
