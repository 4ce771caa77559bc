// Has inputs and no on_batch.
#include "../base.h"

FIXTURE(plugin.on_batch = NULL)
