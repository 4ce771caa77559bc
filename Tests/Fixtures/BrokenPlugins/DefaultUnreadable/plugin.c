// A default that is not of the parameter's type.
#include "../base.h"

FIXTURE(params[0].default_text = text("plenty"))
