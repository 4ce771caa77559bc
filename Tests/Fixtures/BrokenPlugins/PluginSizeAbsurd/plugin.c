// The plugin's table claims four gigabytes.
#include "../base.h"

FIXTURE(plugin.size = 0xFFFFFFF8u)
