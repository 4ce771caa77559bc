// What a library brings along beside itself, as Python's wheels do.
#ifndef ADDS
#define ADDS 42
#endif

__attribute__((visibility("default"))) double beside(void) { return ADDS; }
