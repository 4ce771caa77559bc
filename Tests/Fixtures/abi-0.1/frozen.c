/// A plugin as somebody built it against 0.1: it counts quotes and says so once, at the end.
#include <gantry/gantry.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct frozen {
  const gantry_host *host;
  gantry_node *node;
  unsigned long quotes;
} frozen;

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)plugin;
  frozen *self = calloc(1, sizeof *self);
  if (!self) return GANTRY_FULL;
  self->host = host;
  self->node = node;
  *instance = (gantry_instance *)self;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  (void)instance, (void)config;
  return GANTRY_OK;
}

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outputs) {
  (void)outputs;
  ((frozen *)instance)->quotes += batch->count;
  return GANTRY_OK;
}

static gantry_status flush(gantry_instance *instance, gantry_outputs *outputs) {
  (void)outputs;
  frozen *self = (frozen *)instance;
  char text[64];
  int length = snprintf(text, sizeof text, "counted %lu quotes over ABI 0.1", self->quotes);
  self->host->log(self->node, GANTRY_LOG_INFO, (gantry_string){text, (uint64_t)length});
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) { free(instance); }

static const gantry_port inputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};
static const gantry_plugin plugin = {
    .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_NOTIFIER, .id = GANTRY_LITERAL("frozen"),
    .version = GANTRY_LITERAL("0.1.0"), .summary = GANTRY_LITERAL("counts quotes"),
    .determinism = GANTRY_DETERMINISM_EXACT, .input_count = 1, .inputs = inputs,
    .create = create, .configure = configure, .on_batch = on_batch, .flush = flush, .destroy = destroy};
static const gantry_plugin *const plugins[] = {&plugin};
static const gantry_library library = {
    .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR,
    .plugin_count = 1, .plugins = plugins, .built_with = GANTRY_LITERAL("the headers of 0.1")};

const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
