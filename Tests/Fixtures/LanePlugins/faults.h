// Nodes that break the contract or fail where told to. Included by plugins.c, whose helpers they use.

// MARK: stray: what the host answers to [lane] calls from a thread of the plugin's own

struct answers { gantry_instance *s; gantry_status set, cancel; uint64_t random, id; };

static void *stray_work(void *context) {
  struct answers *a = context;
  a->set = a->s->host->set_timer(a->s->node, 1, 1);
  a->cancel = a->s->host->cancel_timer(a->s->node, 1);
  a->random = a->s->host->random(a->s->node);
  a->id = a->s->host->next_id(a->s->node);
  return NULL;
}

static gantry_status stray_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    struct answers a = {.s = s};
    pthread_t thread;
    if (pthread_create(&thread, NULL, stray_work, &a) == 0) pthread_join(thread, NULL);
    if (!put(outs, 0, i, a.set, a.cancel, (double)a.random, (double)a.id)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

static const gantry_plugin stray = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "stray", fan_inputs, fan_outputs, trail_params), .on_batch = stray_batch, .on_timer = alarm_timer,
  .flags = GANTRY_PLUGIN_TIMERS};

// MARK: idler: makes no progress; `status` says how

static const gantry_param idler_params[] = {WHOLE("status", "0"), WHOLE("consumed", "0")};

static gantry_status idler_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  (void)batch;
  outs->consumed = (uint32_t)s->param[1];
  return (gantry_status)s->param[0];
}

static const gantry_plugin idler = {PLUGIN(GANTRY_KIND_TRANSFORM, "idler", fan_inputs, fan_outputs, idler_params), .on_batch = idler_batch};
static const gantry_plugin idler_single = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "idler-single", fan_inputs, fan_outputs, idler_params), .on_batch = idler_batch, .flags = GANTRY_PLUGIN_SINGLE};

// MARK: ill: fails in one of its calls

enum { I_CREATE = 1, I_CONFIGURE, I_START, I_STOP, I_FLUSH, I_TRAP_CONFIGURE, I_TRAP_BATCH, I_HANG_BATCH };
static const gantry_param ill_params[] = {WHOLE("in", "0")};

static gantry_status ill_answer(gantry_instance *s, int64_t call) {
  return s->param[0] == call ? s->host->fail(s->node, GANTRY_IO, 0, text("it is ill")) : GANTRY_OK;
}
static gantry_status ill_configure(gantry_instance *s, const gantry_config *config) {
  gantry_status status = configure(s, config);
  if (s->param[0] == I_TRAP_CONFIGURE) __builtin_trap();
  return status == GANTRY_OK ? ill_answer(s, I_CONFIGURE) : status;
}
static gantry_status ill_start(gantry_instance *s) { return ill_answer(s, I_START); }
static gantry_status ill_stop(gantry_instance *s) { return ill_answer(s, I_STOP); }
static gantry_status ill_flush(gantry_instance *s, gantry_outputs *outs) {
  (void)outs;
  return ill_answer(s, I_FLUSH);
}
static gantry_status ill_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  if (s->param[0] == I_TRAP_BATCH) __builtin_trap();
  if (s->param[0] == I_HANG_BATCH) {
    s->host->log(s->node, GANTRY_LOG_WARNING, text("it hangs"));
    for (;;) pause();
  }
  return trail_batch(s, batch, outs);
}

static const gantry_plugin ill = {
  BODY(GANTRY_KIND_TRANSFORM, "ill", fan_outputs, ill_params), INPUTS(fan_inputs), .configure = ill_configure, .on_batch = ill_batch,
  .start = ill_start, .stop = ill_stop, .flush = ill_flush};
