// Several mistakes at once; each is reported.
#include "../base.h"

FIXTURE(plugin.id = text("UPPER"); plugin.kind = 0; plugin.destroy = NULL; params[0].minimum = 3; inputs[0].type = 15)
