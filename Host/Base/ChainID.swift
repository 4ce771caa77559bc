/// The 128-bit id of a chain, printed as a UUID of version 8 (RFC 9562): the low 60 bits of the
/// 64-bit run-and-source id and the low 62 bits of the chain's sequence within that origin.
public struct ChainID: Sendable, Hashable, CustomStringConvertible {
  public var origin: UInt64
  public var sequence: UInt64

  public init(origin: UInt64, sequence: UInt64) {
    self.origin = origin & 0x0FFF_FFFF_FFFF_FFFF
    self.sequence = sequence & 0x3FFF_FFFF_FFFF_FFFF
  }

  public var description: String {
    let high = (origin >> 12) << 16 | 0x8000 | (origin & 0xFFF)
    let low = 0x8000_0000_0000_0000 | sequence
    let digits = hex(high) + hex(low)
    let d = Array(digits)
    return String(d[0..<8]) + "-" + String(d[8..<12]) + "-" + String(d[12..<16]) + "-" + String(d[16..<20]) + "-" + String(d[20..<32])
  }

  public init?(_ text: some StringProtocol) {
    let digits = String(text.filter { $0 != "-" })
    guard digits.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
      let low = UInt64(digits.suffix(16), radix: 16), high >> 12 & 0xF == 8, low >> 62 == 2
    else { return nil }
    self.init(origin: (high >> 16) << 12 | (high & 0xFFF), sequence: low)
  }
}

/// Sixteen lower-case hexadecimal digits.
public func hex(_ value: UInt64) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: 16 - text.count) + text
}
