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
      case .artifact: "the path of a file"
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
    case .duration: unit = "s"
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
    if let whole = Int64(exactly: value) { return String(whole) }
    return "\(value)"
  }
}
