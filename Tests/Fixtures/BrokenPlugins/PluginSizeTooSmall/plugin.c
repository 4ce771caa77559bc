// The plugin's table claims to end before its functions.
#include "../base.h"

FIXTURE(plugin.size = 64)
