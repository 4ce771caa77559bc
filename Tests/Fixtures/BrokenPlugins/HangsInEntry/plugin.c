// Never returns from its entry.
#include "../base.h"

static volatile int forever = 1;
FIXTURE(while (forever) {})
