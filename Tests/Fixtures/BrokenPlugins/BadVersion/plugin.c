// A version that is not semantic.
#include "../base.h"

FIXTURE(plugin.version = text("1.0"))
