import CGantry
import GantrySDK

/// The words of the ABI's numbers, in the order of the numbers.
enum EventName {
  static func name(_ type: UInt32) -> StaticString {
    switch type {
    case GANTRY_TICK: "tick"
    case GANTRY_TRADE: "trade"
    case GANTRY_BAR: "bar"
    case GANTRY_BOOK: "book"
    case GANTRY_FEATURES: "features"
    case GANTRY_PREDICTION: "prediction"
    case GANTRY_SIGNAL: "signal"
    case GANTRY_ORDER: "order"
    case GANTRY_EXECUTION: "execution"
    case GANTRY_ACCOUNT: "account"
    case GANTRY_NEWS: "news"
    case GANTRY_CALENDAR: "calendar"
    case GANTRY_ALERT: "alert"
    case GANTRY_BLOB: "blob"
    default: "event"
    }
  }

  static func type(_ name: TextView) -> UInt32? {
    for type in GANTRY_TICK..<GANTRY_TYPE_COUNT where name == EventName.name(type) { return type }
    return nil
  }

  static func side(_ side: UInt8) -> StaticString {
    switch UInt32(side) {
    case GANTRY_BUY: "buy"
    case GANTRY_SELL: "sell"
    default: "none"
    }
  }

  static func action(_ action: UInt8) -> StaticString {
    switch UInt32(action) {
    case GANTRY_ORDER_NEW: "new"
    case GANTRY_ORDER_MODIFY: "modify"
    case GANTRY_ORDER_CANCEL: "cancel"
    default: "unknown"
    }
  }

  static func orderType(_ type: UInt8) -> StaticString {
    switch UInt32(type) {
    case GANTRY_ORDER_MARKET: "market"
    case GANTRY_ORDER_LIMIT: "limit"
    case GANTRY_ORDER_STOP: "stop"
    case GANTRY_ORDER_STOP_LIMIT: "stop_limit"
    default: "none"
    }
  }

  static func timeInForce(_ value: UInt8) -> StaticString {
    switch UInt32(value) {
    case GANTRY_GTC: "gtc"
    case GANTRY_IOC: "ioc"
    case GANTRY_FOK: "fok"
    case GANTRY_GTD: "gtd"
    default: "none"
    }
  }

  static func executionKind(_ kind: UInt8) -> StaticString {
    switch UInt32(kind) {
    case GANTRY_EXEC_ACCEPTED: "accepted"
    case GANTRY_EXEC_REJECTED: "rejected"
    case GANTRY_EXEC_FILL: "fill"
    case GANTRY_EXEC_CANCELLED: "cancelled"
    case GANTRY_EXEC_MODIFIED: "modified"
    case GANTRY_EXEC_EXPIRED: "expired"
    case GANTRY_EXEC_TRIGGERED: "triggered"
    default: "unknown"
    }
  }

  /// The kind that `execution.fill` and the like name.
  static func executionKind(_ name: TextView) -> UInt32? {
    let prefix: StaticString = "execution."
    guard name.hasPrefix(prefix) else { return nil }
    for kind in GANTRY_EXEC_ACCEPTED...GANTRY_EXEC_TRIGGERED {
      let word = executionKind(UInt8(kind))
      guard name.count == prefix.utf8CodeUnitCount + word.utf8CodeUnitCount else { continue }
      var isSame = true
      for index in 0..<word.utf8CodeUnitCount where name[prefix.utf8CodeUnitCount + index] != word.utf8Start[index] { isSame = false }
      if isSame { return kind }
    }
    return nil
  }

  static func reason(_ reason: UInt32) -> StaticString {
    switch reason {
    case GANTRY_REASON_NONE: "none"
    case GANTRY_REASON_UNKNOWN_ORDER: "unknown_order"
    case GANTRY_REASON_UNKNOWN_INSTRUMENT: "unknown_instrument"
    case GANTRY_REASON_INVALID: "invalid"
    case GANTRY_REASON_NO_MARKET: "no_market"
    case GANTRY_REASON_RISK: "risk"
    case GANTRY_REASON_HALTED: "halted"
    case GANTRY_REASON_FUNDS: "funds"
    case GANTRY_REASON_UNFILLED: "unfilled"
    case GANTRY_REASON_REQUESTED: "requested"
    case GANTRY_REASON_EXPIRED: "expired"
    case GANTRY_REASON_POST_ONLY: "post_only"
    case GANTRY_REASON_REDUCE_ONLY: "reduce_only"
    default: "unknown"
    }
  }

  static func severity(_ severity: UInt32) -> StaticString {
    switch severity {
    case 0: "trace"
    case 1: "debug"
    case 2: "info"
    case 3: "warning"
    default: "error"
    }
  }
}

/// How one instrument is written. Its texts live as long as the instance.
struct InstrumentName: BitwiseCopyable {
  var symbol: gantry_string
  var quote: gantry_string
  var priceDigits: UInt32
  var quantityDigits: UInt32
  var cashDigits: UInt32
}

/// Instruments by id and source nodes by edge.
struct Names {
  private var instruments = UnsafeMutablePointer<InstrumentName>.allocate(capacity: 1)
  private(set) var instrumentCount = 0
  private var edges: [Text] = []
  private(set) var edgeWidth = 0

  func destroy() { instruments.deallocate() }

  mutating func read(_ configuration: borrowing Configuration, _ host: Host) throws(Failure) {
    instruments.deallocate()
    instrumentCount = configuration.instrumentCount
    instruments = UnsafeMutablePointer<InstrumentName>.allocate(capacity: max(instrumentCount, 1))
    for slot in 0..<instrumentCount {
      guard let instrument = host.instrument(UInt32(slot + 1)), let quote = host.currency(instrument.quote_currency) else {
        throw Failure.bug("log: the host does not know instrument \(slot + 1) of its own table")
      }
      (instruments + slot).initialize(
        to: InstrumentName(
          symbol: instrument.symbol, quote: instrument.quote, priceDigits: instrument.price_digits,
          quantityDigits: instrument.quantity_digits, cashDigits: quote.digits))
    }
    edges = []
    for index in 0..<configuration.inputCount {
      let edge = Int(configuration.input(index).edge)
      while edges.count <= edge { edges.append("") }
      edges[edge] = Text(TextView(configuration.input(index).from_node))
    }
    for edge in edges { edgeWidth = max(edgeWidth, edge.bytes.count) }
  }

  func instrument(_ id: UInt32) -> InstrumentName? {
    id > 0 && Int(id) <= instrumentCount ? instruments[Int(id) - 1] : nil
  }

  /// Appends the name of the node at the other end of an edge.
  func appendNode(_ edge: Int, to line: inout LaneText) {
    guard edge < edges.count else { return line.append("?") }
    edges[edge].bytes.withUnsafeBytes { line.append(bytes: $0) }
  }
}
