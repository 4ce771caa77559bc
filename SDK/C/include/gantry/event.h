/// Events: one 32-byte header and a payload by type. Native byte order, 8-byte alignment.
///
/// Numbers: prices and sizes are doubles in market data, features and predictions. In orders,
/// executions and accounts they are exact integers: a price counts 10^-price_digits of the
/// quote currency, a quantity 10^-quantity_digits of the instrument (see gantry_instrument),
/// cash 10^-digits of its currency.
///
/// Times: nanoseconds since 1970-01-01 UTC.
#ifndef GANTRY_EVENT_H
#define GANTRY_EVENT_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Event types. A port of type ANY takes every type.
#define GANTRY_ANY 0u
#define GANTRY_TICK 1u
#define GANTRY_TRADE 2u
#define GANTRY_BAR 3u
#define GANTRY_BOOK 4u
#define GANTRY_FEATURES 5u
#define GANTRY_PREDICTION 6u
#define GANTRY_SIGNAL 7u
#define GANTRY_ORDER 8u
#define GANTRY_EXECUTION 9u
#define GANTRY_ACCOUNT 10u
#define GANTRY_NEWS 11u
#define GANTRY_CALENDAR 12u
#define GANTRY_ALERT 13u
#define GANTRY_BLOB 14u
#define GANTRY_TYPE_COUNT 15u

/// The sides of orders and executions.
#define GANTRY_BUY 1u
#define GANTRY_SELL 2u

/// Header flags.
/// The event was made from data that a policy repaired (a clamped row, a filled gap).
#define GANTRY_FLAG_REPAIRED 1u
/// The event is traced at every hop.
#define GANTRY_FLAG_TRACED 2u

/// The first 32 bytes of every event.
///
/// A plugin may set `event_ns` and `instrument` of an output; what it leaves 0 is taken from
/// the cause. All other fields are written by the host when the call returns.
typedef struct gantry_header {
  int64_t event_ns;    ///< when it happened, by the one who says so
  int64_t receive_ns;  ///< when it entered the host; equals event_ns in replay. The chain's "now"
  uint64_t chain;      ///< the chain's number within its origin
  uint32_t instrument; ///< 1-based index into the graph's instruments; 0 = none
  uint16_t origin;     ///< index into the run's table of 64-bit run-and-source ids
  uint8_t flags;
  uint8_t hop;         ///< 0 at the source, +1 at every node
} gantry_header;

/// The best bid and ask. One cache line.
typedef struct gantry_tick {
  gantry_header header;
  double bid;
  double ask;
  double bid_size; ///< 0 when the source does not say
  double ask_size;
} gantry_tick;

/// One trade seen on the market.
typedef struct gantry_trade {
  gantry_header header;
  double price;
  double size;
  uint64_t trade_id;
  uint32_t aggressor; ///< GANTRY_BUY, GANTRY_SELL or 0 when unknown
  uint32_t reserved;
} gantry_trade;

/// A closed bar of mid prices, unless its source says otherwise.
/// The header's event_ns is the bar's end; it has the chain of the event that closed it.
typedef struct gantry_bar {
  gantry_header header;
  int64_t start_ns;
  double open;
  double high;
  double low;
  double close;
  double volume;  ///< what was traded or quoted, 0 when unknown
  uint64_t ticks; ///< how many events made it
  double spread;  ///< mean of ask - bid over the bar, 0 when unknown
} gantry_bar;

/// One level of a book, in the batch's arena.
typedef struct gantry_level {
  double price;
  double size;
} gantry_level;

/// A book: bids best first, then asks best first, as gantry_level in the arena.
typedef struct gantry_book {
  gantry_header header;
  uint64_t offset; ///< of the first bid, in bytes from the arena's base
  uint32_t bids;
  uint32_t asks;
  uint64_t sequence;
  uint64_t reserved;
} gantry_book;

/// A row of named columns; names and number are in the port's schema. The columns follow the
/// header: `const double *columns = (const double *)(event + 1)`. NaN means "not known yet".
typedef struct gantry_features {
  gantry_header header;
} gantry_features;

/// What a model says. The meaning of `value` is the model's; `probability` is in 0...1, or NaN.
typedef struct gantry_prediction {
  gantry_header header;
  double value;
  double probability;
  int64_t horizon_ns; ///< how far ahead it looks, 0 = unstated
  uint32_t model;     ///< what host->model_ref returned, so that an order names its model; 0 = none
  int32_t label;      ///< the class, -1 = none
} gantry_prediction;

/// A wish for a position, before it is an order.
typedef struct gantry_signal {
  gantry_header header;
  double strength;  ///< -1 (fully short) ... +1 (fully long)
  double price;     ///< a wished price, NaN = market
  double stop;      ///< NaN = none
  double target;    ///< NaN = none
} gantry_signal;

/// gantry_order.action
#define GANTRY_ORDER_NEW 1u
#define GANTRY_ORDER_MODIFY 2u
#define GANTRY_ORDER_CANCEL 3u
/// gantry_order.order_type
#define GANTRY_ORDER_MARKET 1u
#define GANTRY_ORDER_LIMIT 2u
#define GANTRY_ORDER_STOP 3u
#define GANTRY_ORDER_STOP_LIMIT 4u
/// gantry_order.time_in_force: good till cancelled, immediate or cancel, fill or kill, good till date
#define GANTRY_GTC 1u
#define GANTRY_IOC 2u
#define GANTRY_FOK 3u
#define GANTRY_GTD 4u
/// gantry_order.flags
#define GANTRY_ORDER_REDUCE_ONLY 1u
#define GANTRY_ORDER_POST_ONLY 2u

/// A new order, a change of one, or a cancel. Exact numbers.
///
/// `order_id` comes from host->next_id and is deterministic: the same events give the same ids.
/// MODIFY and CANCEL name the order in `target_id` and have an `order_id` of their own.
typedef struct gantry_order {
  gantry_header header;
  uint64_t order_id;
  uint64_t target_id;
  int64_t quantity;    ///< > 0
  int64_t price;       ///< limit price; 0 where the type has none
  int64_t stop_price;  ///< trigger price; 0 where the type has none
  int64_t expire_ns;   ///< for GTD, else 0
  uint8_t action;
  uint8_t side;
  uint8_t order_type;
  uint8_t time_in_force;
  uint32_t flags;
  uint32_t account;    ///< 0 = the broker's default
  uint32_t reserved;
} gantry_order;

/// gantry_execution.kind
#define GANTRY_EXEC_ACCEPTED 1u
#define GANTRY_EXEC_REJECTED 2u
#define GANTRY_EXEC_FILL 3u
#define GANTRY_EXEC_CANCELLED 4u
#define GANTRY_EXEC_MODIFIED 5u
#define GANTRY_EXEC_EXPIRED 6u
#define GANTRY_EXEC_TRIGGERED 7u
/// No order's: the account holds `position` of the instrument, entered at `price` on average; order_id is 0.
#define GANTRY_EXEC_POSITION 8u
/// gantry_execution.reason, for REJECTED, CANCELLED and EXPIRED
#define GANTRY_REASON_NONE 0u
#define GANTRY_REASON_UNKNOWN_ORDER 1u
#define GANTRY_REASON_UNKNOWN_INSTRUMENT 2u
#define GANTRY_REASON_INVALID 3u
#define GANTRY_REASON_NO_MARKET 4u
#define GANTRY_REASON_RISK 5u
#define GANTRY_REASON_HALTED 6u
#define GANTRY_REASON_FUNDS 7u
#define GANTRY_REASON_UNFILLED 8u
#define GANTRY_REASON_REQUESTED 9u
#define GANTRY_REASON_EXPIRED 10u
#define GANTRY_REASON_POST_ONLY 11u
#define GANTRY_REASON_REDUCE_ONLY 12u
/// The host could not bring the order's record to the disk, so it did not send it.
#define GANTRY_REASON_NOT_JOURNALED 13u
/// The broker has not yet told the host how things stand (gantry.reconcile/1).
#define GANTRY_REASON_RECONCILING 14u

/// What a broker says of an order. Exact numbers. It belongs to the chain of what caused it;
/// `order_chain` and `order_origin` name the chain the order came from.
typedef struct gantry_execution {
  gantry_header header;
  uint64_t order_id;
  uint64_t execution_id;
  uint64_t order_chain;
  int64_t quantity;    ///< of this fill; 0 for other kinds
  int64_t price;       ///< of this fill
  int64_t leaves;      ///< still open after it
  int64_t cumulative;  ///< filled so far
  int64_t commission;  ///< of this fill, account currency
  int64_t profit;      ///< realised by this fill, before commission, account currency
  int64_t position;    ///< signed, after it
  uint8_t kind;
  uint8_t side;
  uint16_t order_origin;
  uint32_t reason;
  uint32_t account;
  uint32_t reserved;
} gantry_execution;

/// An account at one moment, in its own currency. equity = balance + unrealised.
typedef struct gantry_account {
  gantry_header header;
  int64_t initial;
  int64_t balance;    ///< initial + realised profit - commission
  int64_t equity;
  int64_t unrealised;
  int64_t commission; ///< paid so far
  int64_t exposure;   ///< notional of all open positions
  uint32_t currency;  ///< index into the host's currencies, see gantry_currency
  uint32_t account;
  uint64_t fills;
} gantry_account;

/// Text for people, in the arena.
typedef struct gantry_alert {
  gantry_header header;
  uint64_t offset;
  uint32_t length;
  uint32_t code;     ///< the plugin's own closed list
  uint32_t severity; ///< a GANTRY_LOG_ level
  uint32_t reserved;
} gantry_alert;

/// A piece of news, or a date of the economic calendar. Text in the arena.
typedef struct gantry_news {
  gantry_header header;
  uint64_t offset;
  uint32_t headline; ///< bytes of the headline; the body follows it
  uint32_t body;
  double sentiment;  ///< -1 ... 1, NaN = unknown
  double impact;     ///< 0 ... 1, NaN = unknown
} gantry_news;

/// One announcement of the economic calendar. The name is in the arena.
typedef struct gantry_calendar {
  gantry_header header;
  uint64_t offset;
  uint32_t length;
  uint32_t impact;   ///< 0 none, 1 low, 2 medium, 3 high
  int64_t due_ns;
  double actual;     ///< NaN = not yet known
  double forecast;
  double previous;
} gantry_calendar;

/// Bytes of the two ends' own meaning, in the arena.
typedef struct gantry_blob {
  gantry_header header;
  uint64_t offset;
  uint64_t length;
  uint64_t schema;
  uint64_t reserved;
} gantry_blob;

GANTRY_STATIC_ASSERT(sizeof(gantry_header) == 32, "header");
GANTRY_STATIC_ASSERT(sizeof(gantry_tick) == 64, "tick is one cache line");
GANTRY_STATIC_ASSERT(sizeof(gantry_prediction) == 64, "prediction is one cache line");

#ifdef __cplusplus
}
#endif
#endif
