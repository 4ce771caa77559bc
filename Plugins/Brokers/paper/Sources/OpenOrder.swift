import CGantry
import GantrySDK

/// An order that has been accepted and is not finished.
struct OpenOrder: BitwiseCopyable {
  var id: UInt64
  /// The chain it came from.
  var chain: UInt64
  /// A quote may fill it from this moment on.
  var notBeforeNs: Int64
  var quantity: Int64
  var leaves: Int64
  var price: Int64
  var stopPrice: Int64
  var expireNs: Int64
  var instrument: UInt32
  var account: UInt32
  var origin: UInt16
  var flags: UInt16
  var side: UInt8
  var type: UInt8
  var timeInForce: UInt8
  var bits: UInt8

  init(_ order: gantry_order, notBeforeNs: Int64) {
    id = order.order_id
    chain = order.header.chain
    self.notBeforeNs = notBeforeNs
    quantity = order.quantity
    leaves = order.quantity
    price = order.price
    stopPrice = order.stop_price
    expireNs = order.expire_ns
    instrument = order.header.instrument
    account = order.account
    origin = order.header.origin
    flags = UInt16(truncatingIfNeeded: order.flags)
    side = order.side
    type = order.order_type
    timeInForce = order.time_in_force
    bits = OpenOrder.fresh
  }

  private static var fresh: UInt8 { 1 }
  private static var triggered: UInt8 { 2 }
  private static var finished: UInt8 { 4 }

  var filled: Int64 { quantity - leaves }
  var isBuy: Bool { side == UInt8(GANTRY_BUY) }
  var isReduceOnly: Bool { flags & UInt16(GANTRY_ORDER_REDUCE_ONLY) != 0 }
  var isPostOnly: Bool { flags & UInt16(GANTRY_ORDER_POST_ONLY) != 0 }
  var hasLimit: Bool { type == UInt8(GANTRY_ORDER_LIMIT) || type == UInt8(GANTRY_ORDER_STOP_LIMIT) }
  var hasStop: Bool { type == UInt8(GANTRY_ORDER_STOP) || type == UInt8(GANTRY_ORDER_STOP_LIMIT) }
  var isImmediate: Bool { timeInForce == UInt8(GANTRY_IOC) || timeInForce == UInt8(GANTRY_FOK) }
  var isAllOrNothing: Bool { timeInForce == UInt8(GANTRY_FOK) }
  var hasExpiry: Bool { timeInForce == UInt8(GANTRY_GTD) }

  /// No quote has met it yet, so it takes liquidity when it fills.
  var isFresh: Bool {
    get { bits & OpenOrder.fresh != 0 }
    set { bits = newValue ? bits | OpenOrder.fresh : bits & ~OpenOrder.fresh }
  }
  var isTriggered: Bool {
    get { bits & OpenOrder.triggered != 0 }
    set { bits = newValue ? bits | OpenOrder.triggered : bits & ~OpenOrder.triggered }
  }
  /// Done; it is taken out of the table at the end of the event.
  var isFinished: Bool {
    get { bits & OpenOrder.finished != 0 }
    set { bits = newValue ? bits | OpenOrder.finished : bits & ~OpenOrder.finished }
  }

  /// Whether its numbers make sense for an instrument. `nowNs` bounds the expiry.
  func isValid(_ terms: InstrumentTerms, nowNs: Int64) -> Bool {
    guard id != 0, account == 0, quantity > 0, quantity <= OpenOrder.quantityMax, quantity % terms.lotSize == 0,
      side == UInt8(GANTRY_BUY) || side == UInt8(GANTRY_SELL),
      type >= UInt8(GANTRY_ORDER_MARKET), type <= UInt8(GANTRY_ORDER_STOP_LIMIT),
      timeInForce >= UInt8(GANTRY_GTC), timeInForce <= UInt8(GANTRY_GTD),
      !hasLimit || (price > 0 && price % terms.tickSize == 0),
      !hasStop || (stopPrice > 0 && stopPrice % terms.tickSize == 0),
      !hasExpiry || expireNs > nowNs
    else { return false }
    return !isPostOnly || (type == UInt8(GANTRY_ORDER_LIMIT) && !isImmediate)
  }

  /// Sums of a position and an order stay far from the end of 64 bits.
  static var quantityMax: Int64 { 1 << 60 }
}

/// The open orders of an account in the order of their arrival, in memory of its own.
struct OrderTable {
  private(set) var orders: UnsafeMutablePointer<OpenOrder>
  private(set) var count = 0
  private(set) var capacity: Int

  init() {
    orders = UnsafeMutablePointer<OpenOrder>.allocate(capacity: 1)
    capacity = 0
  }

  mutating func setCapacity(_ capacity: Int) {
    orders.deallocate()
    orders = UnsafeMutablePointer<OpenOrder>.allocate(capacity: max(capacity, 1))
    self.capacity = capacity
    count = 0
  }

  func destroy() { orders.deallocate() }

  var isFull: Bool { count == capacity }

  mutating func append(_ order: OpenOrder) {
    (orders + count).initialize(to: order)
    count += 1
  }

  func find(_ id: UInt64) -> UnsafeMutablePointer<OpenOrder>? {
    for index in 0..<count where orders[index].id == id && !orders[index].isFinished { return orders + index }
    return nil
  }

  /// Closes the gaps that finished orders left.
  mutating func compact() {
    var kept = 0
    for index in 0..<count where !orders[index].isFinished {
      if kept != index { orders[kept] = orders[index] }
      kept += 1
    }
    count = kept
  }
}
