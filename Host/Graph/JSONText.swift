/// A JSON value whose objects keep the order of their keys, so that generated files do not change by chance.
indirect enum JSONText {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONText])
  case object([(String, JSONText)])

  static func number(_ value: Double) -> JSONText {
    if let whole = Int64(exactly: value) { return .number(String(whole)) }
    return value.isFinite ? .number("\(value)") : .null
  }

  static func strings(_ values: some Sequence<String>) -> JSONText { .array(values.map { .string($0) }) }

  /// Short values on one line, others indented by two spaces.
  func written(indent: Int = 0) -> String {
    let flat = self.flat
    if flat.count + indent <= 110 { return flat }
    let pad = String(repeating: " ", count: indent + 2)
    let end = "\n" + String(repeating: " ", count: indent)
    switch self {
    case .array(let items): return "[\n" + items.map { pad + $0.written(indent: indent + 2) }.joined(separator: ",\n") + end + "]"
    case .object(let fields):
      return "{\n" + fields.map { pad + Self.quoted($0.0) + ": " + $0.1.written(indent: indent + 2) }.joined(separator: ",\n") + end + "}"
    default: return flat
    }
  }

  private var flat: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let text): text
    case .string(let text): Self.quoted(text)
    case .array(let items): "[" + items.map(\.flat).joined(separator: ", ") + "]"
    case .object(let fields): fields.isEmpty ? "{}" : "{ " + fields.map { Self.quoted($0.0) + ": " + $0.1.flat }.joined(separator: ", ") + " }"
    }
  }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
