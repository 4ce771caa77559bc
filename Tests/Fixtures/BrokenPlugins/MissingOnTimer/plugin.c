// Declares timers and has no on_timer.
#include "../base.h"

FIXTURE(plugin.flags = GANTRY_PLUGIN_TIMERS)
