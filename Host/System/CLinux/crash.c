#define _GNU_SOURCE
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (64 << 10)

// The handlers read these; they are set while no handler can run for them.
static char *record;
static const clinux_crash_node *nodes;
static uint32_t node_count;
static clinux_crash_shape shape;
static atomic_int is_installed;
static struct sigaction before[65];
static atomic_flag is_written = ATOMIC_FLAG_INIT;

static _Thread_local void *stack;
static _Thread_local const int64_t *lane_now;
static _Thread_local const char *lane_name;
static _Thread_local int32_t site_node = -1;
static _Thread_local uint32_t site_generation;
static _Thread_local const char *site_phase;

typedef struct text {
  char *at;
  char *end;
} text;

static void put(text *t, const char *value) {
  while (*value != 0 && t->at < t->end) *t->at++ = *value++;
}

static void put_number(text *t, uint64_t value, unsigned base) {
  char digits[24];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count > 0 && t->at < t->end) *t->at++ = digits[--count];
}

static void put_key(text *t, const char *key) {
  put(t, ",\"");
  put(t, key);
  put(t, "\":");
}

static void put_text(text *t, const char *key, const char *value) {
  put_key(t, key);
  put(t, "\"");
  put(t, value);
  put(t, "\"");
}

static void write_record(
    const char *what, int signal, uint64_t address, uint64_t code, int32_t node, uint32_t generation, const char *lane,
    const char *phase, int64_t chain) {
  // A crash takes the place of a hang; of crashes the first one stands.
  if (record == NULL || (signal != 0 && atomic_flag_test_and_set(&is_written)) || (signal == 0 && record[0] != 0)) return;
  memset(record, 0, CLINUX_CRASH_BYTES);
  text t = {record + 1, record + CLINUX_CRASH_BYTES - 2};
  put(&t, "\"what\":\"");
  put(&t, what);
  put(&t, "\"");
  put_key(&t, "signal");
  put_number(&t, (uint64_t)signal, 10);
  if (node >= 0 && (uint32_t)node < node_count) {
    put_text(&t, "node", nodes[node].name);
    put_text(&t, "plugin", nodes[node].plugin);
    put_key(&t, "generation");
    put_number(&t, generation, 10);
  }
  if (lane != NULL) put_text(&t, "lane", lane);
  if (phase != NULL) put_text(&t, "phase", phase);
  if (chain >= 0) {
    put_key(&t, "chain");
    put_number(&t, (uint64_t)chain, 10);
  }
  if (signal != 0) {
    put_text(&t, "address", "0x");
    t.at -= 1;
    put_number(&t, address, 16);
    put(&t, "\"");
    put_text(&t, "code", "0x");
    t.at -= 1;
    put_number(&t, code, 16);
    put(&t, "\"");
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  put_key(&t, "wall_ns");
  put_number(&t, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, 10);
  put(&t, "}\n");
  // The first byte comes last: a record that begins with a brace is whole.
  atomic_thread_fence(memory_order_seq_cst);
  record[0] = '{';
}

static uint64_t program_counter(const void *context) {
  const ucontext_t *machine = context;
#if defined(__x86_64__)
  return (uint64_t)machine->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return machine->uc_mcontext.pc;
#else
  (void)machine;
  return 0;
#endif
}

static void handle(int number, siginfo_t *info, void *context) {
  int32_t node = site_node;
  uint32_t generation = site_generation;
  int64_t chain = -1;
  const char *phase = site_phase;
  if (node < 0 && lane_now != NULL) {
    const char *row = (const char *)(uintptr_t)lane_now[2];
    if (row != NULL) {
      memcpy(&node, row + shape.index_offset, sizeof node);
      memcpy(&generation, row + shape.generation_offset, sizeof generation);
    }
    uint8_t is_single = 1;
    if (row != NULL) memcpy(&is_single, row + shape.single_offset, 1);
    chain = is_single ? lane_now[1] : lane_now[3];
    // Chains that a timer began are counted downwards from -2.
    if (chain <= -2) chain = -2 - chain;
    phase = row != NULL ? "event" : "between events";
  }
  write_record("signal", number, (uint64_t)(uintptr_t)info->si_addr, program_counter(context), node, generation, lane_name, phase, chain);
  // Whoever was there before has the signal now: a core dump, or Swift's backtrace. What the CPU raised
  // comes again by itself; what was sent is sent again.
  sigaction(number, &before[number], NULL);
  if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

int clinux_crash_install(const char *path, const clinux_crash_node *table, uint32_t count, clinux_crash_shape layout) {
  int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_TRUNC, 0600);
  if (file < 0) return errno;
  if (ftruncate(file, CLINUX_CRASH_BYTES) != 0) {
    int error = errno;
    close(file);
    return error;
  }
  void *memory = mmap(NULL, CLINUX_CRASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  int error = errno;
  close(file);
  if (memory == MAP_FAILED) return error;
  clinux_crash_forget();
  nodes = table;
  node_count = count;
  shape = layout;
  record = memory;
  atomic_flag_clear(&is_written);
  if (atomic_exchange(&is_installed, 1)) return 0;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, &before[signals[i]]);
  return 0;
}

void clinux_crash_forget(void) {
  char *old = record;
  record = NULL;
  node_count = 0;
  if (old != NULL) munmap(old, CLINUX_CRASH_BYTES);
}

void clinux_crash_thread_begin(void) {
  stack_t present;
  // A sanitizer's stack serves as well.
  if (stack != NULL || (sigaltstack(NULL, &present) == 0 && (present.ss_flags & SS_DISABLE) == 0)) return;
  void *memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t own = {.ss_sp = memory, .ss_size = STACK_BYTES, .ss_flags = 0};
  if (sigaltstack(&own, NULL) == 0) {
    stack = memory;
  } else {
    munmap(memory, STACK_BYTES);
  }
}

void clinux_crash_thread_end(void) {
  lane_now = NULL;
  site_node = -1;
  if (stack == NULL) return;
  stack_t none = {.ss_flags = SS_DISABLE};
  sigaltstack(&none, NULL);
  munmap(stack, STACK_BYTES);
  stack = NULL;
}

void clinux_crash_on_lane(const int64_t *now, const char *lane) {
  lane_now = now;
  lane_name = lane;
}

void clinux_crash_on_node(int32_t node, uint32_t generation, const char *phase) {
  site_generation = generation;
  site_phase = phase;
  site_node = node;
}

void clinux_crash_on_nothing(void) {
  site_node = -1;
  site_phase = NULL;
}

void clinux_crash_write(const char *what, int32_t node, uint32_t generation, const char *lane, int64_t chain) {
  write_record(what, 0, 0, 0, node, generation, lane, "event", chain);
}
