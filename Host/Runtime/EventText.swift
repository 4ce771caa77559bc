import CGantry
import GantryBase
import GantryGraph

/// The fields of an event as names and text, for `gantry test` and for people. Exact numbers are
/// decimal text in the instrument's scale, doubles the shortest text that reads back the same.
public struct EventText: Sendable {
  private let graph: Graph

  public init(graph: Graph) { self.graph = graph }

  /// - Parameters:
  ///   - bytes: one event, header first, as a port emitted it
  ///   - columns: of a FEATURES port
  public func fields(_ type: EventType, _ bytes: [UInt8], arena: [UInt8] = [], columns: [String] = []) -> [(name: String, text: String)] {
    bytes.withUnsafeBytes { raw in
      guard raw.count >= MemoryLayout<gantry_header>.size else { return [] }
      let header = raw.loadUnaligned(as: gantry_header.self)
      let instrument = header.instrument >= 1 && Int(header.instrument) <= graph.instruments.count ? graph.instruments[Int(header.instrument) - 1] : nil
      var fields: [(String, String)] = [("event_ns", String(header.event_ns)), ("chain", String(header.chain))]
      if let instrument { fields.append(("instrument", instrument.symbol)) }
      return fields + payload(type, raw, arena, columns, instrument)
    }
  }

  private func payload(
    _ type: EventType, _ raw: UnsafeRawBufferPointer, _ arena: [UInt8], _ columns: [String], _ instrument: Instrument?
  ) -> [(String, String)] {
    func load<Event>(_ type: Event.Type) -> Event? {
      raw.count >= MemoryLayout<Event>.size ? raw.loadUnaligned(as: Event.self) : nil
    }
    func price(_ value: Int64) -> String { exactText(value, digits: instrument?.priceDigits ?? 0) }
    func quantity(_ value: Int64) -> String { exactText(value, digits: instrument?.quantityDigits ?? 0) }
    func cash(_ value: Int64) -> String {
      let currency = graph.currencies.first { $0.code == instrument?.quote }
      return exactText(value, digits: currency?.digits ?? 2)
    }
    switch type {
    case .tick:
      guard let event = load(gantry_tick.self) else { return [] }
      return [("bid", "\(event.bid)"), ("ask", "\(event.ask)"), ("bid_size", "\(event.bid_size)"), ("ask_size", "\(event.ask_size)")]
    case .trade:
      guard let event = load(gantry_trade.self) else { return [] }
      return [("price", "\(event.price)"), ("size", "\(event.size)"), ("side", Self.side(event.aggressor))]
    case .bar:
      guard let event = load(gantry_bar.self) else { return [] }
      return [
        ("start_ns", "\(event.start_ns)"), ("open", "\(event.open)"), ("high", "\(event.high)"), ("low", "\(event.low)"),
        ("close", "\(event.close)"), ("volume", "\(event.volume)"), ("ticks", "\(event.ticks)"),
      ]
    case .features:
      let count = (raw.count - MemoryLayout<gantry_header>.size) / 8
      return (0..<count).map { index in
        (index < columns.count ? columns[index] : "column_\(index)", "\(raw.loadUnaligned(fromByteOffset: 32 + 8 * index, as: Double.self))")
      }
    case .prediction:
      guard let event = load(gantry_prediction.self) else { return [] }
      return [("value", "\(event.value)"), ("probability", "\(event.probability)"), ("label", "\(event.label)"), ("model", "\(event.model)")]
    case .signal:
      guard let event = load(gantry_signal.self) else { return [] }
      return [("strength", "\(event.strength)"), ("price", "\(event.price)"), ("stop", "\(event.stop)"), ("target", "\(event.target)")]
    case .order:
      guard let event = load(gantry_order.self) else { return [] }
      return [
        ("order_id", "\(event.order_id)"), ("action", Self.name(event.action, ["new", "modify", "cancel"])), ("side", Self.side(UInt32(event.side))),
        ("order_type", Self.name(event.order_type, ["market", "limit", "stop", "stop_limit"])),
        ("time_in_force", Self.name(event.time_in_force, ["gtc", "ioc", "fok", "gtd"])), ("quantity", quantity(event.quantity)),
        ("price", price(event.price)), ("stop_price", price(event.stop_price)), ("target_id", "\(event.target_id)"),
        ("reduce_only", event.flags & GANTRY_ORDER_REDUCE_ONLY != 0 ? "true" : "false"),
      ]
    case .execution:
      guard let event = load(gantry_execution.self) else { return [] }
      return [
        ("order_id", "\(event.order_id)"),
        ("kind", Self.name(event.kind, ["accepted", "rejected", "fill", "cancelled", "modified", "expired", "triggered"])),
        ("side", Self.side(UInt32(event.side))), ("quantity", quantity(event.quantity)), ("price", price(event.price)),
        ("leaves", quantity(event.leaves)), ("cumulative", quantity(event.cumulative)), ("position", quantity(event.position)),
        ("commission", cash(event.commission)), ("profit", cash(event.profit)),
        ("reason", Self.name(UInt8(truncatingIfNeeded: event.reason), Self.reasons, offset: 0)),
      ]
    case .account:
      guard let event = load(gantry_account.self) else { return [] }
      let digits = Int(event.currency) < graph.currencies.count ? graph.currencies[Int(event.currency)].digits : 2
      return [
        ("balance", exactText(event.balance, digits: digits)), ("equity", exactText(event.equity, digits: digits)),
        ("unrealised", exactText(event.unrealised, digits: digits)), ("commission", exactText(event.commission, digits: digits)),
        ("fills", "\(event.fills)"),
      ]
    case .alert:
      guard let event = load(gantry_alert.self) else { return [] }
      let end = event.offset &+ UInt64(event.length)
      let text = end <= UInt64(arena.count) && end >= event.offset ? String(decoding: arena[Int(event.offset)..<Int(end)], as: UTF8.self) : ""
      return [("severity", Self.name(UInt8(truncatingIfNeeded: event.severity), ["trace", "debug", "info", "warning", "error"], offset: 0)), ("code", "\(event.code)"), ("text", text)]
    case .any, .book, .news, .calendar, .blob: return []
    }
  }

  private static let reasons = [
    "none", "unknown_order", "unknown_instrument", "invalid", "no_market", "risk", "halted", "funds", "unfilled",
    "requested", "expired", "post_only", "reduce_only",
  ]

  private static func side(_ value: UInt32) -> String { value == GANTRY_BUY ? "buy" : value == GANTRY_SELL ? "sell" : "none" }

  private static func name(_ value: UInt8, _ names: [String], offset: Int = 1) -> String {
    let index = Int(value) - offset
    return names.indices.contains(index) ? names[index] : "\(value)"
  }
}
