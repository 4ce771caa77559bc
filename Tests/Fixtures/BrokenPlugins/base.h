/// A plugin that keeps the contract, and one macro to break it in one place:
///
///     FIXTURE(plugin.id = text("Bad Id"))
///
/// runs its argument after the tables have been filled in properly. The plugin hands ticks on.
#ifndef BROKEN_PLUGINS_BASE_H
#define BROKEN_PLUGINS_BASE_H

#include <gantry/gantry.h>
#include <stdlib.h>
#include <string.h>

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  uint64_t seen;
};

static inline gantry_string text(const char *value) {
  gantry_string string = {value, strlen(value)};
  return string;
}

static gantry_port inputs[1], outputs[1];
static gantry_param params[1];
static gantry_plugin plugin;
static const gantry_plugin *plugins[1] = {&plugin};
static gantry_library library;

static gantry_status base_create(const gantry_plugin *self, const gantry_host *host, gantry_node *node,
                                 gantry_instance **instance) {
  (void)self;
  *instance = calloc(1, sizeof **instance);
  (*instance)->host = host;
  (*instance)->node = node;
  return GANTRY_OK;
}

static gantry_status base_configure(gantry_instance *instance, const gantry_config *config) {
  (void)instance;
  (void)config;
  return GANTRY_OK;
}

static gantry_status base_on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    gantry_tick *out = gantry_reserve(outs, 0, i);
    if (out == NULL) return GANTRY_FULL;
    out->bid = in->bid;
    out->ask = in->ask;
    out->bid_size = in->bid_size;
    out->ask_size = in->ask_size;
    gantry_commit(outs, 0);
    instance->seen += 1;
  }
  return GANTRY_OK;
}

static void base_destroy(gantry_instance *instance) { free(instance); }

static inline void base_fill(const char *id) {
  inputs[0] = (gantry_port){.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = text("ticks"), .help = text("ticks in")};
  outputs[0] = (gantry_port){.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = text("out"), .help = text("ticks out")};
  params[0] = (gantry_param){.size = sizeof(gantry_param), .type = GANTRY_PARAM_NUMBER,
                             .flags = GANTRY_PARAM_HAS_MIN | GANTRY_PARAM_HAS_MAX, .name = text("gain"),
                             .default_text = text("1"), .minimum = 0.5, .maximum = 2, .help = text("not used")};
  plugin = (gantry_plugin){.size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = text(id),
                           .version = text("1.0.0"), .summary = text("hands ticks on"),
                           .determinism = GANTRY_DETERMINISM_EXACT, .input_count = 1, .output_count = 1,
                           .param_count = 1, .inputs = inputs, .outputs = outputs, .params = params,
                           .create = base_create, .configure = base_configure, .on_batch = base_on_batch,
                           .destroy = base_destroy};
#ifdef SINGLE
  plugin.flags = GANTRY_PLUGIN_SINGLE;
#endif
  library = (gantry_library){.size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR,
                             .abi_minor = GANTRY_ABI_MINOR, .plugin_count = 1, .plugins = plugins,
                             .built_with = text("C")};
}

#define FIXTURE(...)                                                                        \
  GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) { \
    (void)request;                                                                          \
    base_fill("broken");                                                                    \
    __VA_ARGS__;                                                                            \
    return &library;                                                                        \
  }

#endif
