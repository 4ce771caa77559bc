// Stands before the C library's fdatasync; README.md says how it is told what to do.
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((visibility("default"))) int fdatasync(int fd) {
  const char *hold = getenv("GANTRY_TEST_HOLD");
  const char *fail = getenv("GANTRY_TEST_FAIL");
  while (hold != NULL && access(hold, F_OK) == 0) usleep(500);
  if (fail != NULL && access(fail, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return real(fd);
}
