// Stops with a trap in its entry.
#include "../base.h"

FIXTURE(__builtin_trap())
