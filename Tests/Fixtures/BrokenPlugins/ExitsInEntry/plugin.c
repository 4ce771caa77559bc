// Ends the process in its entry.
#include "../base.h"

FIXTURE(exit(3))
