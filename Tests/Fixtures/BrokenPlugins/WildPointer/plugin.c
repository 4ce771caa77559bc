// The list of plugins points to nowhere.
#include "../base.h"

FIXTURE(library.plugins = (const gantry_plugin *const *)(uintptr_t)0x1000)
