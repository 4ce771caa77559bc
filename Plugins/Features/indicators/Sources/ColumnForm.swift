import GantrySDK

/// What one column's name asks for.
enum ColumnForm {
  case field(Field)
  case ema(period: Int)
  case macd(MACDPart, fast: Int, slow: Int, signal: Int)
  case rsi(period: Int)
  case atr(period: Int)
  case window(WindowPart, period: Int)
  case change(period: Int, isLog: Bool)

  /// A number of the event itself.
  enum Field { case price, bid, ask, mid, spread, bidSize, askSize, open, high, low, close, volume }
  enum MACDPart { case line, signal, histogram }
  /// What is taken from a moving window: mean + factor * deviation, the deviation, the z-score.
  enum WindowPart {
    case band(factor: Double)
    case deviation
    case zscore
  }

  /// Which input has what a column needs.
  enum Needs { case either, ticks, bars }

  /// Reads a name such as `ema_10` or `bollinger_upper_20_2`, or says what is wrong with it.
  static func parse(_ name: Text) throws(Failure) -> (form: ColumnForm, needs: Needs) {
    let (head, numbers) = split(name)
    for family in Family.all where family.head == head {
      guard numbers.count == family.numbers.count || numbers.count == family.shortCount else {
        throw Failure.invalid("the column \"\(name)\" is incomplete or too long: write \(family.form), like \(family.example)")
      }
      var values: [Double] = []
      for (index, number) in numbers.enumerated() {
        guard let value = parse(number, as: family.numbers[index]) else {
          throw Failure.invalid("the column \"\(name)\": \"\(number)\" is not \(family.numbers[index].text); write \(family.form), like \(family.example)")
        }
        values.append(value)
      }
      let form = family.make(values)
      if case .macd(_, let fast, let slow, _) = form, fast >= slow {
        throw Failure.invalid("the column \"\(name)\": the first period (\(fast)) must be below the second (\(slow))")
      }
      return (form, family.needs)
    }
    throw unknown(name, head, numbers)
  }

  private static func unknown(_ name: Text, _ head: Text, _ numbers: [Text]) -> Failure {
    var heads: [Text] = []
    var forms: Text = ""
    for (index, family) in Family.all.enumerated() {
      heads.append(family.head)
      forms = index == 0 ? family.form : "\(forms), \(family.form)"
    }
    var hint: Text = ""
    if let near = nearest(to: head, among: heads) {
      for family in Family.all where family.head == near {
        var meant = near
        for number in numbers { meant = "\(meant)_\(number)" }
        hint = "did you mean \"\(numbers.count == family.numbers.count ? meant : family.example)\"? "
      }
    }
    return Failure.invalid("unknown column \"\(name)\"; \(hint)the forms are \(forms)")
  }

  /// `bollinger_upper_20_2` -> `bollinger_upper`, [`20`, `2`].
  private static func split(_ name: Text) -> (head: Text, numbers: [Text]) {
    var parts: [[UInt8]] = [[]]
    for byte in name.bytes {
      if byte == 95 { parts.append([]) } else { parts[parts.count - 1].append(byte) }
    }
    var headCount = parts.count
    while headCount > 1, let first = parts[headCount - 1].first, first >= 48, first <= 57 { headCount -= 1 }
    var head: [UInt8] = []
    for index in 0..<headCount {
      if index > 0 { head.append(95) }
      head += parts[index]
    }
    return (Text(bytes: head), parts[headCount...].map { Text(bytes: $0) })
  }

  private static func parse(_ text: Text, as number: Family.Number) -> Double? {
    guard let first = text.bytes.first, text.bytes.count <= 9, first != 48 || text.bytes.count > 1 && text.bytes[1] == 46 else {
      return nil
    }
    var mantissa = 0
    var divisor = 0
    for byte in text.bytes {
      if byte == 46, divisor == 0 {
        divisor = 1
      } else if byte >= 48, byte <= 57 {
        mantissa = mantissa * 10 + Int(byte - 48)
        divisor *= 10
      } else {
        return nil
      }
    }
    switch number {
    case .period(let minimum):
      return divisor == 0 && mantissa >= minimum && mantissa <= Family.periodMax ? Double(mantissa) : nil
    case .factor:
      if divisor == 1 || text.bytes.last == 48 && divisor > 1 { return nil }
      let value = Double(mantissa) / Double(max(divisor, 1))
      return value > 0 && value <= 100 ? value : nil
    }
  }
}

/// One family of columns: the words in front, the numbers behind, what they make.
struct Family {
  enum Number {
    case period(minimum: Int)
    case factor

    var text: Text {
      switch self {
      case .period(let minimum): "a period from \(minimum) to \(Family.periodMax)"
      case .factor: "a factor above 0 and up to 100, without needless zeros"
      }
    }
  }

  static var periodMax: Int { 10_000 }

  let head: Text
  let numbers: [Number]
  /// A shorter form that is taken too, or -1.
  let shortCount: Int
  let form: Text
  let example: Text
  let needs: ColumnForm.Needs
  let make: ([Double]) -> ColumnForm

  private init(
    _ head: Text, _ numbers: [Number] = [], shortCount: Int = -1, form: Text, example: Text,
    needs: ColumnForm.Needs = .either, _ make: @escaping ([Double]) -> ColumnForm
  ) {
    self.head = head
    self.numbers = numbers
    self.shortCount = shortCount
    self.form = form
    self.example = example
    self.needs = needs
    self.make = make
  }

  private static func field(_ head: Text, _ field: ColumnForm.Field, _ needs: ColumnForm.Needs = .either) -> Family {
    Family(head, form: head, example: head, needs: needs) { _ in .field(field) }
  }

  private static func period(_ head: Text, _ minimum: Int, _ example: Text, _ make: @escaping (Int) -> ColumnForm) -> Family {
    Family(head, [.period(minimum: minimum)], form: "\(head)_N", example: example) { make(Int($0[0])) }
  }

  private static func macd(_ head: Text, _ part: ColumnForm.MACDPart) -> Family {
    let period = Number.period(minimum: 1)
    return Family(head, [period, period, period], form: "\(head)_FAST_SLOW_SIGNAL", example: "\(head)_12_26_9") {
      .macd(part, fast: Int($0[0]), slow: Int($0[1]), signal: Int($0[2]))
    }
  }

  private static func band(_ head: Text, _ sign: Double) -> Family {
    Family(
      head, [.period(minimum: 2), .factor], shortCount: sign == 0 ? 1 : -1, form: "\(head)_N_FACTOR",
      example: "\(head)_20_2"
    ) { .window(.band(factor: sign == 0 ? 0 : sign * $0[1]), period: Int($0[0])) }
  }

  static var all: [Family] {
    [
      period("ema", 1, "ema_10") { .ema(period: $0) },
      period("sma", 1, "sma_50") { .window(.band(factor: 0), period: $0) },
      period("rsi", 1, "rsi_14") { .rsi(period: $0) },
      period("atr", 1, "atr_14") { .atr(period: $0) },
      macd("macd", .line), macd("macd_signal", .signal), macd("macd_hist", .histogram),
      band("bollinger_upper", 1), band("bollinger_middle", 0), band("bollinger_lower", -1),
      period("stdev", 2, "stdev_20") { .window(.deviation, period: $0) },
      period("zscore", 2, "zscore_20") { .window(.zscore, period: $0) },
      period("return", 1, "return_1") { .change(period: $0, isLog: false) },
      period("logreturn", 1, "logreturn_5") { .change(period: $0, isLog: true) },
      field("price", .price), field("spread", .spread),
      field("bid", .bid, .ticks), field("ask", .ask, .ticks), field("mid", .mid, .ticks),
      field("bid_size", .bidSize, .ticks), field("ask_size", .askSize, .ticks),
      field("open", .open, .bars), field("high", .high, .bars), field("low", .low, .bars),
      field("close", .close, .bars), field("volume", .volume, .bars),
    ]
  }
}
