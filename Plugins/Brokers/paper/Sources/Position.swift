import GantrySDK

/// One instrument's net position with its exact cost. A value: `filled` answers what a fill would
/// make of it, and nothing has happened until the answer is stored.
///
/// Amounts are fine ones (see `InstrumentTerms`): nothing is rounded but the share of the cost that
/// a partial close takes with it (half to even), and what that share is off stays in the rest.
/// Profit is booked in whole cash, rounded down; the part of a cash unit that was earned and not
/// yet booked is `residue`, so the sum of all bookings is never further from the exact profit than
/// one unit, however many fills there were.
struct Position: BitwiseCopyable {
  /// Signed: above 0 is long.
  var quantity: Int64 = 0
  /// What the open quantity cost; negative for a short position, which was paid for.
  var cost: Int128 = 0
  /// Exact profit since the start, booked or not.
  var realised: Int128 = 0
  /// Earned and not yet booked: 0 ..< one unit of cash.
  var residue: Int128 = 0
  /// Everything received minus everything paid.
  var flow: Int128 = 0

  /// The position after a fill, and the profit in cash that the fill realised.
  func filled(
    buy: Bool, quantity filled: Int64, price: Int64, _ terms: InstrumentTerms
  ) throws(Failure) -> (position: Position, profit: Int64) {
    var next = self
    let signed = buy ? filled : -filled
    next.quantity = try Exact.add(quantity, signed)
    guard next.quantity.magnitude <= 1 << 62 else { throw Failure.overflow("paper: a position of more than 2^62 units") }
    next.flow = try Exact.subtract(flow, terms.notional(price: price, quantity: signed))

    let isClosing = quantity != 0 && (quantity > 0) != buy
    let closing = isClosing ? min(filled, abs(quantity)) : 0
    if closing > 0 {
      let portion = try Exact.share(of: cost, part: closing, total: abs(quantity), .halfEven)
      let value = try terms.notional(price: price, quantity: buy ? closing : -closing)
      let profit = try Exact.subtract(0 - value, portion)
      next.cost = try Exact.subtract(next.cost, portion)
      next.realised = try Exact.add(realised, profit)
      next.residue = try Exact.add(residue, profit)
    }
    let opening = filled - closing
    if opening > 0 {
      next.cost = try Exact.add(next.cost, terms.notional(price: price, quantity: buy ? opening : -opening))
    }
    let booked = try terms.cash(fine: next.residue, .down)
    next.residue = try Exact.subtract(next.residue, terms.fine(cash: booked, .down))
    return (next, booked)
  }

  /// What closing at `price` would book, rounded down.
  func unrealised(at price: Int64, _ terms: InstrumentTerms) throws(Failure) -> Int64 {
    let value = try terms.notional(price: price, quantity: quantity)
    return try terms.cash(fine: Exact.add(Exact.subtract(value, cost), residue), .down)
  }

  /// Checks what must hold after any fills: a flat position costs nothing, and received minus paid
  /// plus the cost of what is still open is the profit.
  func verify() throws(Failure) {
    if quantity == 0 && cost != 0 { throw Failure.bug("paper: a closed position still has a cost") }
    if try Exact.add(flow, cost) != realised { throw Failure.bug("paper: the fills do not add up to the profit") }
  }
}
