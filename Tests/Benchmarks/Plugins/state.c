/// bench-state and bench-tail: hand every tick on and remember the last ones. Built once with a state that
/// can be handed over (STATE) and once without, each in two versions (VERSION) that are other bytes.
#include <gantry/gantry.h>
#include <stdlib.h>
#include <string.h>

#ifdef STATE
#define ID "bench-state"
#else
#define ID "bench-tail"
#endif

typedef struct memory {
  uint64_t count;
  uint64_t *words;
  uint64_t place;
} memory;

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)plugin, (void)host, (void)node;
  memory *self = calloc(1, sizeof *self);
  if (!self) return GANTRY_FULL;
  *instance = (gantry_instance *)self;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  memory *self = (memory *)instance;
  self->count = (uint64_t)config->values[0].integer / sizeof *self->words;
  self->words = malloc(self->count * sizeof *self->words);
  if (!self->words) return GANTRY_FULL;
  memset(self->words, 1, self->count * sizeof *self->words);  // every page of it is there
  return GANTRY_OK;
}

static gantry_status on_batch(gantry_instance *instance, const gantry_batch *batch, gantry_outputs *outputs) {
  memory *self = (memory *)instance;
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_tick *from = (const gantry_tick *)(const void *)gantry_event(batch, index);
    gantry_tick *to = gantry_reserve(outputs, 0, index);
    if (!to) return GANTRY_FULL;
    to->bid = from->bid;
    to->ask = from->ask;
    to->bid_size = from->bid_size;
    to->ask_size = from->ask_size;
    self->words[self->place] = from->header.chain;
    self->place = self->place + 1 == self->count ? 0 : self->place + 1;
    gantry_commit(outputs, 0);
  }
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) {
  memory *self = (memory *)instance;
  free(self->words);
  free(self);
}

#ifdef STATE
static uint64_t bound(gantry_instance *instance) {
  const memory *self = (const memory *)instance;
  return (self->count + 1) * sizeof *self->words;
}

static gantry_status save(gantry_instance *instance, gantry_state_writer *writer) {
  const memory *self = (const memory *)instance;
  gantry_status status = writer->write(writer, &self->place, sizeof self->place);
  return status == GANTRY_OK ? writer->write(writer, self->words, self->count * sizeof *self->words) : status;
}

static gantry_status load(gantry_instance *instance, uint32_t version, gantry_bytes bytes) {
  memory *self = (memory *)instance;
  (void)version;
  if (bytes.length != bound(instance)) return GANTRY_INVALID;
  memcpy(&self->place, bytes.data, sizeof self->place);
  memcpy(self->words, bytes.data + sizeof self->place, bytes.length - sizeof self->place);
  return self->place < self->count ? GANTRY_OK : GANTRY_INVALID;
}

static const gantry_state state = {
    .size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("bench-state"), .bound = bound, .save = save, .load = load};

static const void *get_extension(const gantry_plugin *plugin, gantry_string id) {
  (void)plugin;
  return id.length == strlen(GANTRY_EXT_STATE) && memcmp(id.data, GANTRY_EXT_STATE, id.length) == 0 ? &state : NULL;
}
#endif

static const gantry_port inputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};
static const gantry_port outputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};
static const gantry_param params[] = {
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .flags = GANTRY_PARAM_HAS_MIN, .minimum = 16,
     .name = GANTRY_LITERAL("bytes"), .default_text = GANTRY_LITERAL("1024"), .help = GANTRY_LITERAL("how much it remembers")},
};

static const gantry_plugin plugin = {
    .size = sizeof(gantry_plugin),
    .kind = GANTRY_KIND_TRANSFORM,
    .id = GANTRY_LITERAL(ID),
    .version = GANTRY_LITERAL(VERSION),
    .summary = GANTRY_LITERAL("hands every tick on and remembers the last ones"),
    .determinism = GANTRY_DETERMINISM_EXACT,
    .input_count = 1,
    .output_count = 1,
    .param_count = 1,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .create = create,
    .configure = configure,
    .on_batch = on_batch,
    .destroy = destroy,
#ifdef STATE
    .get_extension = get_extension,
#endif
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
