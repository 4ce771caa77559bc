/// Hands every quote on, `offset` apart from what it was. Replace this by what your plugin is for.
#include <gantry/gantry.h>
#include <stdlib.h>

typedef struct starter {
  const gantry_host *host;
  gantry_node *node;
  double offset;
} starter;

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)plugin;
  starter *self = calloc(1, sizeof *self);
  if (!self) return host->fail(node, GANTRY_FULL, 1, (gantry_string)GANTRY_LITERAL("out of memory"));
  self->host = host;
  self->node = node;
  *instance = (gantry_instance *)self;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  ((starter *)instance)->offset = config->values[0].number;
  return GANTRY_OK;
}

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outputs) {
  const starter *self = (const starter *)instance;
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_tick *quote = (const gantry_tick *)gantry_event(batch, index);
    gantry_tick *moved = gantry_reserve(outputs, 0, index);
    if (!moved) {
      outputs->consumed = index;
      return self->host->fail(self->node, GANTRY_FULL, 0, (gantry_string)GANTRY_LITERAL("no room for outputs"));
    }
    moved->bid = quote->bid + self->offset;
    moved->ask = quote->ask + self->offset;
    moved->bid_size = quote->bid_size;
    moved->ask_size = quote->ask_size;
    gantry_commit(outputs, 0);
  }
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) { free(instance); }

static const gantry_port inputs[] = {{.size = sizeof(gantry_port),
                                      .type = GANTRY_TICK,
                                      .name = GANTRY_LITERAL("ticks"),
                                      .help = GANTRY_LITERAL("quotes")}};
static const gantry_port outputs[] = {{.size = sizeof(gantry_port),
                                       .type = GANTRY_TICK,
                                       .name = GANTRY_LITERAL("ticks"),
                                       .help = GANTRY_LITERAL("the quotes, moved")}};
static const gantry_param params[] = {{.size = sizeof(gantry_param),
                                       .type = GANTRY_PARAM_NUMBER,
                                       .name = GANTRY_LITERAL("offset"),
                                       .default_text = GANTRY_LITERAL("0"),
                                       .unit = GANTRY_LITERAL("quote currency"),
                                       .help = GANTRY_LITERAL("what is added to bid and ask")}};

static const gantry_plugin plugin = {.size = sizeof(gantry_plugin),
                                     .kind = GANTRY_KIND_TRANSFORM,
                                     .id = GANTRY_LITERAL("starter-c"),
                                     .version = GANTRY_LITERAL("0.1.0"),
                                     .summary = GANTRY_LITERAL("moves every quote by a fixed amount"),
                                     .effects = GANTRY_EFFECTS_NONE,
                                     .determinism = GANTRY_DETERMINISM_EXACT,
                                     .flags = GANTRY_PLUGIN_STATELESS,
                                     .input_count = 1,
                                     .output_count = 1,
                                     .param_count = 1,
                                     .inputs = inputs,
                                     .outputs = outputs,
                                     .params = params,
                                     .create = create,
                                     .configure = configure,
                                     .on_batch = on_batch,
                                     .destroy = destroy};
static const gantry_plugin *const plugins[] = {&plugin};
static const gantry_library library = {.size = sizeof(gantry_library),
                                       .abi_major = GANTRY_ABI_MAJOR,
                                       .abi_minor = GANTRY_ABI_MINOR,
                                       .plugin_count = 1,
                                       .plugins = plugins,
                                       .built_with = GANTRY_LITERAL("C11")};

const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
