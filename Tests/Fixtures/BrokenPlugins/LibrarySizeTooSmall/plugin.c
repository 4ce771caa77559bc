// The library's table claims to end before its fields do.
#include "../base.h"

FIXTURE(library.size = 16)
