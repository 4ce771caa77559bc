// Nodes of feedback loops that take runs of events, and twins of them that do not.

// MARK: seldom: a row or two for one in `one_in` ticks, by a hash of all it was given; what comes back changes the hash

enum { S_ONE_IN, S_SEED, S_FAIL_ONE_IN, S_DEAF };
static const gantry_param seldom_params[] = {WHOLE("one_in", "20"), WHOLE("seed", "1"), WHOLE("fail_one_in", "0"), WHOLE("deaf", "0")};
static const gantry_port seldom_inputs[] = {PORT(GANTRY_TICK, "in", 0), PORT(GANTRY_TICK, "back", GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY)};
static const gantry_port seldom_outputs[] = {PORT(GANTRY_TICK, "out", 0)};

static gantry_status seldom_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    uint64_t fail = (uint64_t)s->param[S_FAIL_ONE_IN];
    if (batch->port == 0 && fail > 0 && mix(bits(in->bid) + 77) % fail == 0) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_INVALID, 0, text("told to fail"));
    }
    s->state = mix(s->state + bits(in->bid) + batch->port * 7 + (uint64_t)s->param[S_SEED]);
    if (batch->port == 1 || (s->state >> 20) % (uint64_t)s->param[S_ONE_IN] != 0) continue;
    for (uint64_t row = 0; row <= (s->state & 1); row++) {
      if (!put(outs, 0, i, whole(s->state), in->bid, (double)row, 0)) return GANTRY_FULL;
    }
    if (gantry_until_output(batch) && !s->param[S_DEAF]) {
      outs->consumed = i + 1;
      return GANTRY_OK;
    }
  }
  return GANTRY_OK;
}

static const gantry_plugin seldom = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "seldom", seldom_inputs, seldom_outputs, seldom_params), .on_batch = seldom_batch};
static const gantry_plugin seldom_stops = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "seldom-stops", seldom_inputs, seldom_outputs, seldom_params), .on_batch = seldom_batch,
  .flags = GANTRY_PLUGIN_STOPS};

// MARK: hush: remembers ticks and answers asks; after one in `wakes` asks it answers the next tick too

enum { H_WAKES, H_SEED, H_FAIL_ONE_IN, H_LIES };
static const gantry_param hush_params[] = {WHOLE("wakes", "3"), WHOLE("seed", "1"), WHOLE("fail_one_in", "0"), WHOLE("lies", "0")};
static const gantry_port hush_inputs[] = {PORT(GANTRY_TICK, "ticks", 0), PORT(GANTRY_TICK, "asks", GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY)};

static gantry_status hush_handle(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    uint64_t fail = (uint64_t)s->param[H_FAIL_ONE_IN];
    if (batch->port == 0 && fail > 0 && mix(bits(in->bid) + 99) % fail == 0) {
      outs->consumed = i;
      return s->host->fail(s->node, GANTRY_INVALID, 0, text("told to fail"));
    }
    s->state = mix(s->state + bits(in->bid) + bits(in->ask) * 3 + batch->port + (uint64_t)s->param[H_SEED]);
    int isAwake = s->seen != 0;
    s->seen = batch->port == 1 && (s->state >> 20) % (uint64_t)s->param[H_WAKES] == 0;
    int answers = batch->port == 1 || isAwake || (s->param[H_LIES] > 0 && in->header.chain % (uint64_t)s->param[H_LIES] == 0);
    if (answers && !put(outs, 0, i, whole(s->state), in->bid, batch->port, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

static gantry_status hush_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  gantry_status status = hush_handle(s, batch, outs);
  gantry_set_idle(outs, s->seen ? 0 : 1);
  return status;
}

static const gantry_plugin hush = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "hush", hush_inputs, seldom_outputs, hush_params), .on_batch = hush_batch};
static const gantry_plugin hush_loud = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "hush-loud", hush_inputs, seldom_outputs, hush_params), .on_batch = hush_handle};
