// A count of plugins that cannot be true.
#include "../base.h"

FIXTURE(library.plugin_count = 4000000000u)
