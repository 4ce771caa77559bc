import GantrySDK

/// An order that has passed and is not finished, as far as the broker has said.
struct OpenOrder: BitwiseCopyable {
  var id: UInt64
  /// Index of its instrument.
  var slot: UInt64
  /// Its whole quantity, and what a change on its way would make it.
  var quantity: Int64
  var wished: Int64
  var filled: Int64
  /// The change on its way, 0 = none.
  var changeID: UInt64
  var isBuy: Bool
  var isReduceOnly: Bool

  /// The most that it may still fill.
  var leaves: Int64 { max(max(quantity, wished) - filled, 0) }
}

/// The open orders in memory of its own, oldest first.
struct OrderTable {
  static var capacity: Int { 8192 }

  let orders: UnsafeMutablePointer<OpenOrder>
  private(set) var count = 0

  init() { orders = UnsafeMutablePointer<OpenOrder>.allocate(capacity: OrderTable.capacity) }
  func destroy() { orders.deallocate() }

  var isFull: Bool { count == OrderTable.capacity }

  mutating func append(_ order: OpenOrder) {
    (orders + count).initialize(to: order)
    count += 1
  }

  mutating func removeAll() { count = 0 }

  mutating func remove(_ order: UnsafeMutablePointer<OpenOrder>) {
    let index = order - orders
    count -= 1
    for position in index..<count { orders[position] = orders[position + 1] }
  }

  /// The order of this id. Newest first: that is the one most often asked for.
  func find(_ id: UInt64) -> UnsafeMutablePointer<OpenOrder>? {
    var index = count
    while index > 0 {
      index -= 1
      if orders[index].id == id { return orders + index }
    }
    return nil
  }

  func find(change id: UInt64) -> UnsafeMutablePointer<OpenOrder>? {
    for index in 0..<count where orders[index].changeID == id { return orders + index }
    return nil
  }
}

/// The times of the last orders, for "at most n in any second".
struct RateWindow {
  private(set) var times: UnsafeMutablePointer<Int64>
  private(set) var capacity = 0
  private(set) var next = 0
  private(set) var count = 0

  init() { times = UnsafeMutablePointer<Int64>.allocate(capacity: 1) }
  func destroy() { times.deallocate() }

  /// 0 = no limit.
  mutating func setCapacity(_ capacity: Int) {
    times.deallocate()
    times = UnsafeMutablePointer<Int64>.allocate(capacity: max(capacity, 1))
    times.initialize(repeating: 0, count: max(capacity, 1))
    self.capacity = capacity
    next = 0
    count = 0
  }

  /// Whether one more at `now` keeps within `capacity` in the second that ends with it.
  func allows(_ now: Int64) -> Bool {
    guard capacity > 0, count == capacity else { return true }
    let (age, overflow) = now.subtractingReportingOverflow(times[next])
    return overflow || age >= 1_000_000_000
  }

  mutating func record(_ now: Int64) {
    guard capacity > 0 else { return }
    times[next] = now
    next = next + 1 == capacity ? 0 : next + 1
    if count < capacity { count += 1 }
  }

  mutating func restore(next: Int, count: Int) throws(Failure) {
    guard next >= 0, next < max(capacity, 1), count >= 0, count <= capacity else {
      throw Failure.invalid("the saved order times do not fit together")
    }
    self.next = next
    self.count = count
  }
}
