// Features whose rows can get wider, and who reads them. A row's first columns depend on nothing but
// the ticks, so that a reader sees what it would have seen of narrow rows.
#include "../LanePlugins/plugins.h"
#include <stdio.h>
#include <time.h>

/// Takes its time, so that a test has few rows to look at.
static void spin(int64_t ns) {
  if (ns <= 0) return;
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do clock_gettime(CLOCK_MONOTONIC, &to);
  while ((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec < ns);
}

#define COLUMNS_MAX 16
// The first parameter is the meter's `fault`, whose state they have.
enum { C_FAULT, C_COLUMNS, C_FIRST, C_SPIN, C_OFFSET };
static const gantry_param column_params[] = {WHOLE("fault", "0"), WHOLE("columns", "2"), WHOLE("first", "0"), WHOLE("spin_ns", "20000"), WHOLE("offset", "0")};
static const gantry_port feature_outputs[] = {PORT(GANTRY_FEATURES, "out", 0)};
static const gantry_port feature_inputs[] = {PORT(GANTRY_FEATURES, "rows", GANTRY_PORT_MANY)};

static gantry_status columns_configure(gantry_instance *s, const gantry_config *config) {
  static char names[COLUMNS_MAX][8];
  gantry_string columns[COLUMNS_MAX];
  configure(s, config);
  for (int64_t i = 0; i < s->param[C_COLUMNS]; i++) {
    snprintf(names[i], sizeof names[i], "c%d", (int)(i + s->param[C_FIRST]));
    columns[i] = text(names[i]);
  }
  return config->set_columns(config, 0, columns, (uint64_t)s->param[C_COLUMNS]);
}

static gantry_status columns_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *tick = (const gantry_tick *)(const void *)gantry_event(batch, i);
    spin(s->param[C_SPIN]);
    s->seen += 1;
    s->state = mix(s->state + bits(tick->bid) + tick->header.instrument);
    gantry_header *row = gantry_reserve(outs, 0, i);
    if (row == NULL) return GANTRY_FULL;
    double *column = (double *)(void *)(row + 1);
    for (int64_t k = 0; k < s->param[C_COLUMNS]; k++) column[k] = whole(mix(s->state + (uint64_t)k)) + (double)s->param[C_OFFSET];
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

// reader: bid is the column that it wants, ask a hash of the first two columns of all rows so far

static const gantry_param reader_params[] = {WHOLE("fault", "0"), WHOLE("wants", "0")};

static gantry_status reader_configure(gantry_instance *s, const gantry_config *config) {
  char name[8];
  configure(s, config);
  int length = snprintf(name, sizeof name, "c%d", (int)s->param[1]);
  const gantry_schema *schema = config->inputs[0].schema;
  for (uint32_t k = 0; k < schema->column_count; k++) {
    if (schema->columns[k].length == (uint64_t)length && memcmp(schema->columns[k].data, name, (size_t)length) == 0) {
      s->time = k;
      return GANTRY_OK;
    }
  }
  return s->host->fail(s->node, GANTRY_INVALID, 0, text("there is no such column"));
}

static gantry_status reader_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  // What a batch says of its rows is so.
  if (batch->schema->stride != batch->stride || batch->stride != sizeof(gantry_header) + 8 * batch->schema->column_count) {
    return s->host->fail(s->node, GANTRY_BUG, 0, text("the schema does not fit the rows"));
  }
  for (uint32_t i = 0; i < batch->count; i++) {
    const double *column = (const double *)(const void *)(gantry_event(batch, i) + 1);
    s->seen += 1;
    s->state = mix(s->state + bits(column[0]) + mix(bits(column[1])));
    if (!put(outs, 0, i, column[s->time], whole(s->state), (double)s->seen, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}

// last-rows: a hash of the first two columns of the last 50 rows; it cannot hand its state over

#define LAST_ROWS 50
struct last_rows {
  gantry_instance base;
  uint64_t last[LAST_ROWS];
};

static gantry_status last_create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  struct last_rows *rows = calloc(1, sizeof *rows);
  rows->base.host = host;
  rows->base.node = node;
  *instance = &rows->base;
  return GANTRY_OK;
}

static gantry_status last_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  struct last_rows *rows = (struct last_rows *)(void *)s;
  for (uint32_t i = 0; i < batch->count; i++) {
    const double *column = (const double *)(const void *)(gantry_event(batch, i) + 1);
    memmove(rows->last, rows->last + 1, sizeof rows->last - sizeof rows->last[0]);
    rows->last[LAST_ROWS - 1] = mix(bits(column[0]) + mix(bits(column[1])));
    uint64_t hash = 0;
    for (int k = 0; k < LAST_ROWS; k++) hash = mix(hash + rows->last[k]);
    if (!put(outs, 0, i, 0, whole(hash), 0, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}
