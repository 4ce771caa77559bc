// An id with capitals and a blank.
#include "../base.h"

FIXTURE(plugin.id = text("Bad Id"))
