import CGantry
import GantrySDK

/// The limits as they were written, and what to do when one is hit. Absent means no limit.
struct Bounds {
  enum P {
    static var maxPosition: Int { 0 }
    static var maxOrder: Int { 1 }
    static var maxNotional: Int { 2 }
    static var ordersPerSecond: Int { 3 }
    static var priceBand: Int { 4 }
    static var maxDailyLoss: Int { 5 }
    static var dayStart: Int { 6 }
    static var maxDrawdown: Int { 7 }
    static var equity: Int { 8 }
    static var maxOpenOrders: Int { 9 }
    static var allowReduce: Int { 10 }
    static var onBreach: Int { 11 }
    static var reset: Int { 12 }
  }

  static var parameters: [Parameter] {
    [
      Parameter(
        "max_position", .decimal, live: true, minimum: 0, unit: "instrument units",
        help: "largest position of an instrument, long or short, counting all orders on their way as filled"),
      Parameter("max_order", .decimal, live: true, minimum: 0, unit: "instrument units", help: "largest quantity of one order"),
      Parameter(
        "max_notional", .decimal, live: true, minimum: 0, unit: "account currency", help: "largest value of all positions and orders on their way together"),
      Parameter("orders_per_second", .integer, minimum: 1, maximum: 10_000, help: "new orders and changes in any second of event time"),
      Parameter(
        "price_band", .number, live: true, minimum: 0, aboveMinimum: true, maximum: 1, unit: "of the mid price",
        help: "how far a limit or stop price may be from the last mid; needs ticks"),
      Parameter(
        "max_daily_loss", .decimal, live: true, minimum: 0, aboveMinimum: true, unit: "account currency",
        help: "loss since day_start at which only reductions pass; needs executions"),
      Parameter("day_start", .duration, default: "0", minimum: 0, maximum: 86_399, help: "when the trading day begins, after midnight UTC"),
      Parameter(
        "max_drawdown", .number, live: true, minimum: 0, aboveMinimum: true, maximum: 1, unit: "of peak equity",
        help: "fall from the highest equity at which only reductions pass; needs executions"),
      Parameter(
        "equity", .decimal, minimum: 0, aboveMinimum: true, unit: "account currency",
        help: "equity at the start, where no account is connected; in a replay 100000 is assumed"),
      Parameter("max_open_orders", .integer, live: true, minimum: 1, maximum: 4096, help: "orders that may be on their way or resting; needs executions"),
      Parameter("allow_reduce", .bool, default: "true", help: "reduce-only orders pass every limit"),
      Parameter(
        "on_breach", .choice, default: "reject", choices: ["reject", "halt"],
        help: "halt: after the first refusal only reductions pass, until `reset` changes or, after max_daily_loss, the next day starts"),
      Parameter("reset", .integer, default: "0", live: true, help: "change it to lift a halt and to measure the drawdown from now on"),
    ]
  }

  var maxPosition: Decimal?
  var maxOrder: Decimal?
  var maxNotional: Decimal?
  var ordersPerSecond: Int64?
  /// In billionths of the mid price.
  var priceBandBillionths: Int64?
  var maxDailyLoss: Decimal?
  var dayStartNs: Int64 = 0
  /// In billionths of the peak.
  var maxDrawdownBillionths: Int64?
  var equity: Decimal?
  var maxOpenOrders: Int64?
  var allowsReduce = true
  var haltsOnBreach = false
  var reset: Int64 = 0

  init() {}

  init(_ value: (Int) -> gantry_value) throws(Failure) {
    func decimal(_ index: Int) -> Decimal? {
      let value = value(index)
      return value.is_set == 0 ? nil : Decimal(mantissa: value.integer, digits: value.digits)
    }
    func integer(_ index: Int) -> Int64? { value(index).is_set == 0 ? nil : value(index).integer }
    func number(_ index: Int) -> Double? { value(index).is_set == 0 ? nil : value(index).number }
    maxPosition = decimal(P.maxPosition)
    maxOrder = decimal(P.maxOrder)
    maxNotional = decimal(P.maxNotional)
    ordersPerSecond = integer(P.ordersPerSecond)
    maxDailyLoss = decimal(P.maxDailyLoss)
    dayStartNs = value(P.dayStart).integer
    equity = decimal(P.equity)
    maxOpenOrders = integer(P.maxOpenOrders)
    allowsReduce = value(P.allowReduce).integer != 0
    haltsOnBreach = value(P.onBreach).integer == 1
    reset = value(P.reset).integer
    priceBandBillionths = try number(P.priceBand).map { (share) throws(Failure) in try Bounds.billionths(share, "price_band") }
    maxDrawdownBillionths = try number(P.maxDrawdown).map { (share) throws(Failure) in try Bounds.billionths(share, "max_drawdown") }
  }

  /// A share as an integer, so that comparing with it is exact.
  private static func billionths(_ share: Double, _ name: StaticString) throws(Failure) -> Int64 {
    let billionths = Int64(share * 1e9 + 0.5)
    guard billionths > 0 else { throw Failure.invalid("\(name) is below one billionth; nothing could ever be traded") }
    return billionths
  }

  var needsMoney: Bool { maxDailyLoss != nil || maxDrawdownBillionths != nil }
  var isEmpty: Bool {
    maxPosition == nil && maxOrder == nil && maxNotional == nil && ordersPerSecond == nil && priceBandBillionths == nil
      && maxOpenOrders == nil && !needsMoney
  }
}

/// The limits' names, as alerts say them and as alert codes count them.
enum Alarm: UInt32 {
  case none = 0, invalid, maxPosition, maxOrder, maxNotional, ordersPerSecond, priceBand, maxDailyLoss
  case maxDrawdown, maxOpenOrders, halted, range, position

  var name: StaticString {
    switch self {
    case .none: "none"
    case .invalid: "invalid"
    case .maxPosition: "max_position"
    case .maxOrder: "max_order"
    case .maxNotional: "max_notional"
    case .ordersPerSecond: "orders_per_second"
    case .priceBand: "price_band"
    case .maxDailyLoss: "max_daily_loss"
    case .maxDrawdown: "max_drawdown"
    case .maxOpenOrders: "max_open_orders"
    case .halted: "halted"
    case .range: "range"
    case .position: "position"
    }
  }
}
