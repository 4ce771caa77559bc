import CGantry

/// The payload types of the ABI, so that `send` knows a batch's type.
public protocol ABIEvent {
  static var abiType: UInt32 { get }
  var header: gantry_header { get set }
}

extension gantry_tick: ABIEvent { public static var abiType: UInt32 { 1 } }
extension gantry_trade: ABIEvent { public static var abiType: UInt32 { 2 } }
extension gantry_bar: ABIEvent { public static var abiType: UInt32 { 3 } }
extension gantry_book: ABIEvent { public static var abiType: UInt32 { 4 } }
extension gantry_prediction: ABIEvent { public static var abiType: UInt32 { 6 } }
extension gantry_signal: ABIEvent { public static var abiType: UInt32 { 7 } }
extension gantry_order: ABIEvent { public static var abiType: UInt32 { 8 } }
extension gantry_execution: ABIEvent { public static var abiType: UInt32 { 9 } }
extension gantry_account: ABIEvent { public static var abiType: UInt32 { 10 } }
extension gantry_news: ABIEvent { public static var abiType: UInt32 { 11 } }
extension gantry_calendar: ABIEvent { public static var abiType: UInt32 { 12 } }
extension gantry_alert: ABIEvent { public static var abiType: UInt32 { 13 } }
extension gantry_blob: ABIEvent { public static var abiType: UInt32 { 14 } }

extension gantry_header {
  /// A header with a time and an instrument; the harness fills in the rest.
  public init(eventNs: Int64, instrument: UInt32 = 1) {
    self.init()
    event_ns = eventNs
    self.instrument = instrument
  }
}

extension gantry_tick {
  public init(bid: Double, ask: Double, at eventNs: Int64 = 0, instrument: UInt32 = 1, bidSize: Double = 0, askSize: Double = 0) {
    self.init(header: gantry_header(eventNs: eventNs, instrument: instrument), bid: bid, ask: ask, bid_size: bidSize, ask_size: askSize)
  }
}

extension gantry_prediction {
  public init(value: Double, probability: Double = .nan, at eventNs: Int64 = 0, instrument: UInt32 = 1, model: UInt32 = 0) {
    self.init(
      header: gantry_header(eventNs: eventNs, instrument: instrument), value: value, probability: probability,
      horizon_ns: 0, model: model, label: -1)
  }
}

/// One row of a FEATURES edge.
public struct FeatureRow {
  public var header: gantry_header
  public var columns: [Double]
  public init(_ columns: [Double], at eventNs: Int64 = 0, instrument: UInt32 = 1) {
    header = gantry_header(eventNs: eventNs, instrument: instrument)
    self.columns = columns
  }
}

/// Bytes from one event to the next; nil for FEATURES, whose rows depend on the columns.
func stride(ofType type: UInt32) -> Int? {
  switch type {
  case 1: MemoryLayout<gantry_tick>.stride
  case 2: MemoryLayout<gantry_trade>.stride
  case 3: MemoryLayout<gantry_bar>.stride
  case 4: MemoryLayout<gantry_book>.stride
  case 6: MemoryLayout<gantry_prediction>.stride
  case 7: MemoryLayout<gantry_signal>.stride
  case 8: MemoryLayout<gantry_order>.stride
  case 9: MemoryLayout<gantry_execution>.stride
  case 10: MemoryLayout<gantry_account>.stride
  case 11: MemoryLayout<gantry_news>.stride
  case 12: MemoryLayout<gantry_calendar>.stride
  case 13: MemoryLayout<gantry_alert>.stride
  case 14: MemoryLayout<gantry_blob>.stride
  default: nil
  }
}

/// One committed row of one output port, with the header as the host would deliver it.
public struct HarnessOutput: Sendable {
  public var port: String
  public var portIndex: Int
  public var type: UInt32
  /// The index of the input it was caused by.
  public var cause: Int
  /// Header and payload.
  public var bytes: [UInt8]
  /// The names of the columns of a FEATURES port.
  public var columnNames: [String]
  var arena: [UInt8]

  public var header: gantry_header { bytes.withUnsafeBytes { $0.loadUnaligned(as: gantry_header.self) } }

  /// The row as the payload type of its port; a precondition checks that it is that type.
  public func decoded<Event: ABIEvent>(as event: Event.Type) -> Event {
    precondition(type == Event.abiType, "port \(port) carries type \(type), not \(Event.self)")
    return bytes.withUnsafeBytes { $0.loadUnaligned(as: Event.self) }
  }

  public var tick: gantry_tick { decoded(as: gantry_tick.self) }
  public var trade: gantry_trade { decoded(as: gantry_trade.self) }
  public var bar: gantry_bar { decoded(as: gantry_bar.self) }
  public var prediction: gantry_prediction { decoded(as: gantry_prediction.self) }
  public var signal: gantry_signal { decoded(as: gantry_signal.self) }
  public var order: gantry_order { decoded(as: gantry_order.self) }
  public var execution: gantry_execution { decoded(as: gantry_execution.self) }
  public var account: gantry_account { decoded(as: gantry_account.self) }
  public var alert: gantry_alert { decoded(as: gantry_alert.self) }

  /// The columns of a FEATURES row.
  public var columns: [Double] {
    bytes.withUnsafeBytes { raw in
      Swift.stride(from: MemoryLayout<gantry_header>.size, to: raw.count, by: 8).map {
        raw.loadUnaligned(fromByteOffset: $0, as: Double.self)
      }
    }
  }

  /// One column by name, or nil.
  public func column(_ name: String) -> Double? { columnNames.firstIndex(of: name).map { columns[$0] } }

  /// The text of an alert.
  public var text: String {
    let alert = self.alert
    return String(decoding: arenaBytes(alert.offset, UInt64(alert.length)), as: UTF8.self)
  }

  /// Bytes of the port's arena, checked against its length.
  public func arenaBytes(_ offset: UInt64, _ length: UInt64) -> ArraySlice<UInt8> {
    precondition(offset <= UInt64(arena.count) && length <= UInt64(arena.count) - offset, "outside the arena")
    return arena[Int(offset)..<Int(offset + length)]
  }
}
