// A kind this host does not know.
#include "../base.h"

FIXTURE(plugin.kind = 99)
