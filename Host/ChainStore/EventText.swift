import CGantry
import GantryBase
import GantryTrace

/// Events in words: prices, quantities and cash at their own scale, nothing rounded.
struct EventText {
  let meta: TraceMeta

  func event(_ detail: HopDetail, columns: [String]?) -> ChainTree.Event {
    let instrument =
      detail.instrument >= 1 && Int(detail.instrument) <= meta.instruments.count
      ? meta.instruments[Int(detail.instrument) - 1] : nil
    let type = EventType(rawValue: UInt32(detail.eventType))
    var event = ChainTree.Event(
      type: type?.name ?? "type \(detail.eventType)", isOutput: detail.isOutput, instrument: instrument?.symbol, fields: [:], text: "")
    var line = Line(symbol: instrument?.symbol)
    switch type {
    case .tick: tick(decodePayload(detail.payload, gantry_tick()), &line)
    case .trade: trade(decodePayload(detail.payload, gantry_trade()), &line)
    case .bar: bar(decodePayload(detail.payload, gantry_bar()), &line)
    case .features: features(detail.payload, columns, &line)
    case .prediction: prediction(decodePayload(detail.payload, gantry_prediction()), &line)
    case .signal: signal(decodePayload(detail.payload, gantry_signal()), &line)
    case .order: event.order = order(decodePayload(detail.payload, gantry_order()), instrument, &line)
    case .execution: event.order = execution(decodePayload(detail.payload, gantry_execution()), instrument, &line)
    case .account: account(decodePayload(detail.payload, gantry_account()), &line)
    case .alert: alert(decodePayload(detail.payload, gantry_alert()), &line)
    default: line.words.append("\(detail.payload.count) bytes")
    }
    event.fields = line.fields
    event.text = line.words.joined(separator: " ")
    return event
  }

  /// The words for people and the fields for programs, side by side.
  private struct Line {
    var symbol: String?
    var words: [String] = []
    var fields: [String: String] = [:]

    mutating func add(_ name: String, _ value: String, word: String? = nil) {
      fields[name] = value
      words.append(word ?? "\(name) \(value)")
    }
    mutating func addSymbol() { if let symbol { words.append(symbol) } }
  }

  // MARK: market data and models

  private func tick(_ tick: gantry_tick, _ line: inout Line) {
    line.addSymbol()
    line.add("bid", "\(tick.bid)")
    line.add("ask", "\(tick.ask)")
    if tick.bid_size > 0 || tick.ask_size > 0 {
      line.add("bid_size", "\(tick.bid_size)", word: "sizes \(tick.bid_size)")
      line.add("ask_size", "\(tick.ask_size)", word: "and \(tick.ask_size)")
    }
  }

  private func trade(_ trade: gantry_trade, _ line: inout Line) {
    line.addSymbol()
    line.add("size", "\(trade.size)", word: "\(trade.size)")
    line.add("price", "\(trade.price)", word: "at \(trade.price)")
  }

  private func bar(_ bar: gantry_bar, _ line: inout Line) {
    line.addSymbol()
    for (name, value) in [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)] {
      line.add(name, "\(value)")
    }
    line.add("ticks", "\(bar.ticks)", word: "of \(bar.ticks) ticks")
  }

  private func features(_ payload: [UInt8], _ columns: [String]?, _ line: inout Line) {
    payload.withUnsafeBytes { bytes in
      for index in 0..<(bytes.count / 8) {
        let value = bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
        let name = columns.flatMap { index < $0.count ? $0[index] : nil } ?? "column_\(index)"
        line.fields[name] = "\(value)"
        if index < 8 { line.words.append("\(name) \(Self.short(value))") }
      }
      if bytes.count / 8 > 8 { line.words.append("and \(bytes.count / 8 - 8) more") }
    }
  }

  private func prediction(_ prediction: gantry_prediction, _ line: inout Line) {
    line.add("value", "\(prediction.value)", word: "value \(Self.short(prediction.value))")
    if !prediction.probability.isNaN {
      line.add("probability", "\(prediction.probability)", word: "probability \(Self.short(prediction.probability))")
    }
    if prediction.label >= 0 { line.add("label", "\(prediction.label)") }
    if prediction.model > 0 {
      let index = Int(prediction.model) - 1
      line.add("model", index < meta.models.count ? meta.models[index] : "#\(prediction.model)")
    }
  }

  private func signal(_ signal: gantry_signal, _ line: inout Line) {
    line.add("strength", "\(signal.strength)")
    for (name, value) in [("price", signal.price), ("stop", signal.stop), ("target", signal.target)] where !value.isNaN {
      line.add(name, "\(value)")
    }
  }

  // MARK: money

  /// Returns the order's id.
  private func order(_ order: gantry_order, _ instrument: Instrument?, _ line: inout Line) -> String {
    let id = String(order.order_id)
    line.add("order", id, word: "#\(id)")
    switch UInt32(order.action) {
    case GANTRY_ORDER_NEW: line.fields["action"] = "new"
    case GANTRY_ORDER_MODIFY: line.add("action", "modify", word: "modify #\(order.target_id)")
    case GANTRY_ORDER_CANCEL:
      line.add("action", "cancel", word: "cancel #\(order.target_id)")
      line.fields["target"] = String(order.target_id)
      return id
    default: line.add("action", "\(order.action)")
    }
    if order.target_id != 0 { line.fields["target"] = String(order.target_id) }
    line.add("side", Self.side(order.side), word: Self.side(order.side))
    let quantity = exactText(order.quantity, instrument?.quantityDigits ?? 0)
    line.add("quantity", quantity, word: quantity)
    line.addSymbol()
    let type = Self.name(UInt32(order.order_type), ["market", "limit", "stop", "stop limit"])
    line.add("type", type, word: type)
    if order.price != 0 {
      let price = exactText(order.price, instrument?.priceDigits ?? 0)
      line.add("price", price, word: price)
    }
    if order.stop_price != 0 {
      let price = exactText(order.stop_price, instrument?.priceDigits ?? 0)
      line.add("stop_price", price, word: "stop \(price)")
    }
    let force = Self.name(UInt32(order.time_in_force), ["gtc", "ioc", "fok", "gtd"])
    if order.time_in_force != 0 { line.add("time_in_force", force, word: force) }
    if order.flags & GANTRY_ORDER_REDUCE_ONLY != 0 { line.add("reduce_only", "true", word: "reduce only") }
    if order.flags & GANTRY_ORDER_POST_ONLY != 0 { line.add("post_only", "true", word: "post only") }
    return id
  }

  /// Returns the id of the order it is about.
  private func execution(_ execution: gantry_execution, _ instrument: Instrument?, _ line: inout Line) -> String {
    let id = String(execution.order_id)
    let kind = Self.name(
      UInt32(execution.kind), ["accepted", "rejected", "fill", "cancelled", "modified", "expired", "triggered"])
    line.add("order", id, word: "#\(id)")
    line.add("kind", kind, word: kind)
    if execution.kind == UInt8(GANTRY_EXEC_FILL) {
      line.add("side", Self.side(execution.side), word: Self.side(execution.side))
      let quantity = exactText(execution.quantity, instrument?.quantityDigits ?? 0)
      line.add("quantity", quantity, word: quantity)
      line.addSymbol()
      let price = exactText(execution.price, instrument?.priceDigits ?? 0)
      line.add("price", price, word: "at \(price)")
      line.add("commission", cash(execution.commission), word: "commission \(cash(execution.commission, named: true))")
      line.add("profit", cash(execution.profit), word: "profit \(cash(execution.profit, named: true))")
      line.add("position", exactText(execution.position, instrument?.quantityDigits ?? 0))
      if execution.leaves != 0 { line.add("leaves", exactText(execution.leaves, instrument?.quantityDigits ?? 0)) }
    } else if execution.reason != 0 {
      let reason = Self.name(
        execution.reason,
        [
          "unknown order", "unknown instrument", "invalid", "no market", "risk", "halted", "funds", "unfilled", "requested",
          "expired", "post only", "reduce only",
        ])
      line.add("reason", reason, word: "because of: \(reason)")
    }
    line.fields["execution"] = String(execution.execution_id)
    return id
  }

  private func account(_ account: gantry_account, _ line: inout Line) {
    for (name, value) in [
      ("equity", account.equity), ("balance", account.balance), ("unrealised", account.unrealised),
      ("commission", account.commission), ("exposure", account.exposure),
    ] {
      line.add(name, cash(value, Int(account.currency)), word: "\(name) \(cash(value, Int(account.currency), named: true))")
    }
  }

  private func alert(_ alert: gantry_alert, _ line: inout Line) {
    line.add("severity", ["trace", "debug", "info", "warning", "error"][min(Int(alert.severity), 4)])
    line.add("code", "\(alert.code)")
  }

  // MARK: numbers

  private func cash(_ value: Int64, _ currency: Int? = nil, named: Bool = false) -> String {
    let index = currency ?? meta.accountCurrency
    guard index >= 0, index < meta.currencies.count else { return exactText(value, 2) }
    let text = exactText(value, meta.currencies[index].digits)
    return named ? "\(text) \(meta.currencies[index].code)" : text
  }

  private static func side(_ side: UInt8) -> String { name(UInt32(side), ["buy", "sell"]) }

  /// The 1-based name, or the number itself.
  private static func name(_ value: UInt32, _ names: [String]) -> String {
    value >= 1 && value <= names.count ? names[Int(value) - 1] : "\(value)"
  }

  /// Six digits that matter; `fields` has all of them.
  static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value.isNaN ? "unknown" : "\(value)" }
    var scale = 1.0
    var decimals = 0
    while decimals < 12, value.magnitude * scale < 100_000 {
      scale *= 10
      decimals += 1
    }
    guard value.magnitude * scale < 1e15 else { return "\(value)" }
    return exactText(Int64((value * scale).rounded()), UInt32(decimals), trimmed: true)
  }
}

/// `value` times 10^-digits as a decimal number.
func exactText(_ value: Int64, _ digits: UInt32, trimmed: Bool = false) -> String {
  let places = Int(min(digits, 18))
  var text = String(value.magnitude)
  if places > 0 {
    if text.count <= places { text = String(repeating: "0", count: places - text.count + 1) + text }
    text.insert(".", at: text.index(text.endIndex, offsetBy: -places))
    if trimmed {
      while text.last == "0" { text.removeLast() }
      if text.last == "." { text.removeLast() }
    }
  }
  return value < 0 ? "-" + text : text
}
