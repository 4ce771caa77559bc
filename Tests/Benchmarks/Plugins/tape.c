/// bench-tape: hands out quotes that lie in memory. The file of rows is mapped and touched in start, so
/// that pulling costs a copy of each row and nothing else.
#include <fcntl.h>
#include <gantry/gantry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/// A row of the tape's file, in the machine's byte order.
typedef struct quote {
  int64_t ns;
  double bid;
  double ask;
  uint64_t reserved;
} quote;

typedef struct tape {
  const gantry_host *host;
  gantry_node *node;
  char *path;
  uint32_t instrument;
  uint64_t limit;
  uint64_t rounds_left;
  int64_t shift_ns;
  uint32_t is_paced;
  uint32_t rests;
  void *memory;
  uint64_t bytes;
  const quote *rows;
  uint64_t count;
  uint64_t next;
} tape;

static gantry_status failed(tape *self, gantry_status status, const char *text) {
  return self->host->fail(self->node, status, 0, (gantry_string){text, strlen(text)});
}

static gantry_status create(const gantry_plugin *plugin, const gantry_host *host, gantry_node *node,
                            gantry_instance **instance) {
  (void)plugin;
  tape *self = calloc(1, sizeof *self);
  if (!self) return host->fail(node, GANTRY_FULL, 1, (gantry_string)GANTRY_LITERAL("out of memory"));
  self->host = host;
  self->node = node;
  *instance = (gantry_instance *)self;
  return GANTRY_OK;
}

static gantry_status configure(gantry_instance *instance, const gantry_config *config) {
  tape *self = (tape *)instance;
  const gantry_value *values = config->values;
  self->path = strndup(values[0].text.data, values[0].text.length);
  self->instrument = (uint32_t)values[1].integer;
  self->limit = (uint64_t)values[2].integer;
  self->rounds_left = (uint64_t)values[3].integer;
  self->is_paced = values[4].integer != 0;
  return GANTRY_OK;
}

static gantry_status start(gantry_instance *instance) {
  tape *self = (tape *)instance;
  int file = open(self->path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (file < 0 || fstat(file, &info) != 0) return failed(self, GANTRY_IO, "the tape's file cannot be opened");
  uint64_t bytes = (uint64_t)info.st_size;
  void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  close(file);
  if (memory == MAP_FAILED) return failed(self, GANTRY_IO, "the tape's file cannot be mapped");
  self->memory = memory;
  self->bytes = bytes;
  self->rows = memory;
  self->count = bytes / sizeof(quote);
  if (self->limit != 0 && self->limit < self->count) self->count = self->limit;
  return GANTRY_OK;
}

static void destroy(gantry_instance *instance) {
  tape *self = (tape *)instance;
  if (self->memory) munmap(self->memory, self->bytes);
  free(self->path);
  free(self);
}

static gantry_status pull(gantry_instance *instance, uint32_t max, gantry_outputs *outputs) {
  tape *self = (tape *)instance;
  // Paced: every other pull has nothing yet, and the host's reader comes back a little later.
  if (self->is_paced && (self->rests ^= 1)) return GANTRY_AGAIN;
  uint64_t left = self->count - self->next;
  uint32_t count = left < max ? (uint32_t)left : max;
  for (uint32_t index = 0; index < count; index++) {
    const quote *row = self->rows + self->next + index;
    gantry_tick *tick = gantry_reserve(outputs, 0, 0);
    if (!tick) return GANTRY_FULL;
    tick->header.event_ns = row->ns + self->shift_ns;
    tick->header.instrument = self->instrument;
    tick->bid = row->bid;
    tick->ask = row->ask;
    tick->bid_size = 0;
    tick->ask_size = 0;
    gantry_commit(outputs, 0);
  }
  self->next += count;
  if (self->next < self->count) return GANTRY_OK;
  if (--self->rounds_left == 0) return GANTRY_END;
  // Once more from the start, a second later.
  self->shift_ns += self->rows[self->count - 1].ns - self->rows[0].ns + 1000000000;
  self->next = 0;
  return GANTRY_OK;
}

/// The tape is not changed while it is run: its rows need not be journaled.
static gantry_status cursor(gantry_instance *instance, uint64_t *content_hash, uint64_t *row) {
  const tape *self = (const tape *)instance;
  *content_hash = 0x7461706500000001u ^ self->count;
  *row = self->next;
  return GANTRY_OK;
}

static const gantry_pull pulling = {.size = sizeof(gantry_pull), .pull = pull, .cursor = cursor};

static const void *get_extension(const gantry_plugin *plugin, gantry_string id) {
  (void)plugin;
  return id.length == strlen(GANTRY_EXT_PULL) && memcmp(id.data, GANTRY_EXT_PULL, id.length) == 0 ? &pulling : NULL;
}

static const gantry_port outputs[] = {{.size = sizeof(gantry_port), .type = GANTRY_TICK, .name = GANTRY_LITERAL("ticks")}};
static const gantry_param params[] = {
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_PATH, .flags = GANTRY_PARAM_REQUIRED,
     .name = GANTRY_LITERAL("path"), .help = GANTRY_LITERAL("the file of rows")},
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INSTRUMENT, .flags = GANTRY_PARAM_REQUIRED,
     .name = GANTRY_LITERAL("instrument"), .help = GANTRY_LITERAL("whose quotes they are")},
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .flags = GANTRY_PARAM_HAS_MIN,
     .name = GANTRY_LITERAL("events"), .default_text = GANTRY_LITERAL("0"), .help = GANTRY_LITERAL("how many of them; 0 = all")},
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_INTEGER, .flags = GANTRY_PARAM_HAS_MIN, .minimum = 1,
     .name = GANTRY_LITERAL("repeat"), .default_text = GANTRY_LITERAL("1"), .help = GANTRY_LITERAL("how often they are handed out")},
    {.size = sizeof(gantry_param), .type = GANTRY_PARAM_BOOL, .name = GANTRY_LITERAL("paced"),
     .default_text = GANTRY_LITERAL("false"), .help = GANTRY_LITERAL("about a million a second instead of all at once")},
};

static const gantry_plugin plugin = {
    .size = sizeof(gantry_plugin),
    .kind = GANTRY_KIND_SOURCE,
    .id = GANTRY_LITERAL("bench-tape"),
    .version = GANTRY_LITERAL("0.1.0"),
    .summary = GANTRY_LITERAL("hands out quotes that lie in memory"),
    .determinism = GANTRY_DETERMINISM_EXACT,
    .output_count = 1,
    .param_count = 5,
    .outputs = outputs,
    .params = params,
    .create = create,
    .configure = configure,
    .start = start,
    .destroy = destroy,
    .get_extension = get_extension,
};
static const gantry_plugin *const plugins[] = {&plugin};
static const gantry_library library = {
    .size = sizeof(gantry_library),
    .abi_major = GANTRY_ABI_MAJOR,
    .abi_minor = GANTRY_ABI_MINOR,
    .plugin_count = 1,
    .plugins = plugins,
    .built_with = GANTRY_LITERAL("C11"),
};

const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
