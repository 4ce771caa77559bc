// Declares that its code must stay mapped. Breaks nothing.
#include "../base.h"

FIXTURE(library.flags = GANTRY_LIBRARY_RESIDENT)
