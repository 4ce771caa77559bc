// A default beyond the parameter's own range.
#include "../base.h"

FIXTURE(params[0].default_text = text("7"))
