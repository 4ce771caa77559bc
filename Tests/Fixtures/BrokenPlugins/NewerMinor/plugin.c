// Was built for another minor of the ABI, below 1.0.
#include "../base.h"

FIXTURE(library.abi_minor = GANTRY_ABI_MINOR + 1)
