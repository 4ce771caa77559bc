/// All six steps in one loop, as one would write them by hand for one strategy.
#include "chain.h"
#include <math.h>

EXPORT void run_fused(const quote *tape, uint64_t count, outcome *result) {
  double fast = 0, slow = 0;
  int64_t wanted = 0, position = 0, open_price = 0, cash = 0;
  uint64_t flips = 0, fills = 0;
  double sum = 0;
  for (uint64_t index = 0; index < count; index++) {
    double mid = (tape[index].bid + tape[index].ask) * 0.5;
    if (index < slow_period) {
      // Each average begins with the mean of its first period.
      sum += mid;
      if (index + 1 == fast_period) fast = sum / fast_period;
      if (index + 1 > fast_period) fast += (2.0 / (fast_period + 1)) * (mid - fast);
      if (index + 1 < slow_period) continue;
      slow = sum / slow_period;
    } else {
      fast += (2.0 / (fast_period + 1)) * (mid - fast);
      slow += (2.0 / (slow_period + 1)) * (mid - slow);
    }
    double value = fast - slow;
    int64_t want = value > 0 ? order_quantity : value < 0 ? -order_quantity : wanted;
    if (want == wanted) continue;
    int64_t after = position + (want - wanted);
    flips += wanted != 0;
    if (after > max_position || after < -max_position) continue;
    int64_t price = llround((want > wanted ? tape[index].ask : tape[index].bid) * PRICE_SCALE);
    if (position != 0) cash += cash_of(position, price - open_price);
    wanted = want;
    position = after;
    open_price = price;
    fills += 1;
  }
  int64_t mark = llround((position > 0 ? tape[count - 1].bid : tape[count - 1].ask) * PRICE_SCALE);
  *result = (outcome){.events = count, .flips = flips, .orders = fills, .fills = fills,
                      .profit = cash + cash_of(position, mark - open_price), .position = position};
}
