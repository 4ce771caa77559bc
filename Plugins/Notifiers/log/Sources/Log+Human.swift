import CGantry
import GantrySDK

/// Lines for people:
///
///     2014-05-01 04:00:01.292  broker  fill       buy 10000 EURUSD @ 1.38712  position 10000  profit 0.00 USD  order 3  chain 1/57
extension Log {
  mutating func human(_ batch: borrowing Batch, _ index: Int) {
    let header = batch.header(index).pointee
    line.append(timeOf: header, separator: 32, decimals: 3)
    line.append("  ")
    let start = line.count
    names.appendNode(batch.edge, to: &line)
    line.pad(to: start + names.edgeWidth + 2)
    switch batch.type {
    case GANTRY_ORDER: humanOrder(batch.event(index, as: gantry_order.self).pointee)
    case GANTRY_EXECUTION: humanExecution(batch.event(index, as: gantry_execution.self).pointee)
    case GANTRY_ACCOUNT: humanAccount(batch.event(index, as: gantry_account.self).pointee)
    case GANTRY_ALERT:
      let alert = batch.event(index, as: gantry_alert.self).pointee
      title(EventName.severity(alert.severity))
      line.append(printable: batch.bytes(offset: alert.offset, length: UInt64(alert.length)))
    case GANTRY_NEWS:
      let news = batch.event(index, as: gantry_news.self).pointee
      title("news")
      line.append(printable: batch.bytes(offset: news.offset, length: UInt64(news.headline)))
    case GANTRY_CALENDAR:
      let entry = batch.event(index, as: gantry_calendar.self).pointee
      title("calendar")
      line.append(printable: batch.bytes(offset: entry.offset, length: UInt64(entry.length)))
      field("actual", entry.actual)
      field("forecast", entry.forecast)
      field("previous", entry.previous)
    case GANTRY_FEATURES: humanFeatures(batch, index)
    default: humanMarket(batch, index)
    }
    line.append("  chain ")
    line.append(UInt64(header.origin))
    line.append(byte: UInt8(ascii: "/"))
    line.append(header.chain)
  }

  private mutating func humanMarket(_ batch: borrowing Batch, _ index: Int) {
    let instrument = names.instrument(batch.header(index).pointee.instrument)
    let digits = Int(instrument?.priceDigits ?? 5)
    title(EventName.name(batch.type))
    symbol(instrument)
    switch batch.type {
    case GANTRY_TICK:
      let tick = batch.event(index, as: gantry_tick.self).pointee
      line.append(byte: 32)
      line.append(tick.bid, decimals: digits)
      line.append(" / ")
      line.append(tick.ask, decimals: digits)
    case GANTRY_TRADE:
      let trade = batch.event(index, as: gantry_trade.self).pointee
      line.append(byte: 32)
      line.append(shortest: trade.size)
      line.append(" @ ")
      line.append(trade.price, decimals: digits)
    case GANTRY_BAR:
      let bar = batch.event(index, as: gantry_bar.self).pointee
      price("open", bar.open, digits)
      price("high", bar.high, digits)
      price("low", bar.low, digits)
      price("close", bar.close, digits)
      line.append("  ticks ")
      line.append(bar.ticks)
    case GANTRY_PREDICTION:
      let prediction = batch.event(index, as: gantry_prediction.self).pointee
      field("value", prediction.value)
      field("probability", prediction.probability)
    case GANTRY_SIGNAL:
      let signal = batch.event(index, as: gantry_signal.self).pointee
      field("strength", signal.strength)
      price("price", signal.price, digits)
      price("stop", signal.stop, digits)
      price("target", signal.target, digits)
    case GANTRY_BOOK:
      let book = batch.event(index, as: gantry_book.self).pointee
      line.append("  bids ")
      line.append(UInt64(book.bids))
      line.append("  asks ")
      line.append(UInt64(book.asks))
    case GANTRY_BLOB:
      line.append("  bytes ")
      line.append(batch.event(index, as: gantry_blob.self).pointee.length)
    default: break
    }
  }

  private mutating func humanFeatures(_ batch: borrowing Batch, _ index: Int) {
    title("features")
    symbol(names.instrument(batch.header(index).pointee.instrument))
    let columns = batch.columns(index)
    let count = batch.schema.columnCount
    for column in 0..<min(count, 12) {
      line.append("  ")
      line.append(batch.schema.column(column))
      line.append(byte: 32)
      line.append(shortest: columns[column])
    }
    if count > 12 { line.append("  ...") }
  }

  private mutating func humanOrder(_ order: gantry_order) {
    let instrument = names.instrument(order.header.instrument)
    title(UInt32(order.action) == GANTRY_ORDER_NEW ? "order" : EventName.action(order.action))
    if UInt32(order.action) == GANTRY_ORDER_CANCEL {
      line.append("order ")
      line.append(order.target_id)
      line.append(byte: 32)
      symbol(instrument)
      line.append("  by ")
      return line.append(order.order_id)
    }
    line.append(EventName.side(order.side))
    line.append(byte: 32)
    line.append(trimmed: order.quantity, digits: instrument?.quantityDigits ?? 0)
    line.append(byte: 32)
    symbol(instrument)
    line.append(byte: 32)
    line.append(EventName.orderType(order.order_type))
    if order.price != 0 {
      line.append(" @ ")
      line.append(order.price, digits: instrument?.priceDigits ?? 0)
    }
    if order.stop_price != 0 {
      line.append(" stop ")
      line.append(order.stop_price, digits: instrument?.priceDigits ?? 0)
    }
    line.append(byte: 32)
    line.append(EventName.timeInForce(order.time_in_force))
    if order.flags & GANTRY_ORDER_REDUCE_ONLY != 0 { line.append(" reduce_only") }
    if order.flags & GANTRY_ORDER_POST_ONLY != 0 { line.append(" post_only") }
    if order.target_id != 0 {
      line.append("  of order ")
      line.append(order.target_id)
    }
    line.append("  order ")
    line.append(order.order_id)
  }

  private mutating func humanExecution(_ execution: gantry_execution) {
    let instrument = names.instrument(execution.header.instrument)
    title(EventName.executionKind(execution.kind))
    line.append(EventName.side(execution.side))
    line.append(byte: 32)
    if UInt32(execution.kind) == GANTRY_EXEC_FILL {
      line.append(trimmed: execution.quantity, digits: instrument?.quantityDigits ?? 0)
      line.append(byte: 32)
      symbol(instrument)
      line.append(" @ ")
      line.append(execution.price, digits: instrument?.priceDigits ?? 0)
      line.append("  position ")
      line.append(trimmed: execution.position, digits: instrument?.quantityDigits ?? 0)
      cash("profit", execution.profit, instrument)
      if execution.commission != 0 { cash("commission", execution.commission, instrument) }
      if execution.leaves != 0 { quantity("leaves", execution.leaves, instrument) }
    } else {
      symbol(instrument)
      if execution.leaves != 0 { quantity("leaves", execution.leaves, instrument) }
      if execution.reason != GANTRY_REASON_NONE {
        line.append("  reason ")
        line.append(EventName.reason(execution.reason))
      }
    }
    line.append("  order ")
    line.append(execution.order_id)
  }

  private mutating func humanAccount(_ account: gantry_account) {
    title("account")
    let currency = host.currency(account.currency)
    let digits = currency?.digits ?? 2
    line.append("equity ")
    line.append(account.equity, digits: digits)
    line.append("  balance ")
    line.append(account.balance, digits: digits)
    line.append("  open ")
    line.append(account.unrealised, digits: digits)
    line.append("  commission ")
    line.append(account.commission, digits: digits)
    line.append("  exposure ")
    line.append(account.exposure, digits: digits)
    if let currency {
      line.append(byte: 32)
      line.append(TextView(currency.code))
    }
    line.append("  fills ")
    line.append(account.fills)
  }

  /// The second column: what the line is about.
  private mutating func title(_ text: StaticString) {
    let start = line.count
    line.append(text)
    line.pad(to: start + 11)
  }

  private mutating func symbol(_ instrument: InstrumentName?) {
    if let instrument { line.append(TextView(instrument.symbol)) } else { line.append("-") }
  }

  /// A number that may be absent.
  private mutating func field(_ name: StaticString, _ value: Double) {
    if value.isNaN { return }
    line.append("  ")
    line.append(name)
    line.append(byte: 32)
    line.append(shortest: value)
  }

  private mutating func price(_ name: StaticString, _ value: Double, _ digits: Int) {
    if value.isNaN { return }
    line.append("  ")
    line.append(name)
    line.append(byte: 32)
    line.append(value, decimals: digits)
  }

  private mutating func quantity(_ name: StaticString, _ value: Int64, _ instrument: InstrumentName?) {
    line.append("  ")
    line.append(name)
    line.append(byte: 32)
    line.append(trimmed: value, digits: instrument?.quantityDigits ?? 0)
  }

  private mutating func cash(_ name: StaticString, _ value: Int64, _ instrument: InstrumentName?) {
    line.append("  ")
    line.append(name)
    line.append(byte: 32)
    line.append(value, digits: instrument?.cashDigits ?? 0)
    if let instrument {
      line.append(byte: 32)
      line.append(TextView(instrument.quote))
    }
  }
}
