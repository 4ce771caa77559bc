// What a prediction of 100 trees of depth 6 costs: the plugin trees, called over the ABI as a lane calls
// it, beside the libraries' own C APIs. Everything takes its turn in each round; medians of the rounds.
//
//   trees LIBTREES FOLDER LIBXGBOOST LIB_LIGHTGBM [ROUNDS]
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gantry/gantry.h"

enum { FEATURES = 30, ROWS = 4096, BLOCK = 256, STRIDE = 32 + 8 * FEATURES, ROUNDS_MAX = 101 };

static void die(const char *what, const char *why) {
  fprintf(stderr, "error: %s: %s\n", what, why ? why : "no reason given");
  exit(1);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path, "cannot be read");
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = calloc(*length + 1, 1);
  if (fread(bytes, 1, *length, file) != *length) die(path, "cannot be read");
  fclose(file);
  return bytes;
}

static void *function(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  if (!symbol) die(name, "the library does not have it");
  return symbol;
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// MARK: the smallest host that a model needs

static gantry_status open_library(gantry_node *node, gantry_string path, uint32_t flags, void **handle, char *reason, uint64_t capacity,
                                  uint64_t *length) {
  (void)node, (void)flags;
  char *file = strndup(path.data, path.length);
  *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  free(file);
  *length = *handle ? 0 : (uint64_t)snprintf(reason, capacity, "%s", dlerror());
  return *handle ? GANTRY_OK : GANTRY_IO;
}
static const gantry_library_host library_host = {.size = sizeof(gantry_library_host), .open = open_library};
static const void *get_extension(gantry_node *node, gantry_string id) {
  (void)node;
  return id.length == strlen(GANTRY_EXT_LIBRARY) && !memcmp(id.data, GANTRY_EXT_LIBRARY, id.length) ? &library_host : NULL;
}
static void log_line(gantry_node *node, uint32_t severity, gantry_string text) {
  (void)node, (void)severity;
  fprintf(stderr, "%.*s\n", (int)text.length, text.data);
}
static gantry_status fail(gantry_node *node, gantry_status status, uint32_t retryable, gantry_string text) {
  (void)node, (void)retryable;
  fprintf(stderr, "error: %.*s\n", (int)text.length, text.data);
  return status;
}
static uint32_t model_ref(gantry_node *node, gantry_string name, gantry_string version) { return (void)node, (void)name, (void)version, 1; }
static uint32_t define_metric(gantry_node *node, uint32_t kind, gantry_string name, gantry_string unit, gantry_string help) {
  return (void)node, (void)kind, (void)name, (void)unit, (void)help, 1;
}
static void update_metric(gantry_node *node, uint32_t metric, double value) { (void)node, (void)metric, (void)value; }
static gantry_status grow(gantry_outputs *outputs, uint32_t port, uint32_t rows, uint64_t arena) {
  return (void)outputs, (void)port, (void)rows, (void)arena, GANTRY_FULL;
}

static const gantry_host host = {
    .size = sizeof(gantry_host), .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .get_extension = get_extension,
    .log = log_line, .fail = fail, .model_ref = model_ref, .define_metric = define_metric, .update_metric = update_metric};

typedef struct {
  const gantry_plugin *plugin;
  gantry_instance *instance;
} node;

static uint8_t *rows;
static gantry_schema schema;

static gantry_string text(const char *value) { return (gantry_string){value, strlen(value)}; }

/// An instance with one engine, configured.
static node make(const gantry_plugin *plugin, const char *artifact, const char *engine, const char *library) {
  node made = {.plugin = plugin};
  if (plugin->create(plugin, &host, (gantry_node *)(uintptr_t)1, &made.instance) != GANTRY_OK) die("create", NULL);
  gantry_value *values = calloc(plugin->param_count, sizeof(gantry_value));
  for (uint32_t i = 0; i < plugin->param_count; i++) {
    values[i] = (gantry_value){.size = sizeof(gantry_value), .type = plugin->params[i].type};
    gantry_string name = plugin->params[i].name;
    size_t length;
    if (name.length == 8 && !memcmp(name.data, "artifact", 8)) {
      values[i].is_set = 1;
      values[i].text = text(artifact);
      values[i].bytes.data = (const uint8_t *)read_file(artifact, &length);
      values[i].bytes.length = length;
    } else if (name.length == 6 && !memcmp(name.data, "engine", 6)) {
      values[i].is_set = 1;
      values[i].integer = !strcmp(engine, "own") ? 1 : 2;
    } else if (name.length == 7 && !memcmp(name.data, "library", 7) && library) {
      values[i].is_set = 1;
      values[i].text = text(library);
    }
  }
  gantry_input input = {.size = sizeof input, .schema = &schema};
  gantry_config config = {
      .size = sizeof config, .clock = 1, .value_count = plugin->param_count, .input_count = 1, .values = values, .inputs = &input};
  if (plugin->configure(made.instance, &config) != GANTRY_OK) die("configure", artifact);
  return made;
}

/// One call with `count` rows from `first` on; the sum of the probabilities.
static double call(node n, uint32_t first, uint32_t count) {
  static gantry_prediction predictions[BLOCK];
  static uint32_t causes[BLOCK];
  gantry_output output = {
      .size = sizeof output, .type = GANTRY_PREDICTION, .stride = sizeof(gantry_prediction), .capacity = BLOCK, .connected = 1,
      .base = (uint8_t *)predictions, .cause = causes};
  gantry_outputs outputs = {.size = sizeof outputs, .port_count = 1, .ports = &output, .consumed = count, .grow = grow};
  gantry_batch batch = {
      .size = sizeof batch, .type = GANTRY_FEATURES, .count = count, .stride = STRIDE, .base = rows + (size_t)first * STRIDE, .schema = &schema};
  if (n.plugin->on_batch(n.instance, &batch, &outputs) != GANTRY_OK) die("on_batch", NULL);
  double sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += predictions[i].probability;
  return sum;
}

static double singles(node n, uint32_t count) {
  double sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += call(n, i % ROWS, 1);
  return sum;
}

static double blocks(node n, uint32_t count) {
  double sum = 0;
  for (uint32_t i = 0; i < count; i += BLOCK) sum += call(n, i % ROWS, BLOCK);
  return sum;
}

// MARK: the libraries

static double *matrix;
static void *fast;
static int (*predict_fast)(void *, const void *, int64_t *, double *);
static void *booster;
static char request[256];
static int (*predict_dense)(void *, const char *, const char *, void *, const uint64_t **, uint64_t *, const float **);

static void open_lightgbm(const char *path, const char *model) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) die(path, dlerror());
  int (*load)(const char *, int *, void **) = function(library, "LGBM_BoosterLoadModelFromString");
  int (*start)(void *, int, int, int, int, int32_t, const char *, void **) = function(library, "LGBM_BoosterPredictForMatSingleRowFastInit");
  predict_fast = function(library, "LGBM_BoosterPredictForMatSingleRowFast");
  size_t length;
  int rounds;
  void *handle;
  if (load(read_file(model, &length), &rounds, &handle)) die(model, "LightGBM refuses it");
  if (start(handle, 0, 0, 0, 1, FEATURES, "num_threads=1", &fast)) die(model, "no fast path");
}

static double lightgbm(uint32_t count) {
  double sum = 0, answer;
  int64_t length;
  for (uint32_t i = 0; i < count; i++) {
    predict_fast(fast, matrix + (size_t)(i % ROWS) * FEATURES, &length, &answer);
    sum += answer;
  }
  return sum;
}

static void open_xgboost(const char *path, const char *model) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) die(path, dlerror());
  int (*create)(void *, uint64_t, void **) = function(library, "XGBoosterCreate");
  int (*load)(void *, const void *, uint64_t) = function(library, "XGBoosterLoadModelFromBuffer");
  int (*set)(void *, const char *, const char *) = function(library, "XGBoosterSetParam");
  predict_dense = function(library, "XGBoosterPredictFromDense");
  size_t length;
  char *bytes = read_file(model, &length);
  if (create(NULL, 0, &booster) || load(booster, bytes, length) || set(booster, "nthread", "1")) die(model, "XGBoost refuses it");
}

static double xgboost(uint32_t count) {
  static const char settings[] = "{\"type\":0,\"iteration_begin\":0,\"iteration_end\":0,\"missing\":NaN,\"strict_shape\":false,\"cache_id\":0}";
  double sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t *shape;
    uint64_t dimensions;
    const float *answer;
    snprintf(
        request, sizeof request, "{\"data\":[%zu,true],\"shape\":[1,%d],\"typestr\":\"<f8\",\"version\":3}",
        (size_t)(matrix + (size_t)(i % ROWS) * FEATURES), FEATURES);
    if (predict_dense(booster, request, settings, NULL, &shape, &dimensions, &answer)) die("XGBoosterPredictFromDense", NULL);
    sum += answer[0];
  }
  return sum;
}

// MARK: the rounds

enum { LIGHTGBM, XGBOOST, NODE_LIGHTGBM, NODE_XGBOOST, OWN_LIGHTGBM, OWN_XGBOOST, OWN_LIGHTGBM_BLOCK, OWN_XGBOOST_BLOCK, CONTESTANTS };
static const char *const names[CONTESTANTS] = {
    "LightGBM's C API, fast path for a row", "XGBoost's C API, one row", "trees, engine library: LightGBM, one row",
    "trees, engine library: XGBoost, one row", "trees, own evaluator: LightGBM's model, one row", "trees, own evaluator: XGBoost's model, one row",
    "trees, own evaluator: LightGBM's model, blocks of 256", "trees, own evaluator: XGBoost's model, blocks of 256"};

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

int main(int argc, char **argv) {
  if (argc < 5) die("usage", "trees LIBTREES FOLDER LIBXGBOOST LIB_LIGHTGBM [ROUNDS]");
  int rounds = argc > 5 ? atoi(argv[5]) : 11;
  if (rounds < 1 || rounds > ROUNDS_MAX) die("ROUNDS", "from 1 to 101");
  char path[3][1024];
  snprintf(path[0], 1024, "%s/lightgbm.txt", argv[2]);
  snprintf(path[1], 1024, "%s/xgboost.json", argv[2]);
  snprintf(path[2], 1024, "%s/rows.bin", argv[2]);
  size_t length;
  matrix = (double *)(void *)read_file(path[2], &length);
  if (length != sizeof(double) * ROWS * FEATURES) die(path[2], "wrong size");
  rows = calloc(ROWS, STRIDE);
  for (int i = 0; i < ROWS; i++) memcpy(rows + (size_t)i * STRIDE + 32, matrix + (size_t)i * FEATURES, 8 * FEATURES);
  gantry_string columns[FEATURES];
  static char column[FEATURES][8];
  for (int i = 0; i < FEATURES; i++) {
    snprintf(column[i], 8, "f%d", i);
    columns[i] = text(column[i]);
  }
  schema = (gantry_schema){.size = sizeof schema, .type = GANTRY_FEATURES, .stride = STRIDE, .column_count = FEATURES, .columns = columns};

  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) die(argv[1], dlerror());
  gantry_plugin_entry_function entry = (gantry_plugin_entry_function)function(library, "gantry_plugin_entry");
  char error[256];
  uint32_t error_length = 0;
  gantry_entry_request ask = {
      .size = sizeof ask, .abi_major = GANTRY_ABI_MAJOR, .abi_minor = GANTRY_ABI_MINOR, .error_capacity = 256, .host_name = text("bench"),
      .host_version = text("1"), .error = error, .error_length = &error_length};
  const gantry_library *offered = entry(&ask);
  if (!offered) die(argv[1], error);
  const gantry_plugin *plugin = offered->plugins[0];
  node own[2] = {make(plugin, path[0], "own", NULL), make(plugin, path[1], "own", NULL)};
  node theirs[2] = {make(plugin, path[0], "library", argv[4]), make(plugin, path[1], "library", argv[3])};
  open_lightgbm(argv[4], path[0]);
  open_xgboost(argv[3], path[1]);

  static double ns[CONTESTANTS][ROUNDS_MAX], sums[CONTESTANTS];
  for (int round = -1; round < rounds; round++) {
    for (int who = 0; who < CONTESTANTS; who++) {
      uint32_t count = who == XGBOOST || who == NODE_XGBOOST ? ROWS : ROWS * 16;
      double began = now_ns(), sum = 0;
      switch (who) {
      case LIGHTGBM: sum = lightgbm(count); break;
      case XGBOOST: sum = xgboost(count); break;
      case NODE_LIGHTGBM: sum = singles(theirs[0], count); break;
      case NODE_XGBOOST: sum = singles(theirs[1], count); break;
      case OWN_LIGHTGBM: sum = singles(own[0], count); break;
      case OWN_XGBOOST: sum = singles(own[1], count); break;
      case OWN_LIGHTGBM_BLOCK: sum = blocks(own[0], count); break;
      default: sum = blocks(own[1], count);
      }
      if (round >= 0) ns[who][round] = (now_ns() - began) / count;
      sums[who] = sum / count;
    }
  }
  for (int who = 0; who < CONTESTANTS; who++) {
    qsort(ns[who], (size_t)rounds, sizeof(double), ascending);
    int base = who == XGBOOST || who == NODE_XGBOOST || who == OWN_XGBOOST || who == OWN_XGBOOST_BLOCK ? XGBOOST : LIGHTGBM;
    if (fabs(sums[who] - sums[base]) > 1e-6) die(names[who], "gives other predictions than the library");
  }
  double row = ns[LIGHTGBM][rounds / 2], dense = ns[XGBOOST][rounds / 2];
  printf("| %-53s | %9s | %-15s | %-23s | %-22s |\n", "100 trees of depth 6, 30 features, one thread", "ns a row", "10-90 %", "against LightGBM's row", "against XGBoost's row");
  printf("|-------------------------------------------------------|-----------|-----------------|-------------------------|------------------------|\n");
  for (int who = 0; who < CONTESTANTS; who++) {
    double median = ns[who][rounds / 2];
    char range[32], first[32], second[32];
    snprintf(range, 32, "%.0f - %.0f", ns[who][rounds / 10], ns[who][rounds - 1 - rounds / 10]);
    snprintf(first, 32, "%.2fx", median / row);
    snprintf(second, 32, "%.3fx", median / dense);
    printf("| %-53s | %9.0f | %-15s | %-23s | %-22s |\n", names[who], median, range, first, second);
  }
  printf(
      "\nBudgets: the own evaluator at least four times as fast as LightGBM's fast path: %.1fx, %s. The node within 5 %% of the C API: LightGBM %+.1f %%, %s; XGBoost %+.1f %%, %s.\n",
      row / ns[OWN_LIGHTGBM][rounds / 2], ns[OWN_LIGHTGBM][rounds / 2] * 4 <= row ? "met" : "missed", 100 * (ns[NODE_LIGHTGBM][rounds / 2] / row - 1),
      ns[NODE_LIGHTGBM][rounds / 2] <= 1.05 * row ? "met" : "missed", 100 * (ns[NODE_XGBOOST][rounds / 2] / dense - 1),
      ns[NODE_XGBOOST][rounds / 2] <= 1.05 * dense ? "met" : "missed");
  return 0;
}
