// Was built for an ABI major that this host does not speak.
#include "../base.h"

FIXTURE(library.abi_major = GANTRY_ABI_MAJOR + 1)
