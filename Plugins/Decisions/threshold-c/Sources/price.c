#include "threshold.h"

/// The nearest integer, ties to even, for magnitudes below 2^51. Adding 1.5 * 2^52 leaves no room
/// for a fraction; rint() would need libm.
static double nearest(double value) { return (value + 0x1.8p52) - 0x1.8p52; }

bool price_on_grid(const rule *rule, double value, bool up, int64_t *price) {
  double product = value * rule->price_scale;
  if (!(product < 0x1p51 && product > -0x1p51)) {
    return false;
  }
  double whole = nearest(product);
  // Rounding is monotone: comparing the nearest decimal's double with the value says on which side
  // of the value that decimal lies.
  double back = whole / rule->price_scale;
  int64_t units = (int64_t)whole - (back > value ? 1 : 0);
  int64_t below = units / rule->tick_size * rule->tick_size;
  if (below > units) {
    below -= rule->tick_size;
  }
  bool is_on_grid = back == value && below == units;
  *price = is_on_grid || !up ? below : below + rule->tick_size;
  return true;
}
