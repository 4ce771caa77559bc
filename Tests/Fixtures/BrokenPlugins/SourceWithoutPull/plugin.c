// A source that can never produce an event.
#include "../base.h"

FIXTURE(plugin.kind = GANTRY_KIND_SOURCE)
