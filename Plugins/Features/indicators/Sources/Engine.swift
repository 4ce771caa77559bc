import GantrySDK

/// The arithmetic. Sources: TA-Lib's definitions (ta-lib.org) for EMA, SMA, MACD, STDDEV and BBANDS;
/// Wilder, "New Concepts in Technical Trading Systems" (1978), for RSI and ATR.
///
/// A pointer to the tables, so that calling it copies nothing.
struct Engine {
  let program: UnsafePointer<Program>

  @inline(__always) private var averages: Table<Program.Average> { program.pointee.averages }
  @inline(__always) private var macds: Table<Program.MACD> { program.pointee.macds }
  @inline(__always) private var strengths: Table<Program.Wilder> { program.pointee.strengths }
  @inline(__always) private var ranges: Table<Program.Wilder> { program.pointee.ranges }
  @inline(__always) private var windows: Table<Program.Window> { program.pointee.windows }
  @inline(__always) private var parts: Table<Program.Part> { program.pointee.parts }
  @inline(__always) private var changes: Table<Program.Change> { program.pointee.changes }
  @inline(__always) private var seedsWithMean: Bool { program.pointee.seedsWithMean }
  @inline(__always) private var ringCount: Int { program.pointee.ringCount }

  /// Whether anything but averages that begin with the first price is asked for.
  @inline(__always)
  var looksBack: Bool { ringCount > 0 || seedsWithMean || macds.count > 0 }

  /// Counts a run of prices of one instrument, and takes it into the averages that begin with the
  /// first price. Returns how many prices were there before.
  ///
  /// y += alpha * (x - y), so that a constant price stays exactly what it is. Two averages at a time
  /// stay in registers: what takes time is waiting for the last y, and two can wait at once.
  @inline(__always)
  func takeAverages(_ prices: UnsafePointer<Double>, _ state: UnsafeMutablePointer<Double>, _ rows: Rows) -> Int {
    let seen = Int(truncatingIfNeeded: state[0].bitPattern)
    state[0] = Double(bitPattern: UInt64(truncatingIfNeeded: seen &+ rows.count))
    if seedsWithMean { return seen }
    var index = 0
    while index < averages.count {
      let left = averages[index]
      let right = averages[min(index &+ 1, averages.count &- 1)]
      let leftAlpha = left.pointee.alpha
      let rightAlpha = right.pointee.alpha
      let leftColumn = left.pointee.column
      let rightColumn = right.pointee.column
      var leftValue = seen == 0 ? prices[0] : state[left.pointee.slot]
      var rightValue = seen == 0 ? prices[0] : state[right.pointee.slot]
      for position in 0..<rows.count {
        leftValue += leftAlpha * (prices[position] - leftValue)
        rightValue += rightAlpha * (prices[position] - rightValue)
        let row = rows[position]
        row[leftColumn] = leftValue
        row[rightColumn] = rightValue
      }
      state[left.pointee.slot] = leftValue
      state[right.pointee.slot] = rightValue
      index &+= 2
    }
    return seen
  }

  /// Takes one price into everything else and fills those columns of its row.
  @inline(__always)
  func run(
    _ price: Double, high: Double, low: Double, _ seen: Int, _ state: UnsafeMutablePointer<Double>, _ row: UnsafeMutablePointer<Double>
  ) {
    if seedsWithMean { runAveragesFromMean(price, seen, state, row) }
    if ringCount > 0 {
      let ring = Ring(prices: state + 1, mask: ringCount &- 1)
      ring.write(price, seen)
      if strengths.count > 0 { runStrengths(price, seen, ring, state, row) }
      if ranges.count > 0 { runRanges(price, high, low, seen, ring, state, row) }
      if windows.count > 0 { runWindows(price, seen, ring, state, row) }
      if changes.count > 0 { runChanges(price, seen, ring, row) }
    }
    if macds.count > 0 { runMACDs(price, seen, state, row) }
  }

  @inline(never)
  private func runAveragesFromMean(_ price: Double, _ seen: Int, _ state: UnsafeMutablePointer<Double>, _ row: UnsafeMutablePointer<Double>) {
    for index in 0..<averages.count {
      let average = averages[index].pointee
      average.step(price, seen, state + average.slot)
      row[average.column] = seen &+ 1 >= average.period ? state[average.slot] : .nan
    }
  }

  /// With `seedsWithMean` as TA-Lib: both averages begin at the slow one's first value, the fast one
  /// with the mean of the last prices up to there; then the signal with the mean of the first lines.
  @inline(never)
  private func runMACDs(_ price: Double, _ seen: Int, _ state: UnsafeMutablePointer<Double>, _ row: UnsafeMutablePointer<Double>) {
    for index in 0..<macds.count {
      let macd = macds[index].pointee
      var line = Double.nan
      var signal = Double.nan
      if seedsWithMean {
        let late = macd.slow.period &- macd.fast.period
        if seen >= late { macd.fast.step(price, seen &- late, state + macd.fast.slot) }
        macd.slow.step(price, seen, state + macd.slow.slot)
        let lines = seen &+ 1 &- macd.slow.period
        if lines >= 0 {
          line = state[macd.fast.slot] - state[macd.slow.slot]
          macd.signal.step(line, lines, state + macd.signal.slot)
          if lines &+ 1 >= macd.signal.period { signal = state[macd.signal.slot] }
        }
      } else {
        macd.fast.stepFromFirst(price, seen, state + macd.fast.slot)
        macd.slow.stepFromFirst(price, seen, state + macd.slow.slot)
        line = state[macd.fast.slot] - state[macd.slow.slot]
        macd.signal.stepFromFirst(line, seen, state + macd.signal.slot)
        signal = state[macd.signal.slot]
      }
      if macd.fast.column >= 0 { row[macd.fast.column] = line }
      if macd.signal.column >= 0 { row[macd.signal.column] = signal }
      if macd.histogramColumn >= 0 { row[macd.histogramColumn] = line - signal }
    }
  }

  /// 100 * gain / (gain + loss), both smoothed; 50 where nothing has moved at all.
  @inline(never)
  private func runStrengths(_ price: Double, _ seen: Int, _ ring: Ring, _ state: UnsafeMutablePointer<Double>, _ row: UnsafeMutablePointer<Double>) {
    let change = seen > 0 ? price - ring.read(seen &- 1) : 0
    let gain = change > 0 ? change : 0
    let loss = change < 0 ? -change : 0
    for index in 0..<strengths.count {
      let strength = strengths[index].pointee
      let averages = state + strength.slot
      strength.step(gain, seen, averages)
      strength.step(loss, seen, averages + 1)
      let total = averages[0] + averages[1]
      row[strength.column] = seen < strength.period ? .nan : total > 0 ? 100 * (averages[0] / total) : 50
    }
  }

  /// The smoothed true range: the largest of high - low, |high - previous close|, |low - previous close|.
  @inline(never)
  private func runRanges(
    _ price: Double, _ high: Double, _ low: Double, _ seen: Int, _ ring: Ring, _ state: UnsafeMutablePointer<Double>,
    _ row: UnsafeMutablePointer<Double>
  ) {
    var range = high - low
    if seen > 0 {
      let before = ring.read(seen &- 1)
      range = max(range, max((high - before).magnitude, (low - before).magnitude))
    }
    for index in 0..<ranges.count {
      let average = ranges[index].pointee
      average.step(range, seen, state + average.slot)
      row[average.column] = seen < average.period ? .nan : state[average.slot]
    }
  }

  @inline(never)
  private func runWindows(_ price: Double, _ seen: Int, _ ring: Ring, _ state: UnsafeMutablePointer<Double>, _ row: UnsafeMutablePointer<Double>) {
    for index in 0..<windows.count {
      let window = windows[index].pointee
      let sums = UnsafeMutableRawPointer(state + window.slot).assumingMemoryBound(to: WindowSums.self)
      sums.pointee.take(price, seen, window.period, ring)
      let isWarm = seen &+ 1 >= window.period
      let mean = isWarm ? sums.pointee.mean(window.period) : .nan
      let deviation = isWarm && window.needsDeviation ? sums.pointee.deviation(window.period) : .nan
      for position in window.firstPart..<window.firstPart &+ window.partCount {
        let part = parts[position].pointee
        var value: Double
        switch part.part {
        case .band(let factor): value = factor == 0 ? mean : mean + factor * deviation
        case .deviation: value = deviation
        case .zscore: value = deviation == 0 ? 0 : sums.pointee.distance(price, window.period) / deviation
        }
        if !isWarm { value = .nan }
        row[part.column] = value
      }
    }
  }

  /// (x - x[N ago]) / x[N ago], or the logarithm of the ratio; NaN where that is not finite.
  @inline(never)
  private func runChanges(_ price: Double, _ seen: Int, _ ring: Ring, _ row: UnsafeMutablePointer<Double>) {
    for index in 0..<changes.count {
      let change = changes[index].pointee
      var value = Double.nan
      if seen >= change.period {
        let before = ring.read(seen &- change.period)
        value = (price - before) / before
        if change.isLog { value = Math.log1p(value) }
        if !value.isFinite { value = .nan }
      }
      row[change.column] = value
    }
  }
}

extension Program.Average {
  @inline(__always)
  fileprivate func stepFromFirst(_ value: Double, _ seen: Int, _ slot: UnsafeMutablePointer<Double>) {
    slot.pointee = seen == 0 ? value : slot.pointee + alpha * (value - slot.pointee)
  }

  /// Until `period` values are there the slot holds their sum.
  @inline(__always)
  fileprivate func step(_ value: Double, _ seen: Int, _ slot: UnsafeMutablePointer<Double>) {
    if seen >= period {
      slot.pointee += alpha * (value - slot.pointee)
    } else {
      slot.pointee = (seen == 0 ? 0 : slot.pointee) + value
      if seen &+ 1 == period { slot.pointee /= Double(period) }
    }
  }
}

extension Program.Wilder {
  /// The mean of the first `period` changes (the first price has none), then smoothed.
  @inline(__always)
  fileprivate func step(_ value: Double, _ seen: Int, _ slot: UnsafeMutablePointer<Double>) {
    if seen > period {
      slot.pointee += alpha * (value - slot.pointee)
    } else if seen == 0 {
      slot.pointee = 0
    } else {
      slot.pointee += value
      if seen == period { slot.pointee /= Double(period) }
    }
  }
}

/// The last prices of one instrument, by the number of the price.
struct Ring {
  let prices: UnsafeMutablePointer<Double>
  let mask: Int

  @inline(__always) func read(_ number: Int) -> Double { prices[number & mask] }
  @inline(__always) func write(_ price: Double, _ number: Int) { prices[number & mask] = price }
}

/// The reserved rows of a run.
struct Rows {
  let columns: UnsafeMutableRawPointer
  let stride: Int
  let count: Int

  @inline(__always)
  subscript(index: Int) -> UnsafeMutablePointer<Double> {
    (columns + index &* stride).assumingMemoryBound(to: Double.self)
  }
}
