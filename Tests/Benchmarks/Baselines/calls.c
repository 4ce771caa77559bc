/// What a call costs: the loop that the hop benchmark's plugins are compared with.
#include "chain.h"
#include <string.h>

/// The same work as the pass-through plugins: one 64-byte record read, one written.
typedef struct record { uint64_t header[4]; double bid, ask, bid_size, ask_size; } record;
typedef int (*pass_function)(void *state, const record *in, record *out);

/// Calls `pass` for `count` records of a ring of 256 and returns how many it handed on.
EXPORT uint64_t run_calls(pass_function pass, uint64_t count) {
  record in[256], out[256];
  memset(in, 0, sizeof in);
  uint64_t passed = 0;
  for (uint64_t index = 0; index < count; index++) passed += (uint64_t)pass(NULL, &in[index & 255], &out[index & 255]);
  return passed;
}

__attribute__((noinline)) static int pass_here(void *state, const record *in, record *out) {
  (void)state;
  *out = *in;
  return 1;
}

/// A function of this very file behind a pointer that the compiler cannot see through.
EXPORT uint64_t run_local_calls(uint64_t count) {
  pass_function volatile pass = pass_here;
  return run_calls(pass, count);
}
