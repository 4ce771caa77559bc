// A broker outside, for the tests of the durable edge. README.md says what its exchange is.
#include <fcntl.h>
#include <gantry/gantry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 4096

struct gantry_instance {
  const gantry_host *host;
  gantry_node *node;
  char path[1024];
  int64_t fill_one_in;
  pthread_t thread;
  int is_running;
  pthread_mutex_t mutex;
  pthread_cond_t bell;
  // Under the mutex: orders on their way to the exchange, what it has taken, and whether to end.
  gantry_order sent[ROOM];
  uint64_t sent_count, taken_count, told_count;
  int ends;
};

enum { P_PATH, P_FILL, P_BUILD };
static const gantry_param params[] = {
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_PATH, .flags = GANTRY_PARAM_REQUIRED, .name = GANTRY_LITERAL("exchange"),
   .help = GANTRY_LITERAL("the exchange's folder")},
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .name = GANTRY_LITERAL("fill_one_in"), .default_text = GANTRY_LITERAL("1"),
   .help = GANTRY_LITERAL("orders whose id is a multiple of it are filled, others work; 0 = none is filled")},
  {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .name = GANTRY_LITERAL("build"), .default_text = GANTRY_LITERAL("0"),
   .help = GANTRY_LITERAL("does nothing; another value makes another instance")},
};
#define PORT(type_, name_, flags_) \
  {.size = sizeof(gantry_port), .type = type_, .flags = flags_, .name = GANTRY_LITERAL(name_), .help = GANTRY_LITERAL("a port")}
static const gantry_port inputs[] = {PORT(GANTRY_TICK, "ticks", GANTRY_PORT_OPTIONAL | GANTRY_PORT_MANY), PORT(GANTRY_ORDER, "orders", GANTRY_PORT_MANY)};
static const gantry_port outputs[] = {PORT(GANTRY_EXECUTION, "executions", 0), PORT(GANTRY_ACCOUNT, "account", 0)};

static int is(gantry_string id, const char *name) { return id.length == strlen(name) && memcmp(id.data, name, id.length) == 0; }
static gantry_string text(const char *value) { return (gantry_string){value, strlen(value)}; }

static gantry_status create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  gantry_instance *s = calloc(1, sizeof *s);
  s->host = host;
  s->node = node;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_cond_init(&s->bell, NULL);
  *instance = s;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *s, const gantry_config *config) {
  gantry_string path = config->values[P_PATH].text;
  if (path.length >= sizeof s->path - 16) return GANTRY_INVALID;
  memcpy(s->path, path.data, path.length);
  s->fill_one_in = config->values[P_FILL].integer;
  return GANTRY_OK;
}

// MARK: the exchange

static void file_of(gantry_instance *s, const char *name, char *out, size_t room) { snprintf(out, room, "%s/%s", s->path, name); }

static int fills(gantry_instance *s, uint64_t id) { return s->fill_one_in > 0 && id % (uint64_t)s->fill_one_in == 0; }

/// One line, whole or not at all: from here on the exchange has the order.
static void deliver(gantry_instance *s, const gantry_order *order) {
  char path[1200], line[128];
  file_of(s, "seen", path, sizeof path);
  int length = snprintf(line, sizeof line, "%llu %u %u %lld %u\n", (unsigned long long)order->order_id, order->action, order->side,
                        (long long)order->quantity, order->header.instrument);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line, (size_t)length) != length) abort();
  close(fd);
}

static void *work(void *argument) {
  gantry_instance *s = argument;
  pthread_mutex_lock(&s->mutex);
  while (!s->ends || s->taken_count < s->sent_count) {
    if (s->taken_count == s->sent_count) {
      pthread_cond_wait(&s->bell, &s->mutex);
      continue;
    }
    gantry_order order = s->sent[s->taken_count % ROOM];
    pthread_mutex_unlock(&s->mutex);
    deliver(s, &order);
    pthread_mutex_lock(&s->mutex);
    s->taken_count += 1;
  }
  pthread_mutex_unlock(&s->mutex);
  return NULL;
}

// MARK: the instance

static gantry_status start(gantry_instance *s) {
  s->is_running = pthread_create(&s->thread, NULL, work, s) == 0;
  return s->is_running ? s->host->set_timer(s->node, s->host->now(s->node) + 1000000, 1) : GANTRY_IO;
}

static gantry_status stop(gantry_instance *s) {
  pthread_mutex_lock(&s->mutex);
  s->ends = 1;
  pthread_cond_signal(&s->bell);
  pthread_mutex_unlock(&s->mutex);
  if (s->is_running) pthread_join(s->thread, NULL);
  s->is_running = 0;
  return GANTRY_OK;
}

static void destroy(gantry_instance *s) { free(s); }

static gantry_status on_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  (void)outs;
  if (batch->port != 1) return GANTRY_OK;
  pthread_mutex_lock(&s->mutex);
  for (uint32_t i = 0; i < batch->count && s->sent_count - s->told_count < ROOM; i++) {
    s->sent[s->sent_count++ % ROOM] = *(const gantry_order *)(const void *)gantry_event(batch, i);
  }
  pthread_cond_signal(&s->bell);
  pthread_mutex_unlock(&s->mutex);
  return GANTRY_OK;
}

static gantry_execution *execution(gantry_outputs *outs, uint32_t kind, uint32_t instrument, uint64_t id, uint32_t side) {
  gantry_execution *row = gantry_reserve(outs, 0, 0);
  if (row == NULL) return NULL;
  memset((char *)row + sizeof(gantry_header), 0, sizeof *row - sizeof(gantry_header));
  row->header.instrument = instrument;
  row->order_id = id;
  row->kind = (uint8_t)kind;
  row->side = (uint8_t)side;
  return row;
}

/// ACCEPTED, and the fill when there is one.
static int report(gantry_instance *s, gantry_outputs *outs, uint64_t id, uint32_t side, int64_t quantity, uint32_t instrument) {
  gantry_execution *row = execution(outs, GANTRY_EXEC_ACCEPTED, instrument, id, side);
  if (row == NULL) return 0;
  row->leaves = quantity;
  gantry_commit(outs, 0);
  if (!fills(s, id)) return 1;
  row = execution(outs, GANTRY_EXEC_FILL, instrument, id, side);
  if (row == NULL) return 0;
  row->execution_id = id;
  row->quantity = quantity;
  row->cumulative = quantity;
  row->price = 110000;
  gantry_commit(outs, 0);
  return 1;
}

static gantry_status on_timer(gantry_instance *s, const gantry_timer *timer, gantry_outputs *outs) {
  (void)timer;
  pthread_mutex_lock(&s->mutex);
  for (; s->told_count < s->taken_count; s->told_count++) {
    const gantry_order *order = &s->sent[s->told_count % ROOM];
    if (!report(s, outs, order->order_id, order->side, order->quantity, order->header.instrument)) break;
  }
  pthread_mutex_unlock(&s->mutex);
  return s->host->set_timer(s->node, s->host->now(s->node) + 1000000, 1);
}

static gantry_status reconcile(gantry_instance *s, const gantry_open_orders *open, gantry_outputs *outs) {
  char path[1200], line[128];
  file_of(s, "asked", path, sizeof path);
  FILE *asked = fopen(path, "ae");
  if (asked == NULL) return GANTRY_IO;
  fprintf(asked, "%llu", (unsigned long long)open->count);
  for (uint64_t i = 0; i < open->count; i++) fprintf(asked, " %llu", (unsigned long long)open->orders[i].order_id);
  fprintf(asked, "\n");
  fclose(asked);
  file_of(s, "silent", path, sizeof path);
  if (access(path, F_OK) == 0) return s->host->fail(s->node, GANTRY_TIMEOUT, 1, text("the exchange does not answer"));
  file_of(s, "mute", path, sizeof path);
  int is_mute = access(path, F_OK) == 0;

  for (uint64_t i = 0; i < open->count && !is_mute; i++) {
    const gantry_order *order = &open->orders[i];
    file_of(s, "seen", path, sizeof path);
    FILE *seen = fopen(path, "re");
    int is_there = 0;
    while (seen != NULL && fgets(line, sizeof line, seen) != NULL) is_there |= strtoull(line, NULL, 10) == order->order_id;
    if (seen != NULL) fclose(seen);
    if (is_there) {
      if (!report(s, outs, order->order_id, order->side, order->quantity, order->header.instrument)) return GANTRY_FULL;
      continue;
    }
    gantry_execution *row = execution(outs, GANTRY_EXEC_REJECTED, order->header.instrument, order->order_id, order->side);
    if (row == NULL) return GANTRY_FULL;
    row->reason = GANTRY_REASON_UNKNOWN_ORDER;
    gantry_commit(outs, 0);
  }
  // The position that all fills together make.
  file_of(s, "seen", path, sizeof path);
  FILE *seen = fopen(path, "re");
  long long position = 0;
  while (seen != NULL && fgets(line, sizeof line, seen) != NULL) {
    unsigned long long id;
    unsigned action, side, instrument;
    long long quantity;
    if (sscanf(line, "%llu %u %u %lld %u", &id, &action, &side, &quantity, &instrument) == 5 && fills(s, id)) {
      position += side == GANTRY_BUY ? quantity : 0 - quantity;
    }
  }
  if (seen != NULL) fclose(seen);
  if (position != 0) {
    gantry_execution *row = execution(outs, GANTRY_EXEC_POSITION, 1, 0, position > 0 ? GANTRY_BUY : GANTRY_SELL);
    if (row == NULL) return GANTRY_FULL;
    row->position = position;
    row->price = 110000;
    gantry_commit(outs, 0);
  }
  return GANTRY_OK;
}

static const gantry_reconcile reconcile_table = {.size = sizeof(gantry_reconcile), .reconcile = reconcile};

static const void *extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, GANTRY_EXT_RECONCILE) ? &reconcile_table : NULL;
}

#define BROKER(id_, extension_)                                                                               \
  {.size = sizeof(gantry_plugin), .kind = GANTRY_KIND_BROKER, .id = GANTRY_LITERAL(id_), .version = GANTRY_LITERAL("1.0.0"), \
   .summary = GANTRY_LITERAL("a broker outside, of the tests"), .effects = GANTRY_EFFECTS_EXTERNAL,           \
   .determinism = GANTRY_DETERMINISM_NONE, .flags = GANTRY_PLUGIN_TIMERS, .input_count = 2, .output_count = 2, .param_count = 3, \
   .inputs = inputs, .outputs = outputs, .params = params, .create = create, .configure = configure, .start = start, \
   .on_batch = on_batch, .on_timer = on_timer, .stop = stop, .destroy = destroy, .get_extension = extension_}
static const gantry_plugin outpost = BROKER("outpost", extension);
static const gantry_plugin outpost_dumb = BROKER("outpost-dumb", NULL);

static const gantry_plugin *const plugins[] = {&outpost, &outpost_dumb};
static const gantry_library library = {
  .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = 2,
  .plugins = plugins, .built_with = GANTRY_LITERAL("C")};

GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
