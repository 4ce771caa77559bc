// Promises inputs and lists none.
#include "../base.h"

FIXTURE(plugin.inputs = NULL)
