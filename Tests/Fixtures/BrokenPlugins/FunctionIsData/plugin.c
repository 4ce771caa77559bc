// A function pointer that points to data.
#include "../base.h"

FIXTURE(memcpy(&plugin.stop, (void *[]){&library}, sizeof plugin.stop))
