import CGantry
import GantrySDK

/// One JSON object a line. Exact numbers are written with all their digits; a number that is not
/// known is null.
extension Log {
  mutating func json(_ batch: borrowing Batch, _ index: Int) {
    let header = batch.header(index).pointee
    line.append("{\"time\":\"")
    line.append(timeOf: header, separator: UInt8(ascii: "T"), decimals: 9)
    line.append("Z\",\"node\":\"")
    names.appendNode(batch.edge, to: &line)
    line.append("\",\"type\":\"")
    line.append(EventName.name(batch.type))
    line.append("\",\"origin\":")
    line.append(UInt64(header.origin))
    line.append(",\"chain\":")
    line.append(header.chain)
    let instrument = names.instrument(header.instrument)
    if let instrument {
      line.append(",\"instrument\":\"")
      line.append(escaped: TextView(instrument.symbol))
      line.append("\"")
    }
    switch batch.type {
    case GANTRY_ORDER: json(batch.event(index, as: gantry_order.self).pointee, instrument)
    case GANTRY_EXECUTION: json(batch.event(index, as: gantry_execution.self).pointee, instrument)
    case GANTRY_ACCOUNT: json(batch.event(index, as: gantry_account.self).pointee)
    case GANTRY_FEATURES: jsonFeatures(batch, index)
    default: jsonOther(batch, index)
    }
    line.append("}")
  }

  private mutating func jsonOther(_ batch: borrowing Batch, _ index: Int) {
    switch batch.type {
    case GANTRY_TICK:
      let tick = batch.event(index, as: gantry_tick.self).pointee
      number("bid", tick.bid)
      number("ask", tick.ask)
      number("bid_size", tick.bid_size)
      number("ask_size", tick.ask_size)
    case GANTRY_TRADE:
      let trade = batch.event(index, as: gantry_trade.self).pointee
      number("price", trade.price)
      number("size", trade.size)
      whole("trade_id", trade.trade_id)
      word("aggressor", EventName.side(UInt8(truncatingIfNeeded: trade.aggressor)))
    case GANTRY_BAR:
      let bar = batch.event(index, as: gantry_bar.self).pointee
      number("open", bar.open)
      number("high", bar.high)
      number("low", bar.low)
      number("close", bar.close)
      number("volume", bar.volume)
      whole("ticks", bar.ticks)
      number("spread", bar.spread)
    case GANTRY_BOOK:
      let book = batch.event(index, as: gantry_book.self).pointee
      whole("bids", UInt64(book.bids))
      whole("asks", UInt64(book.asks))
      whole("sequence", book.sequence)
    case GANTRY_PREDICTION:
      let prediction = batch.event(index, as: gantry_prediction.self).pointee
      number("value", prediction.value)
      number("probability", prediction.probability)
      exact("label", Int64(prediction.label), 0)
      whole("model", UInt64(prediction.model))
    case GANTRY_SIGNAL:
      let signal = batch.event(index, as: gantry_signal.self).pointee
      number("strength", signal.strength)
      number("price", signal.price)
      number("stop", signal.stop)
      number("target", signal.target)
    case GANTRY_ALERT:
      let alert = batch.event(index, as: gantry_alert.self).pointee
      word("severity", EventName.severity(alert.severity))
      whole("code", UInt64(alert.code))
      text("text", batch.bytes(offset: alert.offset, length: UInt64(alert.length)))
    case GANTRY_NEWS:
      let news = batch.event(index, as: gantry_news.self).pointee
      text("headline", batch.bytes(offset: news.offset, length: UInt64(news.headline)))
      number("sentiment", news.sentiment)
      number("impact", news.impact)
    case GANTRY_CALENDAR:
      let entry = batch.event(index, as: gantry_calendar.self).pointee
      text("name", batch.bytes(offset: entry.offset, length: UInt64(entry.length)))
      whole("impact", UInt64(entry.impact))
      number("actual", entry.actual)
      number("forecast", entry.forecast)
      number("previous", entry.previous)
    case GANTRY_BLOB:
      whole("bytes", batch.event(index, as: gantry_blob.self).pointee.length)
    default: break
    }
  }

  private mutating func jsonFeatures(_ batch: borrowing Batch, _ index: Int) {
    line.append(",\"columns\":{")
    let columns = batch.columns(index)
    for column in 0..<batch.schema.columnCount {
      if column > 0 { line.append(byte: UInt8(ascii: ",")) }
      line.append("\"")
      line.append(escaped: batch.schema.column(column))
      line.append("\":")
      line.append(json: columns[column])
    }
    line.append("}")
  }

  private mutating func json(_ order: gantry_order, _ instrument: InstrumentName?) {
    word("action", EventName.action(order.action))
    whole("order", order.order_id)
    if order.target_id != 0 { whole("target", order.target_id) }
    word("side", EventName.side(order.side))
    exact("quantity", order.quantity, instrument?.quantityDigits ?? 0)
    word("order_type", EventName.orderType(order.order_type))
    if order.price != 0 { exact("price", order.price, instrument?.priceDigits ?? 0) }
    if order.stop_price != 0 { exact("stop_price", order.stop_price, instrument?.priceDigits ?? 0) }
    word("time_in_force", EventName.timeInForce(order.time_in_force))
    if order.expire_ns != 0 { exact("expire_ns", order.expire_ns, 0) }
    if order.flags & GANTRY_ORDER_REDUCE_ONLY != 0 { line.append(",\"reduce_only\":true") }
    if order.flags & GANTRY_ORDER_POST_ONLY != 0 { line.append(",\"post_only\":true") }
  }

  private mutating func json(_ execution: gantry_execution, _ instrument: InstrumentName?) {
    word("kind", EventName.executionKind(execution.kind))
    whole("order", execution.order_id)
    whole("execution", execution.execution_id)
    whole("order_origin", UInt64(execution.order_origin))
    whole("order_chain", execution.order_chain)
    word("side", EventName.side(execution.side))
    exact("quantity", execution.quantity, instrument?.quantityDigits ?? 0)
    exact("price", execution.price, instrument?.priceDigits ?? 0)
    exact("leaves", execution.leaves, instrument?.quantityDigits ?? 0)
    exact("cumulative", execution.cumulative, instrument?.quantityDigits ?? 0)
    exact("commission", execution.commission, instrument?.cashDigits ?? 0)
    exact("profit", execution.profit, instrument?.cashDigits ?? 0)
    exact("position", execution.position, instrument?.quantityDigits ?? 0)
    word("reason", EventName.reason(execution.reason))
  }

  private mutating func json(_ account: gantry_account) {
    let currency = host.currency(account.currency)
    let digits = currency?.digits ?? 0
    exact("initial", account.initial, digits)
    exact("balance", account.balance, digits)
    exact("equity", account.equity, digits)
    exact("unrealised", account.unrealised, digits)
    exact("commission", account.commission, digits)
    exact("exposure", account.exposure, digits)
    whole("fills", account.fills)
    if let currency {
      key("currency")
      line.append("\"")
      line.append(escaped: TextView(currency.code))
      line.append("\"")
    }
  }

  private mutating func key(_ name: StaticString) {
    line.append(",\"")
    line.append(name)
    line.append("\":")
  }

  private mutating func number(_ name: StaticString, _ value: Double) {
    key(name)
    line.append(json: value)
  }

  private mutating func whole(_ name: StaticString, _ value: UInt64) {
    key(name)
    line.append(value)
  }

  private mutating func exact(_ name: StaticString, _ value: Int64, _ digits: UInt32) {
    key(name)
    line.append(value, digits: digits)
  }

  private mutating func word(_ name: StaticString, _ value: StaticString) {
    key(name)
    line.append("\"")
    line.append(value)
    line.append("\"")
  }

  private mutating func text(_ name: StaticString, _ bytes: UnsafeRawBufferPointer) {
    key(name)
    line.append("\"")
    line.append(escaped: bytes)
    line.append("\"")
  }
}
