import CGantry
import Foundation
import GantrySDKFull
import Glibc
import Testing

@Suite struct ExactTests {
  static func terms(priceDigits: UInt32 = 5, quantityDigits: UInt32 = 0, tick: Int64 = 1, lot: Int64 = 1, contract: Int64 = 1, cashDigits: UInt32 = 2) throws
    -> InstrumentTerms
  {
    var instrument = gantry_instrument()
    instrument.price_digits = priceDigits
    instrument.quantity_digits = quantityDigits
    instrument.tick_size = tick
    instrument.lot_size = lot
    instrument.contract_units = contract
    var currency = gantry_currency()
    currency.digits = cashDigits
    return try InstrumentTerms(instrument, currency)
  }

  @Test func `a wished price is rounded in favour of the account, a charged one against it`() throws {
    let terms = try Self.terms(tick: 5)
    #expect(try terms.price(1.10003, .wishedPrice(buy: true)) == 110_000)
    #expect(try terms.price(1.10003, .wishedPrice(buy: false)) == 110_005)
    #expect(try terms.price(1.10003, .chargedPrice(buy: true)) == 110_005)
    #expect(try terms.price(1.10003, .chargedPrice(buy: false)) == 110_000)
  }

  @Test func `a double that stands for a decimal is that decimal under any rounding`() throws {
    let terms = try Self.terms()
    for rounding in roundings {
      for units in stride(from: Int64(1), to: 2_000_000, by: 37) { #expect(try terms.price(Double(units) / 100_000, rounding) == units) }
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, 0x1p51])
  func `a price that is no number or too large is an overflow`(_ value: Double) throws {
    let failure = try #require(throws: Failure.self) { try Self.terms(priceDigits: 0).price(value, .down) }
    #expect(failure.status == GANTRY_OVERFLOW)
  }

  @Test func `sums, products and quotients beyond their bits throw instead of wrapping`() {
    let wrong: [() throws -> Void] = [
      { _ = try Exact.add(Int64.max, 1) }, { _ = try Exact.subtract(Int64.min, 1) }, { _ = try Exact.add(Int128.max, 1) },
      { _ = try Exact.subtract(Int128.min, 1) }, { _ = try Exact.multiply(Int128.max, 2) }, { _ = try Exact.narrow(Int128(Int64.max) + 1) },
      { _ = try Exact.power(of10: 39) }, { _ = try Exact.rescale(Int128.max, from: 0, to: 1, .down) },
    ]
    for (number, body) in wrong.enumerated() {
      let failure = #expect(throws: Failure.self, "case \(number)") { try body() }
      #expect(failure?.status == GANTRY_OVERFLOW)
    }
    #expect(throws: Failure.self) { try Exact.divide(1, by: 0, .down) }
    #expect(Exact.product(.min, .min) == Int128(Int64.min) * Int128(Int64.min))
  }

  @Test func `a cost paid off in parts leaves nothing behind`() throws {
    var random = SeededNumbers(seed: 4)
    for _ in 0..<500 {
      var cost = Int128(Int64.random(in: -1_000_000_000...1_000_000_000, using: &random))
      var quantity = Int64.random(in: 1...1000, using: &random)
      while quantity > 0 {
        let part = Int64.random(in: 1...quantity, using: &random)
        cost -= try Exact.share(of: cost, part: part, total: quantity, .halfEven)
        quantity -= part
      }
      #expect(cost == 0)
    }
  }

  @Test(.enabled(if: python != nil, "python3 is not installed"), arguments: 1...6)
  func `every result agrees with fractions`(_ seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    var questions: [String] = []
    var answers: [String] = []
    for _ in 0..<4000 {
      let (question, result) = try ask(&random)
      questions.append(question)
      answers.append(result)
    }
    let expected = try oracle(questions)
    #expect(expected.count == answers.count)
    for (index, pair) in zip(answers, expected).enumerated() where pair.0 != pair.1 {
      Issue.record("seed \(seed): \(questions[index]) gives \(pair.0), fractions give \(pair.1)")
      break
    }
  }

  private func ask(_ random: inout SeededNumbers) throws -> (String, String) {
    let rounding = roundings.randomElement(using: &random)!
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      let (value, divisor) = (wide(&random), max(1, abs(wide(&random) / 2)))
      return ("divide \(value) \(divisor) \(rounding)", text { try Exact.divide(value, by: divisor, rounding) })
    case 1:
      let (value, from, to) = (wide(&random), UInt32.random(in: 0...20, using: &random), UInt32.random(in: 0...20, using: &random))
      return ("rescale \(value) \(from) \(to) \(rounding)", text { try Exact.rescale(value, from: from, to: to, rounding) })
    case 2:
      let total = max(1, abs(narrow(&random) / 2))
      let (whole, part) = (wide(&random), random.chance(0.1) ? total : Int64.random(in: 0...total, using: &random))
      return ("share \(whole) \(part) \(total) \(rounding)", text { try Exact.share(of: whole, part: part, total: total, rounding) })
    case 3:
      let digits = UInt32.random(in: 0...10, using: &random)
      let tick = [1, 1, 2, 3, 5, 25, 125].randomElement(using: &random)!
      let value = price(digits, tick, &random)
      let terms = try Self.terms(priceDigits: digits, tick: Int64(tick))
      return ("price \(hexadecimal(value)) \(digits) \(tick) \(rounding)", text { Int128(try terms.price(value, rounding)) })
    case 4:
      let (digits, cash) = (UInt32.random(in: 0...9, using: &random), UInt32.random(in: 0...9, using: &random))
      let (price, quantity, contract) = (narrow(&random), narrow(&random), Int64.random(in: 1...100_000, using: &random))
      let terms = try Self.terms(priceDigits: digits, quantityDigits: 2, contract: contract, cashDigits: cash)
      return (
        "cash \(price) \(quantity) \(contract) \(digits + 2) \(cash) \(rounding)",
        text { Int128(try terms.cash(fine: terms.notional(price: price, quantity: quantity), rounding)) }
      )
    default:
      let digits = UInt32.random(in: 0...8, using: &random)
      let lot = [1, 1, 10, 25].randomElement(using: &random)!
      let size =
        random.chance(0.1) ? 1e30 : random.chance(0.5) ? Double(Int.random(in: 0...100_000, using: &random)) / 100 : Double.random(in: 0...5000, using: &random)
      let terms = try Self.terms(quantityDigits: digits, lot: Int64(lot))
      return ("covering \(hexadecimal(size)) \(digits) \(lot)", text { Int128(terms.quantity(covering: size)) })
    }
  }

  /// Decimals, decimals one bit beside, halves of a grid step, and anything.
  private func price(_ digits: UInt32, _ tick: Int, _ random: inout SeededNumbers) -> Double {
    let scale = (0..<digits).reduce(1.0) { value, _ in value * 10 }
    let units = Double(Int64.random(in: -10_000_000...10_000_000, using: &random))
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return units / scale
    case 1: return random.chance(0.5) ? (units / scale).nextUp : (units / scale).nextDown
    case 2: return (units + Double(tick) / 2) / scale
    default: return Double.random(in: -20000...20000, using: &random) / scale
    }
  }

  private func narrow(_ random: inout SeededNumbers) -> Int64 { Int64(truncatingIfNeeded: random.next()) >> Int64.random(in: 0...62, using: &random) }
  private func wide(_ random: inout SeededNumbers) -> Int128 {
    let high = Int128(Int64(truncatingIfNeeded: random.next())) << 64
    return (high | Int128(random.next())) >> Int128(Int.random(in: 0...126, using: &random))
  }

  private func text(_ body: () throws -> Int128) -> String { (try? body()).map { "\($0)" } ?? "overflow" }
  private func hexadecimal(_ value: Double) -> String { String(format: "%a", value) }

  private func oracle(_ questions: [String]) throws -> [String] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    let input = FileManager.default.temporaryDirectory.appendingPathComponent("exact-oracle-\(UUID().uuidString)").path
    try (questions.joined(separator: "\n") + "\n").write(toFile: input, atomically: true, encoding: .utf8)
    defer { unlink(input) }
    let stream = try #require(popen("'\(python!)' '\(folder)/exact_oracle.py' < '\(input)'", "r"))
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, stream)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    try #require(pclose(stream) == 0)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}

private let roundings: [Rounding] = [.down, .up, .halfEven, .towardZero, .awayFromZero]
private let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first { access($0, X_OK) == 0 }

/// splitmix64: the same numbers from the same seed everywhere.
private struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}
