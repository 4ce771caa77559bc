// Plugins for the tests of cells: one that counts and can be made to end in many ways, and some that end
// where a plugin can. README.md lists them.
#include "../LanePlugins/plugins.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { T_DIE_ON, T_HOW, T_RANDOM, T_TIMER_EVERY, T_LOAD };
enum { HOW_TRAP = 1, HOW_SEGV, HOW_ABORT, HOW_EXIT, HOW_HANG, HOW_GREED, HOW_RECURSE, HOW_SCRIBBLE, HOW_SPIN };
static const gantry_param tally_params[] = {
  WHOLE("die_on", "0"), WHOLE("how", "1"), WHOLE("random", "0"), WHOLE("timer_every", "0"), WHOLE("load", "0"),
};
static const gantry_port tick_input[] = {PORT(GANTRY_TICK, "in", GANTRY_PORT_MANY)};
static const gantry_port tick_output[] = {PORT(GANTRY_TICK, "out", 0)};

static volatile int sink;
static int recurse(int depth) {
  volatile char room[4096];
  room[0] = (char)depth;
  return recurse(depth + 1) + room[0];
}

static void end(gantry_instance *s, int64_t how, gantry_outputs *outs) {
  switch (how) {
  case HOW_TRAP: __builtin_trap();
  case HOW_SEGV: *(volatile int *)8 = 1; break;
  case HOW_ABORT: abort();
  case HOW_EXIT: _exit(3);
  case HOW_HANG: for (;;) pause();
  case HOW_GREED:
    for (;;) {
      char *more = malloc(16 << 20);
      if (more == NULL) abort();
      memset(more, 1, 16 << 20);
    }
  case HOW_SPIN: for (;;) sink = 0;
  case HOW_RECURSE: sink = recurse(0); break;
  case HOW_SCRIBBLE: if (outs != NULL) outs->ports[0].count = 0x7FFFFFFF; outs->committed = 1; break;
  }
  (void)s;
}

// MARK: tally: for each tick its number, how many were seen, a hash of all, and a random number

static gantry_status tally_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const gantry_tick *in = (const gantry_tick *)gantry_event(batch, i);
    if (s->param[T_DIE_ON] > 0 && (int64_t)in->bid == s->param[T_DIE_ON]) end(s, s->param[T_HOW], outs);
    s->seen += 1;
    s->state = mix(s->state + bits(in->bid));
    double drawn = s->param[T_RANDOM] > 0 ? whole(s->host->random(s->node)) : 0;
    if (s->param[T_TIMER_EVERY] > 0 && s->seen % (uint64_t)s->param[T_TIMER_EVERY] == 0) {
      s->host->set_timer(s->node, in->header.receive_ns + 5, s->seen);
    }
    if (!put(outs, 0, i, in->bid, (double)s->seen, whole(s->state), drawn)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}
static gantry_status tally_timer(gantry_instance *s, const gantry_timer *timer, gantry_outputs *outs) {
  return put(outs, 0, 0, -1, (double)timer->tag, whole(s->state), (double)s->seen) ? GANTRY_OK : GANTRY_FULL;
}
static uint64_t tally_bound(gantry_instance *s) {
  (void)s;
  return 16;
}
static gantry_status tally_save(gantry_instance *s, gantry_state_writer *writer) {
  uint64_t values[2] = {s->seen, s->state};
  return writer->write(writer, values, sizeof values);
}
static gantry_status tally_load(gantry_instance *s, uint32_t version, gantry_bytes bytes) {
  if (s->param[T_LOAD] > 0) end(s, s->param[T_LOAD], NULL);
  if (version != 1) return GANTRY_UNSUPPORTED;
  if (bytes.length != 16) return GANTRY_INVALID;
  memcpy(&s->seen, bytes.data, 8);
  memcpy(&s->state, bytes.data + 8, 8);
  return GANTRY_OK;
}
static const gantry_state tally_state = {
  .size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("tally"), .bound = tally_bound, .save = tally_save, .load = tally_load};
static int is(gantry_string id, const char *name) { return id.length == strlen(name) && memcmp(id.data, name, id.length) == 0; }
static const void *tally_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return is(id, "gantry.state/1") ? &tally_state : NULL;
}
static const gantry_plugin tally = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "tally", tick_input, tick_output, tally_params), .on_batch = tally_batch, .flags = GANTRY_PLUGIN_SINGLE,
  .get_extension = tally_extension};
static const gantry_plugin tally_block = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "tally-block", tick_input, tick_output, tally_params), .on_batch = tally_batch, .get_extension = tally_extension};
static const gantry_plugin tally_timed = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "tally-timed", tick_input, tick_output, tally_params), .on_batch = tally_batch, .on_timer = tally_timer,
  .flags = GANTRY_PLUGIN_TIMERS | GANTRY_PLUGIN_SINGLE, .get_extension = tally_extension};
static const gantry_plugin tally_stateless = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "tally-plain", tick_input, tick_output, tally_params), .on_batch = tally_batch, .flags = GANTRY_PLUGIN_SINGLE};

// MARK: doomed: ends in the phase that `in` names: 1 configure, 2 start, 3 the first event, 4 stop, 5 flush

enum { D_IN, D_HOW };
static const gantry_param doomed_params[] = {WHOLE("in", "0"), WHOLE("how", "1")};
static gantry_status doomed_configure(gantry_instance *s, const gantry_config *config) {
  configure(s, config);
  if (s->param[D_IN] == 1) end(s, s->param[D_HOW], NULL);
  return GANTRY_OK;
}
static gantry_status doomed_start(gantry_instance *s) {
  if (s->param[D_IN] == 2) end(s, s->param[D_HOW], NULL);
  return GANTRY_OK;
}
static gantry_status doomed_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  if (s->param[D_IN] == 3) end(s, s->param[D_HOW], outs);
  for (uint32_t i = 0; i < batch->count; i++) {
    if (!put(outs, 0, i, ((const gantry_tick *)gantry_event(batch, i))->bid, 0, 0, 0)) return GANTRY_FULL;
  }
  return GANTRY_OK;
}
static gantry_status doomed_stop(gantry_instance *s) {
  if (s->param[D_IN] == 4) end(s, s->param[D_HOW], NULL);
  return GANTRY_OK;
}
static gantry_status doomed_flush(gantry_instance *s, gantry_outputs *outs) {
  if (s->param[D_IN] == 5) end(s, s->param[D_HOW], outs);
  return GANTRY_OK;
}
static const gantry_plugin doomed = {
  BODY(GANTRY_KIND_TRANSFORM, "doomed", tick_output, doomed_params), INPUTS(tick_input), .configure = doomed_configure,
  .start = doomed_start, .on_batch = doomed_batch, .stop = doomed_stop, .flush = doomed_flush};

static gantry_status stillborn_create(const gantry_plugin *self, const gantry_host *host, gantry_node *node, gantry_instance **instance) {
  (void)self;
  (void)host;
  (void)node;
  (void)instance;
  __builtin_trap();
}
static const gantry_plugin stillborn = {
  .size = sizeof(gantry_plugin), .kind = GANTRY_KIND_TRANSFORM, .id = GANTRY_LITERAL("stillborn"), .version = GANTRY_LITERAL("1.0.0"),
  .summary = GANTRY_LITERAL("a plugin of the cells' tests"), .determinism = GANTRY_DETERMINISM_EXACT, .output_count = 1, .input_count = 1,
  .inputs = tick_input, .outputs = tick_output, .create = stillborn_create, .configure = configure, .on_batch = tally_batch, .destroy = destroy};

// MARK: prowler: tries what it was not granted, and says how it went: one row for each attempt, errno or 0

static void *idle_thread(void *argument) { return argument; }

static int attempt(int what) {
  errno = 0;
  switch (what) {
  case 0: return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
  case 1: return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
  case 2: return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
  case 3: return open("/tmp/gantry-prowler-was-here", O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0;
  case 4: {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    return child < 0 ? errno : 0;
  }
  case 5: return execl("/bin/true", "true", (char *)NULL) < 0 ? errno : 0;
  case 6: return kill(getppid(), 0) < 0 ? errno : 0;
  case 7: return syscall(SYS_ptrace, 16, getppid(), 0, 0) < 0 ? errno : 0;
  case 8: {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, idle_thread, NULL);
    if (error == 0) pthread_join(thread, NULL);
    return error;
  }
  case 9: return open("/dev/urandom", O_RDONLY) < 0 ? errno : 0;
  case 10: return getenv("HOME") != NULL || getenv("PATH") != NULL ? 0 : ENOENT;
  case 11: {
    int open_files = 0;
    for (int i = 5; i < 512; i++) open_files += fcntl(i, F_GETFD) >= 0;
    return open_files;
  }
  }
  return -1;
}
static gantry_status prowler_batch(gantry_instance *s, const gantry_batch *batch, gantry_outputs *outs) {
  for (uint32_t i = 0; i < batch->count; i++) {
    if (s->seen++ > 0) continue;
    for (int what = 0; what < 12; what++) put(outs, 0, i, what, attempt(what), 0, 0);
  }
  return GANTRY_OK;
}
static const gantry_plugin prowler = {
  PLUGIN(GANTRY_KIND_TRANSFORM, "prowler", tick_input, tick_output, tally_params), .on_batch = prowler_batch, .flags = GANTRY_PLUGIN_SINGLE};

static const gantry_plugin *const plugins[] = {&tally, &tally_block, &tally_timed, &tally_stateless, &doomed, &stillborn, &prowler};
static const gantry_library library = {
  .size = sizeof(gantry_library), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .plugin_count = COUNT(plugins),
  .plugins = plugins, .built_with = GANTRY_LITERAL("C")};
GANTRY_EXPORT const gantry_library *gantry_plugin_entry(const gantry_entry_request *request) {
  (void)request;
  return &library;
}
