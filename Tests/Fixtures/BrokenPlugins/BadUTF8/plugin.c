// A summary that is not UTF-8.
#include "../base.h"

FIXTURE(plugin.summary = text("caf\xe9"))
