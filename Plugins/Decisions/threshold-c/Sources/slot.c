#include "threshold.h"

int64_t slot_later(int64_t time, int64_t duration) {
  int64_t sum;
  return __builtin_add_overflow(time, duration, &sum) ? INT64_MAX : sum;
}

static void set_leaves(slot *slot, int64_t leaves, bool is_buy) {
  if (leaves > 0) {
    slot->in_flight = is_buy ? leaves : -leaves;
  } else {
    slot->in_flight = 0;
    slot->order_id = 0;
    slot->cancel_id = 0;
  }
}

gantry_status slot_take(slot *slot, const gantry_execution *execution, int64_t retry_after_ns) {
  uint64_t id = execution->order_id;
  if (id == 0) {
    return GANTRY_OK;
  }
  if (id == slot->cancel_id) {
    // The cancel was refused: the order was filled, or works on and may be cancelled again.
    if (execution->kind == GANTRY_EXEC_REJECTED) {
      slot->cancel_id = 0;
    }
    return GANTRY_OK;
  }
  if (id != slot->order_id) {
    return GANTRY_OK;
  }
  switch (execution->kind) {
    case GANTRY_EXEC_FILL: {
      bool is_buy = slot->in_flight > 0;
      bool overflow = is_buy ? __builtin_add_overflow(slot->position, execution->quantity, &slot->position)
                             : __builtin_sub_overflow(slot->position, execution->quantity, &slot->position);
      if (overflow) {
        return GANTRY_OVERFLOW;
      }
      set_leaves(slot, execution->leaves, is_buy);
      break;
    }
    case GANTRY_EXEC_MODIFIED:
      set_leaves(slot, execution->leaves, slot->in_flight > 0);
      break;
    case GANTRY_EXEC_REJECTED:
    case GANTRY_EXEC_CANCELLED:
      set_leaves(slot, 0, false);
      if (execution->reason != GANTRY_REASON_REQUESTED) {
        slot->not_before_ns = slot_later(execution->header.receive_ns, retry_after_ns);
      }
      break;
    case GANTRY_EXEC_EXPIRED:
      set_leaves(slot, 0, false);
      break;
    default:
      break;
  }
  return GANTRY_OK;
}
