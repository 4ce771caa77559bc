// Calls a function that nobody defines.
#include "../base.h"

extern void nobody_defines_this(void);
FIXTURE(nobody_defines_this())
