import GantrySDK

/// Running sums over the last N prices, from which mean and deviation follow.
///
/// Guarantees: a constant price gives exactly that mean and the deviation 0, and the same prices
/// give the same bits however they are cut into batches. Sums are kept of price - shift and its
/// square, where the shift is the window's mean at the last renewal, so that little cancels. They are
/// renewed from the window's prices after N events, and at once when the sums have become small
/// beside what was in them (below 2^-10 of it): after a jump of the price has left the window, or the
/// window has moved away from its shift. With that the variance's relative error stays below
/// N * 2^-40, and typically around 2^-50; the mean's below that of one addition more than plain
/// summing of the window. (Chan, Golub and LeVeque 1983 for shifted sums.)
struct WindowSums {
  private var shift: Double
  private var sum: Double
  private var squares: Double
  /// Events until the next renewal; a double, as all of a state's slots are.
  private(set) var untilRenewal: Double

  private static var smallShare: Double { 0x1p-10 }

  /// Takes price number `seen`, which is in the ring already.
  @inline(__always)
  mutating func take(_ price: Double, _ seen: Int, _ period: Int, _ ring: Ring) {
    if seen == 0 { self = WindowSums(shift: price, sum: 0, squares: 0, untilRenewal: Double(period)) }
    let new = price - shift
    untilRenewal -= 1
    if seen < period {
      sum += new
      squares += new * new
      if untilRenewal <= 0 { renew(seen, period, ring) }
      return
    }
    let old = ring.read(seen &- period) - shift
    let change = new - old
    sum += change
    squares += change * (new + old)
    let isSmall =
      squares < WindowSums.smallShare * (old * old)
      || squares - sum * sum / Double(period) < WindowSums.smallShare * squares
    if untilRenewal <= 0 || isSmall { renew(seen, period, ring) }
  }

  /// Sums up the window again, around its mean.
  @inline(never)
  private mutating func renew(_ seen: Int, _ period: Int, _ ring: Ring) {
    let count = min(seen &+ 1, period)
    let first = seen &+ 1 &- count
    var total = 0.0
    for number in first...seen { total += ring.read(number) - shift }
    shift += total / Double(count)
    sum = 0
    squares = 0
    for number in first...seen {
      let distance = ring.read(number) - shift
      sum += distance
      squares += distance * distance
    }
    untilRenewal = Double(period)
  }

  @inline(__always)
  func mean(_ period: Int) -> Double { shift + sum / Double(period) }

  /// price - mean, without rounding the mean to a price's precision first.
  @inline(__always)
  func distance(_ price: Double, _ period: Int) -> Double { (price - shift) - sum / Double(period) }

  /// Of the population: divided by N, as TA-Lib.
  @inline(__always)
  func deviation(_ period: Int) -> Double {
    let variance = (squares - sum * sum / Double(period)) / Double(period)
    return variance > 0 ? Math.sqrt(variance) : 0
  }
}
