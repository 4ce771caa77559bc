import CGantry
import GantryBase

/// The declared parameters, and whether each declaration makes sense.
extension DescriptorReader {
  mutating func parameters(_ start: UnsafePointer<gantry_param>?, _ count: UInt32) -> [ParameterDescription] {
    let rows = array(start, count, "params", max: Self.parametersMax, zero: gantry_param())
    var parameters: [ParameterDescription] = []
    for (index, row) in rows.enumerated() {
      let place = "params[\(index)]"
      let parameterName = name(row.name, "\(place).name", pattern: .word)
      if !parameterName.isEmpty, parameters.contains(where: { $0.name == parameterName }) { duplicate("\(place).name", parameterName) }
      guard let kind = ParameterDescription.Kind(rawValue: row.type) else {
        unknown("\(place).type", row.type, "1 (bool) to 13 (numbers)")
        continue
      }
      if row.flags & ~31 != 0 { unknown("\(place).flags", row.flags, "the bits 1 (required) to 16 (above minimum)") }
      let parameter = ParameterDescription(
        parameterName, kind, defaultText: text(row.default_text, "\(place).default_text"),
        isRequired: row.flags & UInt32(GANTRY_PARAM_REQUIRED) != 0, isLive: row.flags & UInt32(GANTRY_PARAM_LIVE) != 0,
        minimum: row.flags & UInt32(GANTRY_PARAM_HAS_MIN) != 0 ? row.minimum : nil,
        isAboveMinimum: row.flags & UInt32(GANTRY_PARAM_ABOVE_MIN) != 0,
        maximum: row.flags & UInt32(GANTRY_PARAM_HAS_MAX) != 0 ? row.maximum : nil,
        choices: choices(row, place), unit: line(row.unit, "\(place).unit"), help: line(row.help, "\(place).help"))
      check(parameter, parameterName.isEmpty ? place : "parameter \(parameterName)")
      parameters.append(parameter)
    }
    return parameters
  }

  private mutating func choices(_ row: gantry_param, _ place: String) -> [String] {
    guard row.choice_count > 0 else { return [] }
    guard row.choice_count <= 256 else {
      mistake(LoaderCode.count, "\(place).choice_count is \(row.choice_count); this host takes at most 256", "set it to the number of choices")
      return []
    }
    var choices: [String] = []
    for index in 0..<Int(row.choice_count) {
      let address = row.choices.map { UnsafeRawPointer($0) + index * MemoryLayout<gantry_string>.stride }
      guard let string = memory.value(address, count: MemoryLayout<gantry_string>.size, zero: gantry_string()) else {
        mistake(LoaderCode.pointer, "\(place).choices[\(index)] does not point to readable memory", "set choice_count to the number of choices")
        return choices
      }
      let choice = line(string, "\(place).choices[\(index)]")
      if choice.isEmpty { mistake(LoaderCode.parameter, "\(place).choices[\(index)] is empty", "name every choice") }
      if choices.contains(choice) { duplicate("\(place).choices[\(index)]", choice.printable) }
      choices.append(choice)
    }
    return choices
  }

  private mutating func check(_ parameter: ParameterDescription, _ subject: String) {
    func wrong(_ text: String, _ help: String) { mistake(LoaderCode.parameter, "\(subject) \(text)", help) }
    let hasRange = parameter.minimum != nil || parameter.maximum != nil
    if hasRange, !parameter.kind.hasRange {
      wrong("is of type \(parameter.kind.name), which has no range", "clear GANTRY_PARAM_HAS_MIN and GANTRY_PARAM_HAS_MAX")
    }
    if parameter.minimum?.isNaN ?? false || parameter.maximum?.isNaN ?? false {
      wrong("has a range that is not a number", "set minimum and maximum")
    } else if let minimum = parameter.minimum, let maximum = parameter.maximum, minimum > maximum {
      wrong("has the minimum \(plain(minimum)) above its maximum \(plain(maximum))", "swap them")
    }
    if parameter.isAboveMinimum, parameter.minimum == nil {
      wrong("excludes its minimum, but has none", "set GANTRY_PARAM_HAS_MIN with GANTRY_PARAM_ABOVE_MIN")
    }
    if parameter.kind == .choice, parameter.choices.isEmpty { wrong("is a choice without choices", "list the choices") }
    if parameter.kind != .choice, !parameter.choices.isEmpty {
      wrong("is of type \(parameter.kind.name), but lists choices", "make it GANTRY_PARAM_CHOICE, or set choice_count to 0")
    }
    guard !parameter.defaultText.isEmpty else { return }
    if parameter.isRequired { wrong("is required and has a default", "drop one of the two") }
    if let problem = Self.problem(ofDefault: parameter) {
      wrong("has the default \"\(parameter.defaultText.printable)\", \(problem)", "write a default that a graph file could hold")
    }
  }

  /// Why a default would be refused if it stood in a graph file, or nil.
  static func problem(ofDefault parameter: ParameterDescription) -> String? {
    let text = parameter.defaultText
    var number: Double?
    switch parameter.kind {
    case .bool:
      if text != "true" && text != "false" { return "which is neither true nor false" }
    case .integer:
      guard let value = Int64(text.filter { $0 != "_" }) else { return "which is no integer" }
      number = Double(value)
    case .number:
      guard let value = parseNumber(text) else { return "which is no number" }
      number = value
    case .decimal:
      guard let value = parseDecimal(text) else { return "which is no decimal number" }
      number = (0..<value.digits).reduce(Double(value.mantissa)) { partial, _ in partial / 10 }
    case .duration:
      guard let value = parseDuration(text) else { return "which is no duration (250ms, 1.5s, 5m, 1h, 2d)" }
      number = Double(value) / 1e9
    case .choice:
      if !parameter.choices.contains(text) { return "which is none of \(parameter.choices.joined(separator: ", "))" }
    case .texts:
      number = Double(listEntries(text).count)
    case .numbers:
      let entries = listEntries(text)
      for entry in entries where parseNumber(entry) == nil { return "in which \"\(entry.printable)\" is no number" }
      number = Double(entries.count)
    case .text, .path, .artifact, .secret, .instrument: break
    }
    guard let number else { return nil }
    if let minimum = parameter.minimum, parameter.isAboveMinimum ? number <= minimum : number < minimum {
      return "below the minimum \(plain(minimum))\(parameter.isAboveMinimum ? ", which is excluded" : "")"
    }
    if let maximum = parameter.maximum, number > maximum { return "above the maximum \(plain(maximum))" }
    return nil
  }

  /// The entries of a list's default: `[a, b]` or `a, b`.
  static func listEntries(_ text: String) -> [String] {
    var body = Substring(text)
    if body.first == "[", body.last == "]" { body = body.dropFirst().dropLast() }
    return body.split(separator: ",").map { entry in
      String(entry.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  private static func plain(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : "\(value)"
  }

  private func plain(_ value: Double) -> String { Self.plain(value) }
}

extension ParameterDescription.Kind {
  /// Whether minimum and maximum mean something: numbers, durations, and the counts of lists.
  var hasRange: Bool {
    switch self {
    case .integer, .number, .decimal, .duration, .texts, .numbers: true
    default: false
    }
  }
}
