// A text points to nowhere.
#include "../base.h"

FIXTURE(plugin.summary.data = (const char *)(uintptr_t)0x1000; plugin.summary.length = 10)
