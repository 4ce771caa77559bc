import GantrySDK

/// The columns, compiled once into a few tables of operations: one table for each kind, so that an
/// event costs a tight loop a kind. Columns that need the same window or the same MACD share it.
///
/// The state of one instrument is a run of `stride` doubles:
/// slot 0 the number of prices seen (as an integer's bits), then the ring of the last prices, then
/// each operation's own slots.
struct Program {
  struct Copy {
    var field: ColumnForm.Field
    var column: Int
  }
  struct Average {
    var alpha: Double
    var period: Int
    var slot: Int
    var column: Int
  }
  struct MACD {
    var fast: Average
    var slow: Average
    var signal: Average
    var histogramColumn: Int
  }
  /// RSI: slots average gain and average loss. ATR: slot average range.
  struct Wilder {
    var alpha: Double
    var period: Int
    var slot: Int
    var column: Int
  }
  /// Slots: the shift, the sum and the sum of squares of price - shift, events until the next renewal.
  struct Window {
    var period: Int
    var slot: Int
    var needsDeviation: Bool
    var firstPart: Int
    var partCount: Int
  }
  struct Part {
    var part: ColumnForm.WindowPart
    var column: Int
  }
  struct Change {
    var period: Int
    var isLog: Bool
    var column: Int
  }

  var copies = Table<Copy>()
  var averages = Table<Average>()
  var macds = Table<MACD>()
  var strengths = Table<Wilder>()
  var ranges = Table<Wilder>()
  var windows = Table<Window>()
  var parts = Table<Part>()
  var changes = Table<Change>()

  var columnCount = 0
  /// Averages begin with the mean of the first prices, instead of with the first price.
  var seedsWithMean = false
  /// A power of two, or 0 where nothing looks back.
  var ringCount = 0
  var stride = 1

  init() {}

  init(_ forms: [ColumnForm], seedsWithMean: Bool) {
    self.seedsWithMean = seedsWithMean
    columnCount = forms.count
    ringCount = Program.ringCount(forms)
    var slots = 1 + ringCount
    func take(_ count: Int) -> Int {
      slots += count
      return slots - count
    }
    var copies: [Copy] = []
    var averages: [Average] = []
    var macds: [MACD] = []
    var strengths: [Wilder] = []
    var ranges: [Wilder] = []
    var windows: [(window: Window, parts: [Part])] = []
    var changes: [Change] = []
    for (column, form) in forms.enumerated() {
      switch form {
      case .field(let field): copies.append(Copy(field: field, column: column))
      case .ema(let period): averages.append(Average(period: period, slot: take(1), column: column))
      case .macd(let part, let fast, let slow, let signal):
        var index = 0
        while index < macds.count, !macds[index].has(fast, slow, signal) { index += 1 }
        if index == macds.count {
          macds.append(
            MACD(
              fast: Average(period: fast, slot: take(1), column: -1), slow: Average(period: slow, slot: take(1), column: -1),
              signal: Average(period: signal, slot: take(1), column: -1), histogramColumn: -1))
        }
        switch part {
        case .line: macds[index].fast.column = column
        case .signal: macds[index].signal.column = column
        case .histogram: macds[index].histogramColumn = column
        }
      case .rsi(let period): strengths.append(Wilder(period: period, slot: take(2), column: column))
      case .atr(let period): ranges.append(Wilder(period: period, slot: take(1), column: column))
      case .window(let part, let period):
        var index = 0
        while index < windows.count, windows[index].window.period != period { index += 1 }
        if index == windows.count {
          windows.append((Window(period: period, slot: take(4), needsDeviation: false, firstPart: 0, partCount: 0), []))
        }
        windows[index].parts.append(Part(part: part, column: column))
        if case .band(let factor) = part, factor == 0 { continue }
        windows[index].window.needsDeviation = true
      case .change(let period, let isLog): changes.append(Change(period: period, isLog: isLog, column: column))
      }
    }
    var parts: [Part] = []
    for index in windows.indices {
      windows[index].window.firstPart = parts.count
      windows[index].window.partCount = windows[index].parts.count
      parts += windows[index].parts
    }
    stride = slots
    self.copies = Table(copies)
    self.averages = Table(averages)
    self.macds = Table(macds)
    self.strengths = Table(strengths)
    self.ranges = Table(ranges)
    self.windows = Table(windows.map { $0.window })
    self.parts = Table(parts)
    self.changes = Table(changes)
  }

  /// Room for this price and as many before it as any column looks back.
  private static func ringCount(_ forms: [ColumnForm]) -> Int {
    var back = 0
    for form in forms {
      switch form {
      case .rsi, .atr: back = max(back, 1)
      case .window(_, let period): back = max(back, period)
      case .change(let period, _): back = max(back, period)
      case .field, .ema, .macd: break
      }
    }
    if back == 0 { return 0 }
    var count = 2
    while count < back + 1 { count *= 2 }
    return count
  }

  /// Whether the counts in a state read from outside can be worked with.
  func isSound(_ state: UnsafePointer<Double>) -> Bool {
    if state[0].bitPattern > 1 << 62 { return false }
    for index in 0..<windows.count where state[0].bitPattern > 0 {
      let window = windows[index].pointee
      let untilRenewal = state[window.slot + 3]
      guard untilRenewal >= 1, untilRenewal <= Double(window.period) else { return false }
    }
    return true
  }

  func deallocate() {
    copies.deallocate()
    averages.deallocate()
    macds.deallocate()
    strengths.deallocate()
    ranges.deallocate()
    windows.deallocate()
    parts.deallocate()
    changes.deallocate()
  }
}

extension Program.Average {
  /// alpha = 2 / (N + 1)
  init(period: Int, slot: Int, column: Int) {
    self.init(alpha: 2 / Double(period + 1), period: period, slot: slot, column: column)
  }
}

extension Program.Wilder {
  /// alpha = 1 / N
  init(period: Int, slot: Int, column: Int) {
    self.init(alpha: 1 / Double(period), period: period, slot: slot, column: column)
  }
}

extension Program.MACD {
  func has(_ fast: Int, _ slow: Int, _ signal: Int) -> Bool {
    self.fast.period == fast && self.slow.period == slow && self.signal.period == signal
  }
}

/// Unmanaged constant rows, so that the lane touches no reference count.
struct Table<Row> {
  let rows: UnsafeMutablePointer<Row>
  let count: Int

  init(_ rows: [Row] = []) {
    count = rows.count
    // An empty table owns nothing.
    self.rows =
      rows.isEmpty
      ? UnsafeMutablePointer(bitPattern: MemoryLayout<Row>.alignment).unsafelyUnwrapped : .allocate(capacity: rows.count)
    for (index, row) in rows.enumerated() { (self.rows + index).initialize(to: row) }
  }

  @inline(__always) subscript(index: Int) -> UnsafeMutablePointer<Row> { rows + index }

  func deallocate() {
    if count > 0 { rows.deallocate() }
  }
}

/// FNV-1a over the names and two numbers.
func hash(_ names: [Text], _ numbers: UInt8...) -> UInt64 {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  for name in names {
    for byte in name.bytes { add(byte) }
    add(0)
  }
  for number in numbers { add(number) }
  return hash
}
