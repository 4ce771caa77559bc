// The plugins that the tests of swaps exchange. What each emits depends on all it was ever given, so
// that an event lost, doubled or out of order shows in every row after it. README.md lists them.
#include "../LanePlugins/plugins.h"
#include "columns.h"
#include "sources.h"
#include <stdio.h>

enum { M_FAULT, M_AFTER, M_SPIN, M_OFFSET, M_BYTES, M_VALUE, M_MODEL };
enum { CREATE = 1, CONFIGURE, START, LOAD, FAIL, BEHIND, SAVE, STOP, TRAP };
static const gantry_param meter_params[] = {
  WHOLE("fault", "0"), WHOLE("after", "0"), WHOLE("spin_ns", "0"), WHOLE("offset", "0"), WHOLE("bytes", "0"), WHOLE("value", "0"),
  WHOLE("model", "0"),
};
static const gantry_port tick_inputs[] = {PORT(GANTRY_TICK, "ticks", GANTRY_PORT_MANY)};
static const gantry_port tick_outputs[] = {PORT(GANTRY_TICK, "out", 0)};

static int is(gantry_string id, const char *name) { return id.length == strlen(name) && memcmp(id.data, name, id.length) == 0; }

// MARK: meter: one row for each tick: how many there were, a hash of all of them, the number of its `model`

static gantry_status meter_configure(gantry_instance *s, const gantry_config *config) {
  gantry_status status = configure(s, config);
  if (s->param[M_MODEL] > 0) {
    char version[24];
    snprintf(version, sizeof version, "%lld", (long long)s->param[M_MODEL]);
    s->param[M_MODEL] = s->host->model_ref(s->node, text("meter"), text(version));
  }
  if (s->param[M_FAULT] == CONFIGURE) return s->host->fail(s->node, GANTRY_INVALID, 0, text("it does not want to be configured"));
  return status;
}

static gantry_status meter_start(gantry_instance *s) {
  return s->param[M_FAULT] == START ? s->host->fail(s->node, GANTRY_IO, 0, text("it does not want to start")) : GANTRY_OK;
}

static gantry_status meter_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *tick = (const gantry_tick *)(const void *)gantry_event(batch, i);
    spin(s->param[M_SPIN]);
    s->calls += 1;
    // `calls` counts what this instance was given itself; it is not part of the state.
    int isBad = s->param[M_AFTER] > 0 && s->calls > (uint64_t)s->param[M_AFTER];
    s->seen += 1;
    s->state = mix(s->state + bits(tick->bid) + tick->header.instrument);
    if (isBad && s->param[M_FAULT] == TRAP) __builtin_trap();
    if (isBad && s->param[M_FAULT] == FAIL) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_INVALID, 0, text("it has had enough"));
    }
    if (!put(outs, 0, i, (double)s->seen, whole(s->state) + (double)s->param[M_OFFSET], (double)s->param[M_MODEL], 0)) return GANTRY_FULL;
    if (isBad && s->param[M_FAULT] == BEHIND) {
      memset(outs->ports[0].base + (uint64_t)outs->ports[0].capacity * outs->ports[0].stride, 0x55, 8);
    }
  }
  return GANTRY_OK;
}

static uint64_t meter_bound(gantry_instance *s) { return 16 + (uint64_t)s->param[M_BYTES]; }

static gantry_status meter_save(gantry_instance *s, gantry_state_writer *writer) {
  static const uint8_t zeros[4096];
  if (s->param[M_FAULT] == SAVE) return GANTRY_INVALID;
  uint64_t pair[2] = {s->state, s->seen};
  gantry_status status = writer->write(writer, pair, 16);
  for (uint64_t left = (uint64_t)s->param[M_BYTES]; status == GANTRY_OK && left > 0;) {
    uint64_t part = left < sizeof zeros ? left : sizeof zeros;
    status = writer->write(writer, zeros, part);
    left -= part;
  }
  return status;
}

static gantry_status meter_load(gantry_instance *s, uint32_t version, gantry_bytes bytes) {
  if (s->param[M_FAULT] == LOAD) return s->host->fail(s->node, GANTRY_INVALID, 0, text("it does not want that state"));
  if (version != 1) return GANTRY_UNSUPPORTED;
  if (bytes.length < 16) return GANTRY_INVALID;
  memcpy(&s->state, bytes.data, 8);
  memcpy(&s->seen, bytes.data + 8, 8);
  return GANTRY_OK;
}

static const gantry_state meter_state = {
  .size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("meter"), .bound = meter_bound, .save = meter_save, .load = meter_load};

static const void *meter_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, "gantry.state/1") ? &meter_state : NULL;
}

// MARK: meter-two: the same with its state the other way round, as version 2

static gantry_status two_save(gantry_instance *s, gantry_state_writer *writer) {
  uint64_t pair[2] = {s->seen, s->state};
  return writer->write(writer, pair, 16);
}

static gantry_status two_load(gantry_instance *s, uint32_t version, gantry_bytes bytes) {
  if (version != 2) return GANTRY_UNSUPPORTED;
  if (bytes.length != 16) return GANTRY_INVALID;
  memcpy(&s->seen, bytes.data, 8);
  memcpy(&s->state, bytes.data + 8, 8);
  return GANTRY_OK;
}

static const gantry_state two_state = {
  .size = sizeof(gantry_state), .version = 2, .schema = GANTRY_LITERAL("meter"), .bound = meter_bound, .save = two_save, .load = two_load};

static const void *two_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, "gantry.state/1") ? &two_state : NULL;
}

/// Turns the pair round, up and down.
static gantry_status turn(gantry_string from, uint32_t from_version, gantry_bytes bytes, gantry_string to, uint32_t to_version,
                          gantry_state_writer *writer) {
  if (!is(from, "meter") || !is(to, "meter")) return GANTRY_UNSUPPORTED;
  if (from_version + to_version != 3) return GANTRY_UNSUPPORTED;
  if (bytes.length < 16) return GANTRY_INVALID;
  gantry_status status = writer->write(writer, bytes.data + 8, 8);
  return status == GANTRY_OK ? writer->write(writer, bytes.data, 8) : status;
}

static const gantry_state_convert convert_table = {.size = sizeof(gantry_state_convert), .convert = turn};

static const void *convert_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, "gantry.state-convert/1") ? &convert_table : NULL;
}

// MARK: window: a row for each tick: a hash of the last 50 ticks; it cannot hand its state over

#define WINDOW 50
struct window {
  gantry_instance base;
  uint64_t last[WINDOW];
};

static gantry_status window_create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  struct window *window = calloc(1, sizeof *window);
  window->base.host = host;
  window->base.node = node;
  *instance = &window->base;
  return GANTRY_OK;
}

static gantry_status window_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  struct window *window = (struct window *)(void *)s;
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *tick = (const gantry_tick *)(const void *)gantry_event(batch, i);
    memmove(window->last, window->last + 1, sizeof window->last - sizeof window->last[0]);
    window->last[WINDOW - 1] = bits(tick->bid);
    uint64_t hash = 0;
    for (int k = 0; k < WINDOW; k++) hash = mix(hash + window->last[k]);
    if (!put(outs, 0, i, tick->bid, whole(hash), 0, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

// MARK: echo: a row for each tick, which depends on that tick alone

static gantry_status echo_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *tick = (const gantry_tick *)(const void *)gantry_event(batch, i);
    if (!put(outs, 0, i, tick->bid, tick->ask + (double)s->param[M_OFFSET], 0, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

// MARK: clockwork: timers, random numbers and ids, each of which a swap must hand over

static gantry_status clockwork_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_header *header = gantry_event(batch, i);
    s->seen += 1;
    s->state = mix(s->state + (uint64_t)header->event_ns);
    if (s->seen % 7 == 0) s->host->set_timer(s->node, header->event_ns + 25 + (int64_t)(s->host->random(s->node) % 50), s->seen % 5);
    if (!put(outs, 0, i, (double)s->host->next_id(s->node), whole(s->state), (double)s->host->now(s->node), 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

static gantry_status clockwork_timer(gantry_instance *s, const gantry_timer *timer, gantry_outputs *outs) {
  s->state = mix(s->state + timer->tag + (uint64_t)timer->due_ns);
  put(outs, 0, 0, (double)timer->tag, whole(s->state), (double)timer->due_ns, 1);
  return GANTRY_OK;
}

// MARK: outlet: acts on the outside, so only one instance may run at a time

static int outlets;

static gantry_status outlet_start(gantry_instance *s) {
  gantry_status status = meter_start(s);
  if (status != GANTRY_OK) return status;
  if (__atomic_add_fetch(&outlets, 1, __ATOMIC_SEQ_CST) != 1) {
    return s->host->fail(s->node, GANTRY_MISUSE, 0, text("two instances act on the outside at once"));
  }
  return GANTRY_OK;
}

static gantry_status outlet_stop(gantry_instance *s) {
  __atomic_sub_fetch(&outlets, 1, __ATOMIC_SEQ_CST);
  return s->param[M_FAULT] == STOP ? GANTRY_IO : GANTRY_OK;
}

#define METER .configure = meter_configure, .start = meter_start, .on_batch = meter_batch
#define PARTS(id_, params_) \
  .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("1.0.0"), \
  .summary = GANTRY_LITERAL("a plugin of the tests of swaps"), .determinism = GANTRY_DETERMINISM_EXACT, \
  .input_count = 1, .inputs = tick_inputs, .output_count = 1, .outputs = tick_outputs, .param_count = COUNT(params_), .params = params_, \
  .destroy = destroy

static gantry_status refuse(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  (void)instance;
  return host->fail(node, GANTRY_INVALID, 0, text("it does not want to exist"));
}

static const gantry_plugin meter = {PARTS("meter", meter_params), .create = create, METER, .get_extension = meter_extension};
static const gantry_plugin meter_single = {
  PARTS("meter-single", meter_params), .create = create, METER, .get_extension = meter_extension, .flags = GANTRY_PLUGIN_SINGLE};
static const gantry_plugin stillborn = {PARTS("stillborn", meter_params), .create = refuse, METER, .get_extension = meter_extension};
static const gantry_plugin meter_two = {PARTS("meter-two", meter_params), .create = create, METER, .get_extension = two_extension};
static const gantry_plugin meter_convert = {PARTS("meter-convert", meter_params), .create = create, METER, .get_extension = convert_extension};
static const gantry_plugin window = {PARTS("window", meter_params), .create = window_create, .configure = configure, .on_batch = window_batch};
static const gantry_plugin clockwork = {
  PARTS("clockwork", meter_params), .create = create, .configure = configure, .on_batch = clockwork_batch, .on_timer = clockwork_timer,
  .get_extension = meter_extension, .flags = GANTRY_PLUGIN_TIMERS};
static const gantry_plugin echo = {
  PARTS("echo", meter_params), .create = create, .configure = configure, .on_batch = echo_batch, .flags = GANTRY_PLUGIN_STATELESS};
static const gantry_plugin echo_single = {
  PARTS("echo-single", meter_params), .create = create, .configure = configure, .on_batch = echo_batch,
  .flags = GANTRY_PLUGIN_STATELESS | GANTRY_PLUGIN_SINGLE};
static const gantry_plugin outlet = {
  PARTS("outlet", meter_params), .create = create, .configure = meter_configure, .start = outlet_start, .stop = outlet_stop,
  .on_batch = meter_batch, .get_extension = meter_extension, .effects = GANTRY_EFFECTS_EXTERNAL};

// MARK: columns.h

#define SHAPE(id_, inputs_, outputs_, params_) \
  .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("1.0.0"), \
  .summary = GANTRY_LITERAL("a plugin of the tests of swaps"), .determinism = GANTRY_DETERMINISM_EXACT, \
  .input_count = 1, .inputs = inputs_, .output_count = 1, .outputs = outputs_, .param_count = COUNT(params_), .params = params_, \
  .destroy = destroy
#define COLUMNS .create = create, .configure = columns_configure, .on_batch = columns_batch, .get_extension = meter_extension

static const gantry_plugin columns = {SHAPE("columns", tick_inputs, feature_outputs, column_params), COLUMNS};
static const gantry_plugin columns_single = {
  SHAPE("columns-single", tick_inputs, feature_outputs, column_params), COLUMNS, .flags = GANTRY_PLUGIN_SINGLE};
static const gantry_plugin columns_outlet = {
  SHAPE("columns-outlet", tick_inputs, feature_outputs, column_params), COLUMNS, .effects = GANTRY_EFFECTS_EXTERNAL};
static const gantry_plugin reader = {
  SHAPE("reader", feature_inputs, tick_outputs, reader_params), .create = create, .configure = reader_configure, .on_batch = reader_batch,
  .get_extension = meter_extension};
static const gantry_plugin last_rows = {
  SHAPE("last-rows", feature_inputs, tick_outputs, reader_params), .create = last_create, .configure = configure, .on_batch = last_batch};

// MARK: sources.h

#define SOURCE_EXTENSION(name_, table_, id_)                                             \
  static const void *name_(const gantry_plugin *self, gantry_string id) {               \
    (void)self;                                                                         \
    return is(id, id_) ? (const void *)&table_ : is(id, "gantry.state/1") ? (const void *)&source_state : NULL; \
  }
SOURCE_EXTENSION(tape_extension, tape_table, "gantry.pull/1")
SOURCE_EXTENSION(tape_fresh_extension, fresh_table, "gantry.pull/1")
SOURCE_EXTENSION(line_extension, line_table, "gantry.feed/1")
#define SOURCE(id_) BODY(GANTRY_KIND_SOURCE, id_, source_outputs, source_params), .configure = configure, .start = source_start

static const gantry_plugin tape = {SOURCE("tape"), .get_extension = tape_extension};
static const gantry_plugin tape_fresh = {SOURCE("tape-fresh"), .get_extension = tape_fresh_extension};
static const gantry_plugin line = {SOURCE("line"), .get_extension = line_extension, .effects = GANTRY_EFFECTS_EXTERNAL};

static const gantry_plugin *const plugins[] = {
  &meter, &meter_single, &stillborn, &meter_two, &meter_convert, &window, &clockwork, &outlet,
  &columns, &columns_single, &columns_outlet, &reader, &last_rows, &echo, &echo_single, &tape, &tape_fresh, &line};
static const gantry_library library = {
  .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = COUNT(plugins),
  .plugins = plugins, .built_with = GANTRY_LITERAL("C")};

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
