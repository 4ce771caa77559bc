/// What a plugin is told when it is configured: typed parameters, input schemas, instruments.
#ifndef GANTRY_CONFIG_H
#define GANTRY_CONFIG_H

#include "batch.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Parameter types. The host parses and checks the graph file's text; a plugin sees values only.
#define GANTRY_PARAM_BOOL 1u      ///< integer 0 or 1
#define GANTRY_PARAM_INTEGER 2u   ///< integer
#define GANTRY_PARAM_NUMBER 3u    ///< number; "5%" arrives as 0.05
#define GANTRY_PARAM_DECIMAL 4u   ///< exact: integer * 10^-digits
#define GANTRY_PARAM_DURATION 5u  ///< integer nanoseconds; written 250ms, 1.5s, 5m, 1h, 2d
#define GANTRY_PARAM_TEXT 6u      ///< text
#define GANTRY_PARAM_CHOICE 7u    ///< text, and integer = its index among the choices
#define GANTRY_PARAM_PATH 8u      ///< text: an absolute path; relative ones start at the graph file
#define GANTRY_PARAM_ARTIFACT 9u  ///< text: its path; bytes: its content, as hashed and journaled
#define GANTRY_PARAM_SECRET 10u   ///< text: the secret's name for host->secret, never its value
#define GANTRY_PARAM_INSTRUMENT 11u ///< integer: its id; text: its symbol
#define GANTRY_PARAM_TEXTS 12u    ///< texts[count]
#define GANTRY_PARAM_NUMBERS 13u  ///< numbers[count]

/// gantry_param.flags
#define GANTRY_PARAM_REQUIRED 1u
/// May be changed while running, through gantry.params-live/1.
#define GANTRY_PARAM_LIVE 2u
/// `minimum` / `maximum` hold, inclusive.
#define GANTRY_PARAM_HAS_MIN 4u
#define GANTRY_PARAM_HAS_MAX 8u
/// The minimum itself is not allowed.
#define GANTRY_PARAM_ABOVE_MIN 16u

/// One parameter a plugin declares.
typedef struct gantry_param {
  uint32_t size;
  uint32_t type;
  uint32_t flags;
  uint32_t choice_count;
  gantry_string name;          ///< lower_case, unit last
  gantry_string default_text;  ///< as one would write it in the graph file; empty = none
  double minimum;              ///< for numbers, durations (seconds), and counts of lists
  double maximum;
  const gantry_string *choices;
  gantry_string unit;          ///< "points", "quote currency", ...; empty = none
  gantry_string help;          ///< one line
} gantry_param;

/// The value of one parameter, after defaults.
typedef struct gantry_value {
  uint32_t size;
  uint32_t type;
  uint32_t is_set;   ///< 0: neither given nor defaulted
  uint32_t digits;   ///< DECIMAL only
  int64_t integer;
  double number;     ///< for INTEGER and DECIMAL the nearest double as well
  gantry_string text;
  gantry_bytes bytes;
  const gantry_string *texts;
  const double *numbers;
  uint64_t count;
} gantry_value;

/// One edge into the node.
typedef struct gantry_input {
  uint32_t size;
  uint32_t port;            ///< index of the node's input port
  uint32_t edge;            ///< index among the edges into that port
  uint32_t is_feedback;
  gantry_string from_node;
  gantry_string from_port;
  const gantry_schema *schema;
} gantry_input;

/// gantry_config.clock
#define GANTRY_CLOCK_REPLAY 1u
#define GANTRY_CLOCK_LIVE 2u

/// The argument of configure. Valid until it returns.
typedef struct gantry_config {
  uint32_t size;
  uint32_t clock;
  uint32_t value_count;
  uint32_t input_count;
  const gantry_value *values;   ///< in the order of the descriptor's parameters
  const gantry_input *inputs;   ///< in the order of `from`
  gantry_string graph;
  gantry_string node;
  uint32_t instrument_count;
  uint32_t reserved;
  void *context;
  /// Names the columns of a FEATURES output. Call once for each such port.
  ///
  /// Thread:  [control], inside configure
  /// Memory:  the host copies the names
  /// Errors:  GANTRY_INVALID for a name that is empty, given twice or no UTF-8; GANTRY_FULL
  ///          beyond 4,096 columns; GANTRY_MISUSE for a port that is not FEATURES
  /// Since:   0.1
  gantry_status (*set_columns)(const struct gantry_config *config, uint32_t port,
                               const gantry_string *names, uint64_t count);
} gantry_config;

/// One instrument of the graph. Text lives as long as the instance.
typedef struct gantry_instrument {
  uint32_t size;
  uint32_t id;
  gantry_string symbol;
  gantry_string base;
  gantry_string quote;
  uint32_t price_digits;     ///< prices count 10^-price_digits
  uint32_t quantity_digits;  ///< quantities count 10^-quantity_digits
  int64_t tick_size;         ///< smallest price step, in that scale
  int64_t lot_size;          ///< smallest quantity step, in that scale
  int64_t contract_units;    ///< units of base for a quantity of 1
  uint32_t quote_currency;   ///< index for host->currency
  uint32_t base_currency;
} gantry_instrument;

/// One currency the graph uses.
typedef struct gantry_currency {
  uint32_t size;
  uint32_t digits;           ///< cash counts 10^-digits
  gantry_string code;        ///< "USD"
} gantry_currency;

#ifdef __cplusplus
}
#endif
#endif
