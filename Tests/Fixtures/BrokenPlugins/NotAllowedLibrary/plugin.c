// Needs a library that is not the system's (linked by the test with -lncursesw or the like).
#include "../base.h"

extern int private_answer(void);
FIXTURE(plugin.needs = (uint32_t)private_answer() & 0u)
