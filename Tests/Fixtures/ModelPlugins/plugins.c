// A model whose artifact says how it behaves. README.md says how.
#include <gantry/gantry.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  double slope;
  int64_t spin_ns;
  int64_t after; ///< rows until the second pair counts; 0 = never
  double next_slope;
  int64_t next_spin_ns;
  uint32_t model;
};

static gantry_string text(const char *value) {
  gantry_string string = {value, strlen(value)};
  return string;
}

static gantry_status create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  *instance = calloc(1, sizeof **instance);
  (*instance)->host = host;
  (*instance)->node = node;
  return GANTRY_OK;
}

static void destroy(gantry_instance *s) { free(s); }

static gantry_status configure(gantry_instance *s, const gantry_config *config) {
  char line[64] = {0};
  gantry_bytes bytes = config->values[0].bytes;
  if (bytes.length >= sizeof line) return s->host->fail(s->node, GANTRY_INVALID, 0, text("the artifact is no line"));
  memcpy(line, bytes.data, bytes.length);
  char *end = NULL;
  s->slope = strtod(line, &end);
  if (end == line) return s->host->fail(s->node, GANTRY_INVALID, 0, text("the artifact does not begin with a number"));
  s->spin_ns = strtoll(end, &end, 10);
  s->after = strtoll(end, &end, 10);
  s->next_slope = strtod(end, &end);
  s->next_spin_ns = strtoll(end, NULL, 10);
  const gantry_model_host *models = s->host->get_extension(s->node, text(GANTRY_EXT_MODEL));
  gantry_model_info info = {.size = sizeof info};
  if (models != NULL && models->describe(s->node, 0, &info) == GANTRY_OK) {
    s->model = s->host->model_ref(s->node, info.name, info.version);
  } else {
    s->model = s->host->model_ref(s->node, text("formula"), text("file"));
  }
  return GANTRY_OK;
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static gantry_status on_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const double *columns = (const double *)(batch->base + (uint64_t)i * batch->stride + sizeof(gantry_header));
    if (s->after > 0 && --s->after == 0) {
      s->slope = s->next_slope;
      s->spin_ns = s->next_spin_ns;
    }
    int64_t until = s->spin_ns > 0 ? now_ns() + s->spin_ns : 0;
    while (s->spin_ns > 0 && now_ns() < until) {
    }
    double value = s->slope * columns[0];
    if (!isfinite(value) && isfinite(columns[0])) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_INVALID, 0, text("the model gives no finite value"));
    }
    gantry_prediction *row = gantry_reserve(outs, 0, i);
    if (row == NULL) return GANTRY_FULL;
    row->value = value;
    row->probability = 0.5;
    row->model = s->model;
    row->label = -1;
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static const gantry_param params[] = {
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_ARTIFACT, .flags = GANTRY_PARAM_REQUIRED, .name = GANTRY_LITERAL("artifact"),
   .help = GANTRY_LITERAL("a line: SLOPE SPIN_NS [AFTER SLOPE SPIN_NS]")}};
static const gantry_port inputs[] = {
  {.size = sizeof(gantry_port), .type = GANTRY_FEATURES, .name = GANTRY_LITERAL("features"), .help = GANTRY_LITERAL("rows")}};
static const gantry_port outputs[] = {
  {.size = sizeof(gantry_port), .type = GANTRY_PREDICTION, .name = GANTRY_LITERAL("predictions"), .help = GANTRY_LITERAL("one for each row")}};
static const gantry_plugin formula = {
  .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_MODEL, .id = GANTRY_LITERAL("formula"), .version = GANTRY_LITERAL("1.0.0"),
  .summary = GANTRY_LITERAL("a model of the tests"), .determinism = GANTRY_DETERMINISM_EXACT, .flags = GANTRY_PLUGIN_STATELESS,
  .input_count = 1, .inputs = inputs, .output_count = 1, .outputs = outputs, .param_count = 1, .params = params,
  .create = create, .destroy = destroy, .configure = configure, .on_batch = on_batch};

// MARK: pool

static gantry_status pool_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  (void)s;
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *tick = (const gantry_tick *)(batch->base + (uint64_t)i * batch->stride);
    gantry_tick *row = gantry_reserve(outs, 0, i);
    if (row == NULL) {
      outs->consumed = i;
      return GANTRY_FULL;
    }
    memcpy((char *)row + sizeof(gantry_header), (const char *)tick + sizeof(gantry_header), sizeof *tick - sizeof(gantry_header));
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static gantry_status pool_configure(gantry_instance *s, const gantry_config *config) {
  (void)s;
  (void)config;
  return GANTRY_OK;
}

static const gantry_port pool_inputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .flags = GANTRY_PORT_MANY,
  .name = GANTRY_LITERAL("feeds"), .help = GANTRY_LITERAL("quotes")}};
static const gantry_port pool_outputs[] = {
  {.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks"), .help = GANTRY_LITERAL("the quotes of all inputs")}};
static const gantry_plugin pool = {
  .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = GANTRY_LITERAL("pool"), .version = GANTRY_LITERAL("1.0.0"),
  .summary = GANTRY_LITERAL("quotes of several sources on one port"), .determinism = GANTRY_DETERMINISM_EXACT, .flags = GANTRY_PLUGIN_STATELESS,
  .input_count = COUNT(pool_inputs), .inputs = pool_inputs, .output_count = 1, .outputs = pool_outputs,
  .create = create, .destroy = destroy, .configure = pool_configure, .on_batch = pool_batch};
static const gantry_plugin *const plugins[] = {&formula, &pool};
static const gantry_library library = {
  .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = COUNT(plugins),
  .plugins = plugins, .built_with = GANTRY_LITERAL("C")};

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
