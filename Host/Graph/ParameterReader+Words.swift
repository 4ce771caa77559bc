import GantryBase

/// How a parameter is described in sentences.
extension ParameterReader {
  /// "a whole number", with its unit.
  var article: String {
    let noun =
      switch parameter.kind {
      case .bool: "true or false"
      case .integer: "a whole number"
      case .number: "a number"
      case .decimal: "an exact decimal"
      case .duration: "a duration"
      case .text: "a text"
      case .choice: "one of \(parameter.choices.joined(separator: ", "))"
      case .path: "a path"
      case .artifact: "the path of a file, or models:NAME@VERSION"
      case .secret: "a secret"
      case .instrument: "an instrument's symbol"
      case .texts: "a list of texts"
      case .numbers: "a list of numbers"
      }
    return parameter.unit.isEmpty ? noun : noun + " (\(parameter.unit))"
  }

  /// A value that would do.
  var example: String {
    if !parameter.defaultText.isEmpty { return parameter.defaultText }
    switch parameter.kind {
    case .bool: return "true"
    case .integer: return written(parameter.minimum.map { $0.rounded(.up) + (parameter.isAboveMinimum ? 1 : 0) } ?? 10)
    case .number, .decimal: return written(parameter.minimum.map { $0 + (parameter.isAboveMinimum ? 1 : 0) } ?? parameter.maximum ?? 1)
    case .duration: return "5s"
    case .text: return "TEXT"
    case .choice: return parameter.choices.first ?? "WORD"
    case .path: return "FOLDER/FILE"
    case .artifact: return "FILE"
    case .secret: return "${env:NAME}"
    case .instrument: return binder.instruments.first?.symbol ?? "EURUSD"
    case .texts: return parameter.choices.isEmpty ? "[TEXT, TEXT]" : "[\(parameter.choices.prefix(2).joined(separator: ", "))]"
    case .numbers: return "[1, 2]"
    }
  }

  /// "at least 1 and at most 10 bars".
  var range: String {
    var unit = parameter.unit.isEmpty ? "" : " " + parameter.unit
    switch parameter.kind {
    case .duration: unit = ""
    case .texts, .numbers: unit = " items"
    default: break
    }
    let low = parameter.minimum.map { (parameter.isAboveMinimum ? "above " : "at least ") + written($0) }
    let high = parameter.maximum.map { "at most " + written($0) }
    return [low, high].compactMap { $0 }.joined(separator: " and ") + unit
  }

  /// For a number with its unit written behind it.
  var unitHint: String? {
    parameter.unit.isEmpty ? nil : "write the number alone; its unit is \(parameter.unit)"
  }

  func written(_ value: Double) -> String {
    // A century is the most that nanoseconds can say.
    if parameter.kind == .duration { return value.magnitude < 3e9 ? durationText(Int64(value * 1e9)) : "\(value)s" }
    if let whole = Int64(exactly: value) { return String(whole) }
    return "\(value)"
  }
}

/// Nanoseconds as a graph file writes them, in the largest unit that needs no fraction.
public func durationText(_ nanoseconds: Int64) -> String {
  let units: [(String, Int64)] = [
    ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000),
  ]
  guard nanoseconds != 0 else { return "0" }
  let unit = units.first { nanoseconds % $0.1 == 0 } ?? ("ns", 1)
  return "\(nanoseconds / unit.1)\(unit.0)"
}
