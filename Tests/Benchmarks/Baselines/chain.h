/// The EMA cross as plain C: what the chain costs without a host.
///
/// The same six steps are here twice: `fused.c` does them in one loop, and the six `hop_*.c` are
/// each a library of their own, called through the pointer that dlsym gave. Both work on the same
/// records, and both end in the same fills and the same profit, to the last unit of cash.
#ifndef GANTRY_BENCH_CHAIN_H
#define GANTRY_BENCH_CHAIN_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/// One row of the tape.
typedef struct quote {
  int64_t ns;
  double bid;
  double ask;
  uint64_t reserved;
} quote;

/// What a chain ended with.
typedef struct outcome {
  uint64_t events;
  uint64_t flips;    ///< changes from long to short and back, the first entry not counted
  uint64_t orders;
  uint64_t fills;
  int64_t profit;    ///< realised and open, at the last quote; 10^-2 of the quote currency
  int64_t position;  ///< signed, in units
} outcome;

/// Settings of the six steps.
enum { fast_period = 10, slow_period = 20, order_quantity = 10000, max_position = 100000 };
/// Prices count 10^-5.
#define PRICE_SCALE 100000.0

/// The value of `units` having moved by `points`, in 10^-2 of the quote currency.
static inline int64_t cash_of(int64_t units, int64_t points) { return (int64_t)((__int128)units * points / 1000); }

typedef struct tick { int64_t ns; uint64_t chain; double bid, ask, bid_size, ask_size; uint64_t reserved[2]; } tick;
typedef struct features { int64_t ns; uint64_t chain; double fast, slow; } features;
typedef struct prediction { int64_t ns; uint64_t chain; double value; } prediction;
typedef struct order { int64_t ns; uint64_t chain; uint64_t id; int64_t quantity; int32_t side; } order;
typedef struct fill { int64_t ns; uint64_t chain; uint64_t id; int64_t quantity, price, profit, position; int32_t side; } fill;

/// One step as a library exports it: handles `in`, writes `out`, returns how many it wrote (0 or 1),
/// or a negative status.
typedef int (*hop_function)(void *state, const void *in, void *out);
typedef void *(*hop_create)(const void *argument);
typedef void (*hop_outcome)(void *state, outcome *result);

#endif
