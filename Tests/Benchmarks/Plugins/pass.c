/// bench-pass-c: hands every tick on. The least a node that emits can do.
#include <gantry/gantry.h>

// Built twice: the second one (SINGLE) asks for one event a call.
#ifdef SINGLE
#define ID "bench-pass-c-single"
#define FLAGS (GANTRY_PLUGIN_STATELESS | GANTRY_PLUGIN_SINGLE)
#else
#define ID "bench-pass-c"
#define FLAGS GANTRY_PLUGIN_STATELESS
#endif

static int running;  // an instance without state still needs an address

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)plugin, (void)host, (void)node;
  *instance = (gantry_instance *)(void *)&running;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  (void)instance, (void)config;
  return GANTRY_OK;
}

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outputs) {
  (void)instance;
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_tick *from = (const gantry_tick *)(const void *)gantry_event(batch, index);
    gantry_tick *to = gantry_reserve(outputs, 0, index);
    if (!to) return GANTRY_FULL;
    to->bid = from->bid;
    to->ask = from->ask;
    to->bid_size = from->bid_size;
    to->ask_size = from->ask_size;
    gantry_commit(outputs, 0);
  }
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) { (void)instance; }

static const gantry_port inputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};
static const gantry_port outputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};

static const gantry_plugin plugin = {
    .size = sizeof(gantry_plugin),
    .kind = GANTRY_KIND_TRANSFORM,
    .id = GANTRY_LITERAL(ID),
    .version = GANTRY_LITERAL("0.1.0"),
    .summary = GANTRY_LITERAL("hands every tick on"),
    .determinism = GANTRY_DETERMINISM_EXACT,
    .flags = FLAGS,
    .input_count = 1,
    .output_count = 1,
    .inputs = inputs,
    .outputs = outputs,
    .create = create,
    .configure = configure,
    .on_batch = on_batch,
    .destroy = destroy,
};
static const gantry_plugin *const plugins[] = {&plugin};
static const gantry_library library = {
    .size = sizeof(gantry_library),
    .abi_major = GANTRY_ABI_MAJOR,
    .abi_minor = GANTRY_ABI_MINOR,
    .plugin_count = 1,
    .plugins = plugins,
    .built_with = GANTRY_LITERAL("C11"),
};

const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
