import CGantry
import GantryBase

/// A parameter's value as one writes it in a graph file: a scalar or a list.
///
///     ["commission": "0.5", "period": 20, "enabled": true, "columns": ["ema_10", "spread"]]
public enum ParameterText: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByStringInterpolation
{
  case scalar(String)
  case list([String])
  /// The content of an artifact, instead of a file's path.
  case artifact([UInt8])

  public init(_ text: String) { self = .scalar(text) }
  public init(stringLiteral value: String) { self = .scalar(value) }
  public init(integerLiteral value: Int64) { self = .scalar(String(value)) }
  public init(floatLiteral value: Double) { self = .scalar("\(value)") }
  public init(booleanLiteral value: Bool) { self = .scalar(value ? "true" : "false") }
  public init(arrayLiteral elements: ParameterText...) {
    self = .list(elements.map { if case .scalar(let text) = $0 { text } else { "" } })
  }
}

/// Turns the text of one parameter into the value that `configure` gets.
struct ParameterConverter {
  var keep: Keep
  var symbols: [String]
  var baseDirectory: String

  func value(_ parameter: gantry_param, _ given: ParameterText?) throws -> gantry_value {
    let name = String(parameter.name)
    var value = gantry_value()
    value.size = UInt32(MemoryLayout<gantry_value>.size)
    value.type = parameter.type
    let fallback = String(parameter.default_text)
    guard let text = given ?? (fallback.isEmpty ? nil : .scalar(fallback)) else {
      if parameter.flags & UInt32(GANTRY_PARAM_REQUIRED) != 0 { throw HarnessError("parameter \(name) is required") }
      return value
    }
    value.is_set = 1
    do {
      try fill(&value, parameter, text)
    } catch let error as HarnessError {
      throw HarnessError("parameter \(name): \(error)")
    }
    return value
  }

  private func fill(_ value: inout gantry_value, _ parameter: gantry_param, _ given: ParameterText) throws {
    guard let kind = ParameterDescription.Kind(rawValue: parameter.type) else {
      throw HarnessError("the descriptor declares an unknown type \(parameter.type)")
    }
    if case .artifact(let bytes) = given {
      guard kind == .artifact else { throw HarnessError("bytes are for artifacts") }
      value.text = keep.string("(test)")
      value.bytes = keep.bytes(bytes)
      return
    }
    let text: String
    switch given {
    case .scalar(let scalar): text = scalar
    default: text = ""
    }
    switch kind {
    case .bool:
      guard text == "true" || text == "false" else { throw HarnessError("\(text) is neither true nor false") }
      value.integer = text == "true" ? 1 : 0
    case .integer:
      guard let number = Int64(text.filter { $0 != "_" }) else { throw HarnessError("\(text) is no integer") }
      value.integer = number
      value.number = Double(number)
    case .number:
      guard let number = parseNumber(text) else { throw HarnessError("\(text) is no number") }
      value.number = number
    case .decimal:
      guard let (mantissa, digits) = parseDecimal(text) else { throw HarnessError("\(text) is no decimal") }
      value.integer = mantissa
      value.digits = digits
      value.number = Double(text.filter { $0 != "_" }) ?? .nan
    case .duration:
      guard let nanoseconds = parseDuration(text) else { throw HarnessError("\(text) is no duration") }
      value.integer = nanoseconds
    case .text, .secret:
      value.text = keep.string(text)
    case .choice:
      let choices = (0..<Int(parameter.choice_count)).map { String(parameter.choices[$0]) }
      guard let index = choices.firstIndex(of: text) else { throw HarnessError("\(text) is none of \(choices)") }
      value.integer = Int64(index)
      value.text = keep.string(text)
    case .path:
      value.text = keep.string(absolute(text))
    case .artifact:
      value.text = keep.string(absolute(text))
      value.bytes = keep.bytes(try readFile(absolute(text)))
    case .instrument:
      guard let index = symbols.firstIndex(of: text) else { throw HarnessError("\(text) is none of \(symbols)") }
      value.integer = Int64(index + 1)
      value.text = keep.string(text)
    case .texts:
      let list = entries(given)
      value.texts = UnsafePointer(keep.array(list.map { keep.string($0) }))
      value.count = UInt64(list.count)
    case .numbers:
      let list = try entries(given).map {
        guard let number = parseNumber($0) else { throw HarnessError("\($0) is no number") }
        return number
      }
      value.numbers = UnsafePointer(keep.array(list))
      value.count = UInt64(list.count)
    }
  }

  /// A list as given, or a default's text: `[a, b]` or `a, b`.
  private func entries(_ given: ParameterText) -> [String] {
    switch given {
    case .list(let list): return list
    case .artifact: return []
    case .scalar(let text):
      var body = Substring(text)
      if body.first == "[", body.last == "]" { body = body.dropFirst().dropLast() }
      return body.split(separator: ",").map { entry in
        String(entry.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      }
    }
  }

  private func absolute(_ path: String) -> String {
    path.hasPrefix("/") || baseDirectory.isEmpty ? path : baseDirectory + "/" + path
  }
}
