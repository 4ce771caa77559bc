// Calls a [lane] function of the host from a thread of its own.
#include "../base.h"
#include <pthread.h>

static void *work(void *context) {
  gantry_instance *instance = context;
  instance->seen = (uint64_t)instance->host->set_timer(instance->node, 1, 1);
  return NULL;
}

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, instance) == 0) pthread_join(thread, NULL);
  return base_on_batch(instance, batch, outs);
}

static gantry_status on_timer(gantry_instance *instance, const gantry_timer *timer, gantry_outputs *outs) {
  (void)instance;
  (void)timer;
  (void)outs;
  return GANTRY_OK;
}
FIXTURE(plugin.on_batch = on_batch; plugin.on_timer = on_timer; plugin.flags = GANTRY_PLUGIN_TIMERS)
