/// The six steps as six libraries: opened like plugins, called through plain pointers.
#include "chain.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[6] = {"source", "features", "model", "decide", "risk", "broker"};

typedef struct loaded { hop_function call; hop_create create; hop_outcome result; } loaded;

typedef struct request { const tick *quote; const order *order; } request;

/// Opens `folder`/hop_<name>.so six times. Null, and a line on stderr, when one is missing.
EXPORT void *open_hops(const char *folder) {
  loaded *hops = calloc(6, sizeof *hops);
  for (int index = 0; index < 6; index++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/hop_%s.so", folder, names[index]);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      fprintf(stderr, "%s\n", dlerror());
      free(hops);
      return NULL;
    }
    hops[index].call = (hop_function)dlsym(library, "hop");
    hops[index].create = (hop_create)dlsym(library, "create");
    hops[index].result = (hop_outcome)dlsym(library, "result");
  }
  return hops;
}

/// Runs the tape through the six functions, one event at a time. All six are called for each event.
EXPORT void run_hops(void *opened, const quote *tape, uint64_t count, outcome *result) {
  const loaded *hops = opened;
  void *states[6];
  for (int index = 0; index < 6; index++) states[index] = hops[index].create(tape);
  memset(result, 0, sizeof *result);
  result->events = count;

  tick quote_now;
  features row;
  prediction guess;
  order wish, allowed;
  fill done;
  for (uint64_t index = 0; index < count; index++) {
    hops[0].call(states[0], NULL, &quote_now);
    hops[1].call(states[1], &quote_now, &row);
    hops[2].call(states[2], &row, &guess);
    if (hops[3].call(states[3], &guess, &wish) == 0) wish.quantity = 0;
    int passed = hops[4].call(states[4], &wish, &allowed);
    request ask = {&quote_now, passed ? &allowed : NULL};
    hops[5].call(states[5], &ask, &done);
  }
  for (int index = 0; index < 6; index++) {
    if (hops[index].result) hops[index].result(states[index], result);
    free(states[index]);
  }
}
