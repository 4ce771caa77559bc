/// What the lane plugins share: one instance type, whole-number parameters, a hash.
#ifndef LANE_PLUGINS_H
#define LANE_PLUGINS_H

#include <gantry/gantry.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 16

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  int64_t param[PARAMS_MAX];
  uint64_t state;
  uint64_t seen;
  uint64_t calls;
  int64_t time;
};

#define PORT(type_, name_, flags_)                                                      \
  {.size = sizeof(gantry_port), .type = type_, .flags = flags_, .name = GANTRY_LITERAL(name_), \
   .help = GANTRY_LITERAL("a port")}
#define WHOLE(name_, default_)                                                          \
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .name = GANTRY_LITERAL(name_), \
   .default_text = GANTRY_LITERAL(default_), .help = GANTRY_LITERAL("a whole number")}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY(kind_, id_, outputs_, params_)                                              \
  .size = sizeof(gantry_plugin), .kind = kind_, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("1.0.0"), \
  .summary = GANTRY_LITERAL("a plugin of the runtime's tests"), .determinism = GANTRY_DETERMINISM_EXACT, \
  .output_count = COUNT(outputs_), .param_count = COUNT(params_), .outputs = outputs_, .params = params_, \
  .create = create, .destroy = destroy
#define INPUTS(inputs_) .input_count = COUNT(inputs_), .inputs = inputs_
#define PLUGIN(kind_, id_, inputs_, outputs_, params_)                                  \
  BODY(kind_, id_, outputs_, params_), INPUTS(inputs_), .configure = configure

static gantry_status create(const gantry_plugin *self, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)self;
  *instance = calloc(1, sizeof **instance);
  (*instance)->host = host;
  (*instance)->node = node;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *s, const gantry_config *config) {
  for (uint32_t i = 0; i < config->value_count && i < PARAMS_MAX; i++) s->param[i] = config->values[i].integer;
  return GANTRY_OK;
}

static void destroy(gantry_instance *s) { free(s); }

static inline gantry_string text(const char *value) {
  gantry_string string = {value, strlen(value)};
  return string;
}

/// The finaliser of splitmix64.
static inline uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

static inline uint64_t bits(double value) {
  uint64_t result;
  memcpy(&result, &value, 8);
  return result;
}

/// A double that holds 52 bits of a hash exactly.
static inline double whole(uint64_t hash) { return (double)(hash >> 12); }

/// Writes a tick. False when there is no more room.
static inline int put(gantry_outputs *outs, uint32_t port, uint32_t cause, double bid, double ask, double bid_size,
                      double ask_size) {
  gantry_tick *row = gantry_reserve(outs, port, cause);
  if (row == NULL) return 0;
  row->bid = bid;
  row->ask = ask;
  row->bid_size = bid_size;
  row->ask_size = ask_size;
  gantry_commit(outs, port);
  return 1;
}

#endif
