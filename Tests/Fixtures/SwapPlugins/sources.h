// Sources that can say how far they have read: another instance goes on behind the last event. A tick's bid
// is its number, its ask the parameter `mark` of the instance that gave it.
#include "../LanePlugins/plugins.h"
#include <time.h>

enum { S_FAULT, S_COUNT, S_CHUNK, S_MARK, S_PAUSE };
static const gantry_param source_params[] = {
  WHOLE("fault", "0"), WHOLE("count", "0"), WHOLE("chunk", "1"), WHOLE("mark", "0"), WHOLE("pause_us", "0"),
};
static const gantry_port source_outputs[] = {PORT(GANTRY_TICK, "ticks", 0)};

static gantry_status source_start(gantry_instance *s) {
  return s->param[S_FAULT] == 3 ? s->host->fail(s->node, GANTRY_IO, 0, text("it does not want to start")) : GANTRY_OK;
}

static uint64_t source_bound(gantry_instance *s) {
  (void)s;
  return 8;
}
static gantry_status source_save(gantry_instance *s, gantry_state_writer *writer) { return writer->write(writer, &s->seen, 8); }
static gantry_status source_load(gantry_instance *s, uint32_t version, gantry_bytes bytes) {
  if (version != 1) return GANTRY_UNSUPPORTED;
  if (bytes.length != 8) return GANTRY_INVALID;
  memcpy(&s->seen, bytes.data, 8);
  return GANTRY_OK;
}
static const gantry_state source_state = {
  .size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("tape"), .bound = source_bound, .save = source_save, .load = source_load};

static void source_tick(gantry_instance *s, gantry_tick *tick, uint64_t number) {
  tick->header.event_ns = (int64_t)(1000 + 10 * number);
  tick->header.instrument = 1;
  tick->bid = (double)number;
  tick->ask = (double)s->param[S_MARK];
  tick->bid_size = 1;
  tick->ask_size = 1;
}

// tape: pulled; it remembers which row comes next

static gantry_status tape_pull(gantry_instance *s, uint32_t max, gantry_outputs *outs) {
  for (uint32_t written = 0; written < max; written++) {
    if (s->param[S_COUNT] > 0 && s->seen == (uint64_t)s->param[S_COUNT]) return GANTRY_END;
    gantry_tick *row = gantry_reserve(outs, 0, 0);
    if (row == NULL) return GANTRY_FULL;
    source_tick(s, row, ++s->seen);
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static gantry_status tape_cursor(gantry_instance *s, uint64_t *hash, uint64_t *row) {
  *hash = 77;
  *row = s->seen;
  return GANTRY_OK;
}

static const gantry_pull tape_table = {.size = sizeof(gantry_pull), .pull = tape_pull, .cursor = tape_cursor};
static const gantry_pull fresh_table = {.size = sizeof(gantry_pull), .pull = tape_pull};

// line: a feed; it counts what it was told is taken

static gantry_status line_run(gantry_instance *s, gantry_feed *feed) {
  gantry_status status = GANTRY_OK;
  uint32_t chunk = (uint32_t)s->param[S_CHUNK];
  gantry_tick *ticks = calloc(chunk, sizeof *ticks);
  while (status == GANTRY_OK) {
    for (uint32_t i = 0; i < chunk; i++) source_tick(s, ticks + i, s->seen + i + 1);
    status = feed->emit(feed, 0, ticks, chunk, (gantry_bytes){0});
    if (status == GANTRY_OK) s->seen += chunk;
    if (status == GANTRY_OK && s->param[S_PAUSE] > 0) {
      struct timespec now;
      clock_gettime(CLOCK_REALTIME, &now);
      status = feed->wait(feed, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + s->param[S_PAUSE] * 1000);
    }
  }
  free(ticks);
  return status;
}

static const gantry_feed_source line_table = {.size = sizeof(gantry_feed_source), .run = line_run};
