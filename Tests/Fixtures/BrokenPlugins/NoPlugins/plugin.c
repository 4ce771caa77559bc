// A library with nothing in it.
#include "../base.h"

FIXTURE(library.plugin_count = 0)
