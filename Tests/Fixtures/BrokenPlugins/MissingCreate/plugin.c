// A required function is null.
#include "../base.h"

FIXTURE(plugin.create = NULL)
