/// bench-clock, bench-risk, bench-broker and bench-broker-here: from an order's emit to the broker's on_batch.
///
/// The clock emits a tick every `interval_ns` of real time; the risk node answers each with `burst` orders that
/// carry the time of their emit; the broker keeps how long each took and writes that to `path` when it stops.
/// bench-broker acts on the outside, so the edge into it is durable; bench-broker-here is the same and does not.
#include <gantry/gantry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  int64_t first, second;
  char *path;
  uint64_t seen;
  int64_t due_ns;
  int64_t *kept;
};

#define KEPT 1000000

static int64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000 + now.tv_nsec;
}

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)plugin;
  gantry_instance *self = calloc(1, sizeof *self);
  if (!self) return GANTRY_FULL;
  self->host = host;
  self->node = node;
  *instance = self;
  return GANTRY_OK;
}

static void destroy(gantry_instance *self) {
  free(self->path);
  free(self->kept);
  free(self);
}

static gantry_status configure_numbers(gantry_instance *self, const gantry_config *config) {
  self->first = config->values[0].integer;
  self->second = config->value_count > 1 ? config->values[1].integer : 0;
  return GANTRY_OK;
}

static gantry_status configure_broker(gantry_instance *self, const gantry_config *config) {
  self->path = strndup(config->values[0].text.data, config->values[0].text.length);
  self->kept = calloc(KEPT, sizeof *self->kept);
  return self->path && self->kept ? GANTRY_OK : GANTRY_FULL;
}

static gantry_status pull(gantry_instance *self, uint32_t max, gantry_outputs *outputs) {
  (void)max;
  if (self->seen == (uint64_t)self->first) return GANTRY_END;
  int64_t now = clock_ns();
  if (self->due_ns == 0) self->due_ns = now;
  self->due_ns += self->second;
  if (self->due_ns > now) {
    struct timespec rest = {(self->due_ns - now) / 1000000000, (self->due_ns - now) % 1000000000};
    nanosleep(&rest, NULL);
  }
  self->seen += 1;
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  gantry_tick *tick = gantry_reserve(outputs, 0, 0);
  if (!tick) return GANTRY_FULL;
  tick->header.event_ns = wall.tv_sec * 1000000000 + wall.tv_nsec;
  tick->header.instrument = 1;
  tick->bid = 1.1;
  tick->ask = 1.10002;
  tick->bid_size = tick->ask_size = 1000000;
  gantry_commit(outputs, 0);
  return GANTRY_OK;
}

static const gantry_pull pull_table = {.size = sizeof(gantry_pull), .pull = pull};

static const void *clock_extension(const gantry_plugin *plugin, gantry_string id) {
  (void)plugin;
  return id.length == strlen(GANTRY_EXT_PULL) && memcmp(id.data, GANTRY_EXT_PULL, id.length) == 0 ? &pull_table : NULL;
}

static gantry_status risk_batch(gantry_instance *self, const gantry_batch *batch, gantry_outputs *outputs) {
  for (uint32_t index = 0; index < batch->count; index++) {
    for (int64_t count = 0; count < self->first; count++) {
      gantry_order *order = gantry_reserve(outputs, 0, index);
      if (!order) return GANTRY_FULL;
      memset((char *)order + sizeof(gantry_header), 0, sizeof *order - sizeof(gantry_header));
      order->order_id = self->host->next_id(self->node);
      order->quantity = 1;
      order->action = GANTRY_ORDER_NEW;
      order->side = GANTRY_BUY;
      order->order_type = GANTRY_ORDER_MARKET;
      order->time_in_force = GANTRY_GTC;
      order->expire_ns = clock_ns();
      gantry_commit(outputs, 0);
    }
  }
  return GANTRY_OK;
}

static gantry_status broker_batch(gantry_instance *self, const gantry_batch *batch, gantry_outputs *outputs) {
  int64_t now = clock_ns();
  for (uint32_t index = 0; index < batch->count; index++) {
    const gantry_order *order = (const gantry_order *)(const void *)gantry_event(batch, index);
    if (self->seen < KEPT) self->kept[self->seen++] = now - order->expire_ns;
    // It is done at once, or too many orders would be open.
    gantry_execution *told = gantry_reserve(outputs, 0, index);
    if (!told) return GANTRY_FULL;
    memset((char *)told + sizeof(gantry_header), 0, sizeof *told - sizeof(gantry_header));
    told->order_id = order->order_id;
    told->kind = GANTRY_EXEC_CANCELLED;
    gantry_commit(outputs, 0);
  }
  return GANTRY_OK;
}

static gantry_status broker_stop(gantry_instance *self) {
  FILE *file = fopen(self->path, "wbe");
  if (!file) return GANTRY_IO;
  fwrite(self->kept, sizeof *self->kept, self->seen, file);
  return fclose(file) == 0 ? GANTRY_OK : GANTRY_IO;
}

#define PORT(type_, name_) {.size = sizeof(gantry_port), .type = type_, .name = GANTRY_LITERAL(name_), .help = GANTRY_LITERAL("a port")}
#define PARAM(type_, name_) \
  {.size = sizeof(gantry_param), .type = type_, .flags = GANTRY_PARAM_REQUIRED, .name = GANTRY_LITERAL(name_), .help = GANTRY_LITERAL("a parameter")}

static const gantry_port ticks[] = {PORT(GANTRY_TICK, "ticks")};
static const gantry_port orders[] = {PORT(GANTRY_ORDER, "orders")};
static const gantry_port executions[] = {PORT(GANTRY_EXECUTION, "executions")};
static const gantry_param clock_params[] = {PARAM(GANTRY_PARAM_INTEGER, "count"), PARAM(GANTRY_PARAM_INTEGER, "interval_ns")};
static const gantry_param risk_params[] = {PARAM(GANTRY_PARAM_INTEGER, "burst")};
static const gantry_param broker_params[] = {PARAM(GANTRY_PARAM_TEXT, "path")};

#define BODY(kind_, id_, summary_)                                                                       \
  .size = sizeof(gantry_plugin), .kind = kind_, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("0.1.0"), \
  .summary = GANTRY_LITERAL(summary_), .determinism = GANTRY_DETERMINISM_NONE, .create = create, .destroy = destroy
#define BROKER(id_, effects_)                                                                            \
  {BODY(GANTRY_KIND_BROKER, id_, "keeps how long orders took"), .effects = effects_, .input_count = 1, .inputs = orders, .output_count = 1, \
   .outputs = executions, .param_count = 1, .params = broker_params, .configure = configure_broker, .on_batch = broker_batch, .stop = broker_stop}

static const gantry_plugin clock_plugin = {
    BODY(GANTRY_KIND_SOURCE, "bench-clock", "a tick every now and then"), .output_count = 1, .outputs = ticks, .param_count = 2,
    .params = clock_params, .configure = configure_numbers, .get_extension = clock_extension};
static const gantry_plugin risk = {
    BODY(GANTRY_KIND_RISK, "bench-risk", "orders for every tick"), .input_count = 1, .inputs = ticks, .output_count = 1,
    .outputs = orders, .param_count = 1, .params = risk_params, .configure = configure_numbers, .on_batch = risk_batch};
static const gantry_plugin outside = BROKER("bench-broker", GANTRY_EFFECTS_EXTERNAL);
static const gantry_plugin here = BROKER("bench-broker-here", GANTRY_EFFECTS_NONE);

static const gantry_plugin *const plugins[] = {&clock_plugin, &risk, &outside, &here};
static const gantry_library library = {
    .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = 4,
    .plugins = plugins, .built_with = GANTRY_LITERAL("C")};

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
