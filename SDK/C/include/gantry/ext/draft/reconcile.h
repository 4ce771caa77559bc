/// gantry.reconcile/1 (plugin side, draft): a broker outside is asked for the truth before any order passes.
#ifndef GANTRY_EXT_DRAFT_RECONCILE_H
#define GANTRY_EXT_DRAFT_RECONCILE_H

#include "../../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_RECONCILE "gantry.reconcile/1"

/// What the host knows, of an earlier run or of the instance before this one.
typedef struct gantry_open_orders {
  uint32_t size;
  uint32_t reserved;
  /// Orders that were on the disk and so may have reached the broker, and whose end nobody has heard of,
  /// oldest first. A MODIFY or CANCEL stands here until its order has answered it. Their headers' chains
  /// are those of the run that made them.
  const gantry_order *orders;
  uint64_t count;
} gantry_open_orders;

typedef struct gantry_reconcile {
  uint32_t size;
  uint32_t reserved;

  /// Says how things stand at the broker, as executions and accounts on the instance's own ports, cause 0:
  ///   - of every NEW order in `open` at least one execution under its `order_id`: what was missed of it in
  ///     order (ACCEPTED, FILL ...), ending with its end or, while it works, with an execution whose
  ///     `leaves` is what still works. One that the broker has never seen is REJECTED with
  ///     GANTRY_REASON_UNKNOWN_ORDER: it is not sent again;
  ///   - of every other order that works there an ACCEPTED, whoever made it;
  ///   - of every position that is not flat a GANTRY_EXEC_POSITION, after those;
  ///   - the account, where there is a port for it.
  /// The host adopts that, passes it on like any output, and then lets orders pass. Until GANTRY_OK it lets
  /// none pass, cancels and reduce-only orders included.
  ///
  /// Thread:  [lane]. A broker outside has a lane of its own, so it may wait here for its connection,
  ///          for a second at most: other commands of the host wait for the lane
  /// State:   running, before the first order, and again after each hand-over
  /// Memory:  `open` is valid until return
  /// Errors:  GANTRY_AGAIN or GANTRY_TIMEOUT while the broker has not answered: nothing is concluded
  ///          from that, and the host asks again, at growing intervals up to ten seconds. Any other
  ///          status is reported and then treated alike. What was written is thrown away
  /// Since:   draft
  gantry_status (*reconcile)(gantry_instance *instance, const gantry_open_orders *open,
                             gantry_outputs *outputs);
} gantry_reconcile;

#ifdef __cplusplus
}
#endif
#endif
