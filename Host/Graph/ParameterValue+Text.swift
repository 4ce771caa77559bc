import GantryBase

extension ParameterValue {
  /// As one would write it in a graph file. A secret is its reference: `${env:NAME}`.
  public var text: String {
    switch self {
    case .unset: "unset"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): Self.text(value)
    case .decimal(let mantissa, let digits): decimalText(mantissa, digits: digits)
    case .durationNs(let nanoseconds): durationText(nanoseconds)
    case .text(let text), .path(let text): text
    case .choice(_, let name): name
    case .artifact(let path): path
    case .secret(let name): "${\(name)}"
    case .instrument(_, let symbol): symbol
    case .texts(let texts): "[" + texts.joined(separator: ", ") + "]"
    case .numbers(let numbers): "[" + numbers.map(Self.text).joined(separator: ", ") + "]"
    }
  }

  private static func text(_ value: Double) -> String {
    Int64(exactly: value).map { String($0) } ?? "\(value)"
  }
}

/// `mantissa * 10^-digits`, exactly.
public func decimalText(_ mantissa: Int64, digits: UInt32) -> String {
  var figures = String(mantissa.magnitude)
  let places = Int(digits)
  if figures.count <= places { figures = String(repeating: "0", count: places + 1 - figures.count) + figures }
  let sign = mantissa < 0 ? "-" : ""
  return places == 0 ? sign + figures : sign + figures.dropLast(places) + "." + figures.suffix(places)
}
