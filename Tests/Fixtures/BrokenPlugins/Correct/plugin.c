// Breaks nothing: what the others are compared with.
#include "../base.h"

FIXTURE((void)0)
