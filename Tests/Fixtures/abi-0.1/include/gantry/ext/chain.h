/// gantry.chain/1 (host side): what else the current hop did.
#ifndef GANTRY_EXT_CHAIN_H
#define GANTRY_EXT_CHAIN_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_CHAIN "gantry.chain/1"

typedef struct gantry_chain_host {
  uint32_t size;
  uint32_t reserved;

  /// Notes a key and a value on the current hop of input `cause`: "rule" = "cross up".
  /// Kept for chains that are traced or order; otherwise it costs a copy, and a later note of the
  /// same node takes its place.
  ///
  /// Thread:  [lane]
  /// Memory:  both texts are copied; at most 64 and 256 bytes
  /// Since:   0.1
  void (*note)(gantry_node *node, uint32_t cause, gantry_string key, gantry_string value);

  /// A call to something outside begins ("POST https://broker/orders") and ends. The number that
  /// `begin` returns is given to `end`.
  ///
  /// Thread:  [any]
  /// Since:   0.1
  uint64_t (*begin_dependency)(gantry_node *node, gantry_string target);
  void (*end_dependency)(gantry_node *node, uint64_t call, gantry_status status);

  /// Binds an id from outside (a broker's order number) to the current chain.
  ///
  /// Thread:  [any]; on a lane it goes to a bounded ring
  /// Since:   0.1
  void (*alias)(gantry_node *node, uint64_t order_id, gantry_string outside);
} gantry_chain_host;

#ifdef __cplusplus
}
#endif
#endif
