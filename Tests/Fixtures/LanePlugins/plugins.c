// The plugins that the runtime's tests chain. What each emits depends on all it was given, in that
// order, so that any difference in delivery shows in its outputs. README.md lists them.
#include "plugins.h"
#include <pthread.h>
#include <unistd.h>

// MARK: beat: a source of ticks whose bid is their number

enum { B_COUNT, B_START, B_STEP, B_JITTER, B_SEED, B_CHUNK, B_ENDING, B_FAULT, B_AT, B_PRICE, B_IDLE, B_INSTRUMENTS };
static const gantry_param beat_params[] = {
  WHOLE("count", "100"), WHOLE("start", "1000"), WHOLE("step", "10"), WHOLE("jitter", "0"), WHOLE("seed", "1"),
  WHOLE("chunk", "0"), WHOLE("ending", "0"), WHOLE("fault", "0"), WHOLE("at", "-1"), WHOLE("price", "0"),
  WHOLE("idle", "0"), WHOLE("instruments", "1"),
};
static const gantry_port beat_outputs[] = {PORT(GANTRY_TICK, "ticks", 0), PORT(GANTRY_TICK, "more", 0), PORT(GANTRY_ALERT, "texts", 0)};

static gantry_status beat_end(gantry_instance *s, uint32_t written) {
  switch (s->param[B_ENDING]) {
  case 1: return written > 0 ? GANTRY_OK : GANTRY_END;
  case 2: return s->host->fail(s->node, GANTRY_IO, 0, text("the tape broke"));
  case 3: return GANTRY_IO;
  case 4: return 77;
  default: return GANTRY_END;
  }
}

static void beat_fault(gantry_instance *s, gantry_outputs *outs) {
  switch (s->param[B_FAULT]) {
  case 1: put(outs, 1, 0, 0, 0, 0, 0); break;
  case 3: while (outs->ports[0].count <= outs->ports[0].capacity) outs->ports[0].count += 1; break;
  case 4: memset(outs->ports[0].base + (uint64_t)outs->ports[0].capacity * outs->ports[0].stride, 0x55, 8); break;
  case 5: outs->ports[0].arena_count = outs->ports[0].arena_capacity + 1; break;
  }
}

static gantry_status beat_pull(gantry_instance *s, uint32_t max, gantry_outputs *outs) {
  if (s->param[B_IDLE] > 0 && ++s->calls % (uint64_t)s->param[B_IDLE] == 0) return GANTRY_AGAIN;
  uint32_t limit = s->param[B_CHUNK] > 0 && s->param[B_CHUNK] < max ? (uint32_t)s->param[B_CHUNK] : max;
  uint32_t written = 0;
  while (written < limit && s->seen < (uint64_t)s->param[B_COUNT]) {
    uint64_t number = s->seen++;
    uint64_t hash = mix((uint64_t)s->param[B_SEED] * 0x9E3779B97F4A7C15u + number);
    s->time += number == 0 ? s->param[B_START] : s->param[B_STEP];
    if (s->param[B_JITTER] > 0) s->time += (int64_t)(hash % (uint64_t)(s->param[B_JITTER] + 1));
    int isFault = (int64_t)number == s->param[B_AT];
    if (isFault && s->param[B_FAULT] == 2) s->time -= 1000000;
    double bid = (double)(number + 1);
    double ask = bid + 1;
    if (s->param[B_PRICE] > 0) {
      bid = (double)(s->param[B_PRICE] + (int64_t)(mix(hash) % 200)) / 100000;
      ask = bid + 0.00003;
    }
    gantry_tick *row = gantry_reserve(outs, 0, 0);
    if (row == NULL) return GANTRY_FULL;
    row->header.event_ns = s->time;
    row->header.instrument = 1 + (uint32_t)(number % (uint64_t)s->param[B_INSTRUMENTS]);
    row->bid = bid;
    row->ask = ask;
    row->bid_size = 1000000;
    row->ask_size = 1000000;
    gantry_commit(outs, 0);
    written += 1;
    if (isFault) {
      beat_fault(s, outs);
      return GANTRY_OK;
    }
  }
  return s->seen == (uint64_t)s->param[B_COUNT] ? beat_end(s, written) : GANTRY_OK;
}

static gantry_status beat_cursor(gantry_instance *s, uint64_t *hash, uint64_t *row) {
  *hash = 1;
  for (int i = 0; i < PARAMS_MAX; i++) *hash = mix(*hash + (uint64_t)s->param[i]);
  *row = s->seen;
  return GANTRY_OK;
}

static const gantry_pull beat_table = {.size = sizeof(gantry_pull), .pull = beat_pull, .cursor = beat_cursor};
static const gantry_pull fresh_table = {.size = sizeof(gantry_pull), .pull = beat_pull};

static int is(gantry_string id, const char *name) { return id.length == strlen(name) && memcmp(id.data, name, id.length) == 0; }

static const void *beat_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, GANTRY_EXT_PULL) ? &beat_table : NULL;
}

static const void *fresh_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, GANTRY_EXT_PULL) ? &fresh_table : NULL;
}

static const gantry_plugin beat = {
  BODY(GANTRY_KIND_SOURCE, "beat", beat_outputs, beat_params), .configure = configure, .get_extension = beat_extension};
static const gantry_plugin beat_fresh = {
  BODY(GANTRY_KIND_SOURCE, "beat-fresh", beat_outputs, beat_params), .configure = configure, .get_extension = fresh_extension};

#include "feeder.h"
#include "runs.h"

// MARK: fan: rows_min to rows_max rows for each tick, from a hash of all it has been given; fails where told to

enum { F_MIN, F_MAX, F_SEED, F_FAIL_ONE_IN, F_FAIL_FROM, F_FAIL_TO, F_TAKE, F_LOG, F_FLUSH };
static const gantry_param fan_params[] = {
  WHOLE("rows_min", "0"), WHOLE("rows_max", "3"), WHOLE("seed", "1"), WHOLE("fail_one_in", "0"), WHOLE("fail_from", "0"),
  WHOLE("fail_to", "0"), WHOLE("take", "0"), WHOLE("log", "0"), WHOLE("flush", "0"),
};
static const gantry_port fan_inputs[] = {PORT(GANTRY_TICK, "in", GANTRY_PORT_MANY)};
static const gantry_port fan_outputs[] = {PORT(GANTRY_TICK, "out", 0)};

/// By the chain's number in [fail_from, fail_to), and by a hash of the tick.
static int must_fail(gantry_instance *s, const gantry_tick *in) {
  int64_t chain = (int64_t)in->header.chain;
  if (chain >= s->param[F_FAIL_FROM] && chain < s->param[F_FAIL_TO]) return 1;
  int64_t one_in = s->param[F_FAIL_ONE_IN];
  return one_in > 0 && mix(bits(in->bid) + (uint64_t)s->param[F_SEED]) % (uint64_t)one_in == 0;
}

static gantry_status fan_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    if (s->param[F_TAKE] > 0 && i == (uint32_t)s->param[F_TAKE]) {
      outs->consumed = i;
      return GANTRY_AGAIN;
    }
    if (s->param[F_LOG]) s->host->log(s->node, GANTRY_LOG_INFO, text("called"));
    if (must_fail(s, in)) {
      put(outs, 0, i, -1, -1, -1, -1);
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_INVALID, 0, text("told to fail"));
    }
    s->state = mix(s->state + bits(in->bid) + bits(in->ask) * 3 + batch->edge * 7 + (uint64_t)s->param[F_SEED]);
    int64_t rows = s->param[F_MIN] + (int64_t)(s->state % (uint64_t)(s->param[F_MAX] - s->param[F_MIN] + 1));
    for (int64_t r = 0; r < rows; r++) {
      if (!put(outs, 0, i, whole(mix(s->state + (uint64_t)r)), in->bid, batch->edge, (double)r)) return GANTRY_FULL;
    }
  }
  return GANTRY_OK;
}

static gantry_status fan_flush(gantry_instance *s, gantry_outputs *outs) {
  for (int64_t r = 0; r < s->param[F_FLUSH]; r++) put(outs, 0, 0, whole(mix(s->state + (uint64_t)r)), -2, 0, (double)r);
  return GANTRY_OK;
}

static const gantry_plugin fan = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "fan", fan_inputs, fan_outputs, fan_params), .on_batch = fan_batch, .flush = fan_flush};
static const gantry_plugin fan_single = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "fan-single", fan_inputs, fan_outputs, fan_params), .on_batch = fan_batch, .flush = fan_flush,
  .flags = GANTRY_PLUGIN_SINGLE};

// MARK: trail: one tick for each event it is given: chain, port and edge, type, first payload word

static const gantry_param trail_params[] = {WHOLE("log", "0")};
static const gantry_port trail_inputs[] = {PORT(GANTRY_ANY, "in", GANTRY_PORT_MANY | GANTRY_PORT_OPTIONAL)};
static const gantry_port trail_outputs[] = {PORT(GANTRY_TICK, "out", 0)};

static gantry_status trail_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    double first = batch->type == GANTRY_TICK || batch->type == GANTRY_PREDICTION ? in->bid : (double)(bits(in->bid) >> 12);
    if (s->param[0]) s->host->log(s->node, GANTRY_LOG_INFO, text("called"));
    if (!put(outs, 0, i, (double)in->header.chain, batch->edge, batch->type, first)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

static const gantry_plugin trail = {PLUGIN(GANTRY_KIND_TRANSFORM, "trail", trail_inputs, trail_outputs, trail_params), .on_batch = trail_batch};
static const gantry_plugin trail_single = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "trail-single", trail_inputs, trail_outputs, trail_params), .on_batch = trail_batch, .flags = GANTRY_PLUGIN_SINGLE};

// MARK: echo: `copies` rows of `depth` for each tick; each row that comes back is answered by one of depth - 1

enum { E_DEPTH, E_COPIES };
static const gantry_param echo_params[] = {WHOLE("depth", "2"), WHOLE("copies", "2")};
static const gantry_port echo_inputs[] = {PORT(GANTRY_TICK, "in", 0), PORT(GANTRY_TICK, "back", GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY)};

static gantry_status echo_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    if (batch->port == 0) {
      for (int64_t copy = 0; copy < s->param[E_COPIES]; copy++)
        if (!put(outs, 0, i, (double)copy, (double)s->param[E_DEPTH], 0, 0)) return GANTRY_FULL;
    } else if (in->ask > 0) {
      double copy = in->bid, depth = in->ask;
      if (!put(outs, 0, i, copy, depth - 1, 1, 0)) return GANTRY_FULL;
    }
  }
  return GANTRY_OK;
}

static const gantry_plugin echo = {PLUGIN(GANTRY_KIND_TRANSFORM, "echo", echo_inputs, fan_outputs, echo_params), .on_batch = echo_batch};

// MARK: decider: orders from a hash of the ticks, and from fills

enum { D_ONE_IN, D_ANSWERS, D_SEED, D_ACTION, D_FLAGS, D_MARKET, D_OFFSET };
static const gantry_param decider_params[] = {
  WHOLE("one_in", "4"), WHOLE("answers", "0"), WHOLE("seed", "1"), WHOLE("action", "1"), WHOLE("flags", "0"),
  WHOLE("market", "0"), WHOLE("offset", "0"),
};
static const gantry_port decider_inputs[] = {
  PORT(GANTRY_TICK, "in", GANTRY_PORT_MANY), PORT(GANTRY_EXECUTION, "fills", GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY)};
static const gantry_port decider_outputs[] = {PORT(GANTRY_ORDER, "orders", 0), PORT(GANTRY_TICK, "heard", 0)};

static int order(gantry_instance *s, gantry_outputs *outs, uint32_t cause, double price, uint64_t hash) {
  gantry_order *row = gantry_reserve(outs, 0, cause);
  if (row == NULL) return 0;
  memset((char *)row + sizeof(gantry_header), 0, sizeof *row - sizeof(gantry_header));
  row->order_id = s->host->next_id(s->node);
  row->action = (uint8_t)s->param[D_ACTION];
  row->flags = (uint32_t)s->param[D_FLAGS];
  row->side = hash & 1 ? GANTRY_BUY : GANTRY_SELL;
  row->quantity = 1000;
  int isLimit = !s->param[D_MARKET] && (hash & 6) != 0;
  row->order_type = isLimit ? GANTRY_ORDER_LIMIT : GANTRY_ORDER_MARKET;
  row->time_in_force = GANTRY_GTC;
  if (isLimit) row->price = (int64_t)(price * 100000 + 0.5) + (int64_t)(hash >> 8 & 31) - 16;
  gantry_commit(outs, 0);
  return 1;
}

static gantry_status decider_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    if (batch->port == 0) {
      const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
      s->state = mix(s->state + bits(in->bid) + (uint64_t)s->param[D_SEED] + batch->edge);
      if ((s->state >> 20) % (uint64_t)s->param[D_ONE_IN] == 0 && !order(s, outs, i, in->bid, s->state)) return GANTRY_FULL;
    } else {
      const gantry_execution *in = (const gantry_execution *)gantry_event(batch, i);
      s->state = mix(s->state + in->order_id + in->kind);
      put(outs, 1, i, (double)in->order_id, in->kind, in->reason, (double)in->order_chain);
      int isAnswered = in->kind == GANTRY_EXEC_FILL && s->param[D_ANSWERS] > 0 && (s->state >> 20) % 3 == 0;
      if (isAnswered && !order(s, outs, i, (double)in->price / 100000, s->state)) return GANTRY_FULL;
    }
  }
  return GANTRY_OK;
}

static const gantry_plugin decider = {
  PLUGIN(GANTRY_KIND_DECISION, "decider", decider_inputs, decider_outputs, decider_params), .on_batch = decider_batch};

// MARK: guard: a risk node that hands orders on, and fails where told to

static const gantry_port guard_inputs[] = {
  PORT(GANTRY_ORDER, "orders", GANTRY_PORT_MANY), PORT(GANTRY_TICK, "ticks", GANTRY_PORT_OPTIONAL)};
static const gantry_port guard_outputs[] = {PORT(GANTRY_ORDER, "orders", 0)};
static const gantry_param guard_params[] = {WHOLE("fail_from", "0"), WHOLE("fail_to", "0")};

static gantry_status guard_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_order *in = (const gantry_order *)gantry_event(batch, i);
    int64_t chain = (int64_t)in->header.chain;
    if (chain >= s->param[0] && chain < s->param[1]) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_BUG, 0, text("the guard is ill"));
    }
    if (batch->port == 1) continue;
    gantry_order *row = gantry_reserve(outs, 0, i);
    if (row == NULL) return GANTRY_FULL;
    memcpy((char *)row + sizeof(gantry_header), (const char *)in + sizeof(gantry_header), sizeof *row - sizeof(gantry_header));
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static const gantry_plugin guard = {PLUGIN(GANTRY_KIND_RISK, "guard", guard_inputs, guard_outputs, guard_params), .on_batch = guard_batch};

// MARK: alarm: sets timers; a row for each that fires: tag, due, now, 1, and one for each tick

enum { A_DELAY, A_EVERY, A_REPEAT, A_FIRST, A_CANCEL };
static const gantry_param alarm_params[] = {
  WHOLE("delay", "5"), WHOLE("every", "1"), WHOLE("repeat", "0"), WHOLE("first", "0"), WHOLE("cancel", "0"),
};

static gantry_status alarm_start(gantry_instance *s) {
  return s->param[A_FIRST] > 0 ? s->host->set_timer(s->node, s->param[A_FIRST], 999999) : GANTRY_OK;
}

static gantry_status alarm_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    s->seen += 1;
    s->state = mix(s->state + bits(in->bid));
    if (!put(outs, 0, i, 0, in->bid, (double)s->host->now(s->node), whole(s->state))) return GANTRY_FULL;
    if (s->seen % (uint64_t)s->param[A_EVERY] == 0) {
      gantry_status status = s->host->set_timer(s->node, in->header.receive_ns + s->param[A_DELAY], s->seen);
      if (status != GANTRY_OK) {
        outs->consumed = i;
        return s->host->fail(s->node, status, 0, text("no timer"));
      }
      if (s->param[A_CANCEL] > 0 && s->seen % (uint64_t)s->param[A_CANCEL] == 0) s->host->cancel_timer(s->node, s->seen);
    }
  }
  return GANTRY_OK;
}

static gantry_status alarm_timer(gantry_instance *s, const gantry_timer *timer, gantry_outputs *outs) {
  s->state = mix(s->state + timer->tag);
  if (!put(outs, 0, 0, (double)timer->tag, (double)timer->due_ns, (double)s->host->now(s->node), whole(s->state))) return GANTRY_FULL;
  if (timer->tag < 1000000 && s->param[A_REPEAT] > 0)
    s->host->set_timer(s->node, timer->due_ns + s->param[A_REPEAT], timer->tag + 1000000);
  if (s->param[A_REPEAT] < 0) s->host->set_timer(s->node, timer->due_ns, timer->tag);
  return GANTRY_OK;
}

static const gantry_plugin alarm_plugin = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "alarm", fan_inputs, fan_outputs, alarm_params), .on_batch = alarm_batch, .on_timer = alarm_timer,
  .start = alarm_start, .flags = GANTRY_PLUGIN_TIMERS};

// MARK: texts: an alert for each tick; `wild` puts its text where there is none

static const gantry_param texts_params[] = {WHOLE("wild", "0"), WHOLE("longest", "40")};
static const gantry_port texts_outputs[] = {PORT(GANTRY_ALERT, "out", 0)};

static gantry_status texts_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    uint32_t length = 1 + (uint32_t)(mix(bits(in->bid)) % (uint64_t)s->param[1]);
    uint64_t offset = 0;
    uint8_t *bytes = gantry_reserve_bytes(outs, 0, length, &offset);
    if (bytes == NULL) return GANTRY_FULL;
    for (uint32_t b = 0; b < length; b++) bytes[b] = (uint8_t)('a' + (in->header.chain + b) % 26);
    gantry_alert *row = gantry_reserve(outs, 0, i);
    if (row == NULL) return GANTRY_FULL;
    row->offset = s->param[0] == 1 ? UINT64_MAX - 3 : offset;
    row->length = s->param[0] == 2 ? UINT32_MAX : length;
    row->code = (uint32_t)in->header.chain;
    row->severity = GANTRY_LOG_INFO;
    row->reserved = 0;
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static const gantry_plugin texts = {PLUGIN(GANTRY_KIND_TRANSFORM, "texts", fan_inputs, texts_outputs, texts_params), .on_batch = texts_batch};

// MARK: reader: hashes the texts it is given into ticks

static const gantry_port reader_inputs[] = {PORT(GANTRY_ALERT, "in", GANTRY_PORT_MANY)};

static gantry_status reader_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_alert *in = (const gantry_alert *)gantry_event(batch, i);
    int isInside = in->offset <= batch->arena.length && in->length <= batch->arena.length - in->offset;
    uint64_t hash = in->code;
    for (uint32_t b = 0; isInside && b < in->length; b++) hash = mix(hash + batch->arena.data[in->offset + b]);
    s->state = mix(s->state + hash);
    if (!put(outs, 0, i, whole(hash), isInside ? (double)in->length : -1, batch->edge, whole(s->state))) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

static const gantry_plugin reader = {PLUGIN(GANTRY_KIND_TRANSFORM, "reader", reader_inputs, fan_outputs, trail_params), .on_batch = reader_batch};

#include "faults.h"

// MARK: keeper: counts the ticks it is given: count, bid, the live `scale`, its own number (0 when `plain`); fails a change where told to

enum { K_SCALE, K_REFUSE, K_TIMER, K_LABEL, K_STRICT, K_PLAIN };
enum { K_CREATE = 1, K_CONFIGURE, K_START, K_LOAD, K_SAVE, K_LIVE };
#define LIVE_WHOLE(name_, default_)                                                     \
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .flags = GANTRY_PARAM_LIVE, .name = GANTRY_LITERAL(name_), \
   .default_text = GANTRY_LITERAL(default_), .help = GANTRY_LITERAL("a whole number")}
static const gantry_param keeper_params[] = {LIVE_WHOLE("scale", "1"), WHOLE("refuse", "0"), WHOLE("timer", "0"), WHOLE("label", "0"), WHOLE("strict", "0"),
  WHOLE("plain", "0")};
static _Atomic uint64_t keepers_made;
static _Atomic int64_t keepers_alive;

static gantry_status keeper_answer(gantry_instance *s, int64_t call) {
  return s->param[K_REFUSE] == call ? s->host->fail(s->node, GANTRY_INVALID, 0, text("told to refuse")) : GANTRY_OK;
}
static gantry_status keeper_create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  gantry_status status = create(self, host, node, instance);
  (*instance)->calls = ++keepers_made;
  keepers_alive += 1;
  return status;
}
static void keeper_destroy(gantry_instance *s) {
  keepers_alive -= 1;
  destroy(s);
}
static gantry_status keeper_configure(gantry_instance *s, const gantry_config *config) {
  gantry_status status = configure(s, config);
  return status == GANTRY_OK ? keeper_answer(s, K_CONFIGURE) : status;
}
static gantry_status keeper_start(gantry_instance *s) { return keeper_answer(s, K_START); }
static gantry_status keeper_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    s->seen += 1;
    if (s->param[K_STRICT] && in->bid != (double)s->seen) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_BUG, 0, text("an event is missing or came twice"));
    }
    if (!put(outs, 0, i, (double)s->seen, in->bid, (double)s->param[K_SCALE], s->param[K_PLAIN] ? 0 : (double)s->calls)) return GANTRY_FULL;
    if (s->param[K_TIMER] > 0 && s->seen % 10 == 0) s->host->set_timer(s->node, in->header.event_ns + s->param[K_TIMER], s->seen);
  }
  return GANTRY_OK;
}
static gantry_status keeper_timer(gantry_instance *s, const gantry_timer *timer, gantry_outputs *outs) {
  put(outs, 0, 0, (double)s->seen, -(double)timer->tag, (double)s->param[K_SCALE], s->param[K_PLAIN] ? 0 : (double)s->calls);
  return GANTRY_OK;
}
static uint64_t keeper_bound(gantry_instance *s) {
  (void)s;
  return 8;
}
static gantry_status keeper_save(gantry_instance *s, gantry_state_writer *writer) {
  gantry_status status = keeper_answer(s, K_SAVE);
  return status == GANTRY_OK ? writer->write(writer, &s->seen, 8) : status;
}
static gantry_status keeper_load(gantry_instance *s, uint32_t version, gantry_bytes bytes) {
  if (version != 1 || bytes.length != 8) return GANTRY_UNSUPPORTED;
  memcpy(&s->seen, bytes.data, 8);
  return keeper_answer(s, K_LOAD);
}
static gantry_status keeper_live(gantry_instance *s, const gantry_value *values, uint32_t count) {
  if (count <= K_SCALE || values[K_SCALE].integer < 0) return s->host->fail(s->node, GANTRY_INVALID, 0, text("a negative scale"));
  s->param[K_SCALE] = values[K_SCALE].integer;
  return GANTRY_OK;
}
static const gantry_state keeper_state = {
  .size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("keeper"), .bound = keeper_bound, .save = keeper_save, .load = keeper_load};
static const gantry_params_live keeper_live_table = {.size = sizeof(gantry_params_live), .apply = keeper_live};
static const void *keeper_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  if (is(id, GANTRY_EXT_STATE)) return &keeper_state;
  return is(id, GANTRY_EXT_PARAMS_LIVE) ? &keeper_live_table : NULL;
}

#define KEEPER(id_, flags_, effects_, ...)                                                          \
  {.size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("1.0.0"),  \
   .summary = GANTRY_LITERAL("a plugin of the runtime's tests"), .determinism = GANTRY_DETERMINISM_EXACT,       \
   .output_count = COUNT(fan_outputs), .param_count = COUNT(keeper_params), .outputs = fan_outputs, .params = keeper_params, \
   INPUTS(fan_inputs), .create = keeper_create, .destroy = keeper_destroy, .configure = keeper_configure, .start = keeper_start, \
   .on_batch = keeper_batch, .on_timer = keeper_timer, .get_extension = keeper_extension, .flags = flags_, .effects = effects_}
static const gantry_plugin keeper = KEEPER("keeper", 0, GANTRY_EFFECTS_NONE);
static const gantry_plugin keeper_single = KEEPER("keeper-single", GANTRY_PLUGIN_SINGLE | GANTRY_PLUGIN_TIMERS, GANTRY_EFFECTS_NONE);
static const gantry_plugin keeper_external = KEEPER("keeper-external", GANTRY_PLUGIN_SINGLE, GANTRY_EFFECTS_EXTERNAL);

/// How many instances of all keepers there are.
GANTRY_EXPORT int64_t keepers(void) { return keepers_alive; }

static const gantry_plugin *const plugins[] = {
  &keeper, &keeper_single, &keeper_external,
  &beat, &beat_fresh, &fan, &fan_single, &trail, &trail_single, &echo, &seldom, &seldom_stops, &hush, &hush_loud, &decider, &guard, &alarm_plugin, &texts, &reader, &stray,
  &idler, &idler_single, &ill, &feeder,
};
static const gantry_library library = {
  .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = COUNT(plugins),
  .plugins = plugins, .built_with = GANTRY_LITERAL("C")};

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
