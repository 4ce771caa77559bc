// Takes all memory there is.
#include "../base.h"

static void take_everything(void) {
  for (;;) {
    char *block = malloc(1u << 28);
    if (block == NULL) abort();
    block[0] = 1;
  }
}
FIXTURE(take_everything())
