// feeder: a source with a thread of its own (gantry.feed/1). Included by plugins.c, whose helpers it uses.
#ifndef LANE_FEEDER_H
#define LANE_FEEDER_H

#include <stdio.h>

enum { FE_COUNT, FE_CHUNK, FE_FOREIGN, FE_WAITS, FE_ENDING, FE_BAD_PORT };
static const gantry_param feeder_params[] = {
  WHOLE("count", "100"), WHOLE("chunk", "1"), WHOLE("foreign", "0"), WHOLE("waits", "0"), WHOLE("ending", "0"), WHOLE("bad_port", "0"),
};
static const gantry_port feeder_outputs[] = {PORT(GANTRY_TICK, "ticks", 0)};

#define FEEDER_CHUNK_MAX 1000

static void feeder_say(gantry_instance *s, const char *what, gantry_status status) {
  char line[64];
  snprintf(line, sizeof line, "%s %d", what, (int)status);
  s->host->log(s->node, GANTRY_LOG_INFO, text(line));
}

/// Hands over the next ticks, whose bid is their number.
static gantry_status feeder_emit(gantry_instance *s, gantry_feed *feed, uint32_t port, uint64_t count) {
  gantry_tick *ticks = calloc(count, sizeof *ticks);
  for (uint64_t i = 0; i < count; i++) {
    ticks[i].header.event_ns = (int64_t)(s->seen + i + 1);
    ticks[i].header.instrument = 1;
    ticks[i].bid = (double)(s->seen + i + 1);
    ticks[i].ask = ticks[i].bid + 1;
  }
  gantry_status status = feed->emit(feed, port, ticks, (uint32_t)count, (gantry_bytes){0});
  free(ticks);
  if (status == GANTRY_OK) s->seen += count;
  return status;
}

struct feeder_call { gantry_instance *s; gantry_feed *feed; gantry_status answer; };

static void *feeder_foreign(void *context) {
  struct feeder_call *call = context;
  call->answer = feeder_emit(call->s, call->feed, 0, 1);
  return NULL;
}

/// Emits from a thread that is not the feed's.
static gantry_status feeder_elsewhere(gantry_instance *s, gantry_feed *feed) {
  struct feeder_call call = {.s = s, .feed = feed};
  pthread_t thread;
  if (pthread_create(&thread, NULL, feeder_foreign, &call) == 0) pthread_join(thread, NULL);
  return call.answer;
}

static gantry_status feeder_run(gantry_instance *s, gantry_feed *feed) {
  s->state = (uint64_t)(uintptr_t)feed;
  if (s->param[FE_FOREIGN]) feeder_say(s, "elsewhere", feeder_elsewhere(s, feed));
  if (s->param[FE_BAD_PORT]) feeder_say(s, "bad port", feeder_emit(s, feed, 7, 1));
  gantry_status status = GANTRY_OK;
  while (status == GANTRY_OK && (s->param[FE_COUNT] == 0 || s->seen < (uint64_t)s->param[FE_COUNT])) {
    uint64_t left = s->param[FE_COUNT] == 0 ? FEEDER_CHUNK_MAX : (uint64_t)s->param[FE_COUNT] - s->seen;
    uint64_t chunk = (uint64_t)s->param[FE_CHUNK];
    status = feeder_emit(s, feed, 0, chunk < left ? chunk : left);
  }
  if (status == GANTRY_OK && s->param[FE_WAITS]) status = feed->wait(feed, INT64_MAX);
  if (status != GANTRY_OK) {
    feeder_say(s, "told", status);
    feeder_say(s, "emit after", feeder_emit(s, feed, 0, 1));
    feeder_say(s, "wait after", feed->wait(feed, 0));
    return status;
  }
  switch (s->param[FE_ENDING]) {
  case 1: return s->host->fail(s->node, GANTRY_IO, 0, text("the line is dead"));
  case 2: return s->calls++ == 0 ? s->host->fail(s->node, GANTRY_IO, 1, text("the line is busy")) : GANTRY_END;
  default: return GANTRY_END;
  }
}

static gantry_status feeder_stop(gantry_instance *s) {
  gantry_feed *feed = (gantry_feed *)(uintptr_t)s->state;
  if (feed == NULL) return GANTRY_OK;
  feeder_say(s, "emit in stop", feeder_emit(s, feed, 0, 1));
  feeder_say(s, "elsewhere in stop", feeder_elsewhere(s, feed));
  return GANTRY_OK;
}

static const gantry_feed_source feeder_table = {.size = sizeof(gantry_feed_source), .run = feeder_run};

static const void *feeder_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, GANTRY_EXT_FEED) ? &feeder_table : NULL;
}

static const gantry_plugin feeder = {
  BODY(GANTRY_KIND_SOURCE, "feeder", feeder_outputs, feeder_params), .configure = configure, .stop = feeder_stop,
  .get_extension = feeder_extension};

#endif
