import CGantry
import GantrySDK

/// A model of format `gantry.linear/1`, checked by itself: every number is finite, there is one
/// coefficient (and mean, and scale, where given) for each column, and no column comes twice.
struct Artifact {
  var name: Text = ""
  var version: Text = ""
  var isLogistic = false
  var intercept = 0.0
  var columns: [JSONString] = []
  var coefficients: [Double] = []
  /// Empty, or one for each column.
  var means: [Double] = []
  var scales: [Double] = []
  /// 0 where the artifact does not say.
  var horizonNs: Int64 = 0
  private var reader: JSONReader

  static var columnsMax: Int { 4096 }

  private enum Member: Int, CaseIterable {
    case format, name, version, kind, intercept, columns, coefficients, means, scales, horizon

    var text: Text {
      switch self {
      case .format: "format"
      case .name: "name"
      case .version: "version"
      case .kind: "kind"
      case .intercept: "intercept"
      case .columns: "columns"
      case .coefficients: "coefficients"
      case .means: "means"
      case .scales: "scales"
      case .horizon: "horizon"
      }
    }

    var isRequired: Bool { rawValue <= Member.coefficients.rawValue }
  }

  /// Reads an artifact; `file` is its name in what is thrown.
  init(_ bytes: UnsafeRawBufferPointer, file: Text) throws(Failure) {
    reader = JSONReader(bytes, file: file)
    var places = [Int?](repeating: nil, count: Member.allCases.count)
    try reader.beginDocument()
    while let key = try reader.nextKey() {
      let member = try member(of: key)
      if let before = places[member.rawValue] {
        throw reader.failure(key.position, "the key \"\(key.text)\" comes twice; it stands in line \(reader.line(before)) too")
      }
      places[member.rawValue] = key.position
      try read(member)
    }
    let end = reader.position - 1
    try reader.endDocument()
    for member in Member.allCases where member.isRequired && places[member.rawValue] == nil {
      throw reader.failure(end, "the key \"\(member.text)\" is missing")
    }
    try checkCounts(places)
  }

  private func member(of key: JSONString) throws(Failure) -> Member {
    for member in Member.allCases where member.text == key.text { return member }
    var names: [Text] = []
    for member in Member.allCases { names.append(member.text) }
    let hint: Text
    if let near = nearest(to: key.text, among: names) {
      hint = "did you mean \"\(near)\"?"
    } else {
      hint = "the keys of this format are \(list(names))"
    }
    throw reader.failure(key.position, "unknown key \"\(key.text)\"; \(hint)")
  }

  private mutating func read(_ member: Member) throws(Failure) {
    switch member {
    case .format:
      let format = try reader.string()
      if format.text != "gantry.linear/1" {
        throw reader.failure(format.position, "the format is \"\(format.text)\"; this plugin reads \"gantry.linear/1\"")
      }
    case .name: name = try nonEmpty("name")
    case .version: version = try nonEmpty("version")
    case .kind:
      let kind = try reader.string()
      isLogistic = kind.text == "logistic"
      if !isLogistic, kind.text != "linear" {
        throw reader.failure(kind.position, "the kind is \"\(kind.text)\"; it must be \"linear\" or \"logistic\"")
      }
    case .intercept: intercept = try reader.number()
    case .columns: try readColumns()
    case .coefficients: coefficients = try numbers()
    case .means: means = try numbers()
    case .scales: scales = try numbers(positive: true)
    case .horizon:
      let horizon = try reader.string()
      guard let nanoseconds = duration(horizon.text) else {
        throw reader.failure(horizon.position, "\"\(horizon.text)\" is no duration; write a number and a unit, like 250ms, 30s, 5m, 1h, 2d")
      }
      horizonNs = nanoseconds
    }
  }

  private mutating func nonEmpty(_ what: StaticString) throws(Failure) -> Text {
    let string = try reader.string()
    if string.text.bytes.isEmpty { throw reader.failure(string.position, "the \(what) is empty") }
    return string.text
  }

  private mutating func readColumns() throws(Failure) {
    try reader.beginArray()
    while try reader.nextElement() {
      let column = try reader.string()
      for other in columns where other.text == column.text {
        throw reader.failure(column.position, "the column \"\(column.text)\" comes twice")
      }
      if columns.count == Artifact.columnsMax {
        throw reader.failure(column.position, "more than \(Artifact.columnsMax) columns")
      }
      columns.append(column)
    }
  }

  private mutating func numbers(positive: Bool = false) throws(Failure) -> [Double] {
    var numbers: [Double] = []
    try reader.beginArray()
    while try reader.nextElement() {
      let number = try reader.number()
      if positive, !(number > 0) {
        throw reader.failure(reader.lastPosition, "a scale must be above 0; leave out a column that is constant")
      }
      if numbers.count == Artifact.columnsMax {
        throw reader.failure(reader.lastPosition, "more than \(Artifact.columnsMax) numbers")
      }
      numbers.append(number)
    }
    return numbers
  }

  private func checkCounts(_ places: [Int?]) throws(Failure) {
    func check(_ member: Member, _ count: Int, _ text: Text) throws(Failure) {
      guard let place = places[member.rawValue], count != columns.count else { return }
      throw reader.failure(place, "\(columns.count) columns, but \(count) \(text); there must be one for each column")
    }
    try check(.coefficients, coefficients.count, "coefficients")
    try check(.means, means.count, "means")
    try check(.scales, scales.count, "scales")
    for index in 0..<columns.count where !weight(index).isFinite {
      throw reader.failure(columns[index].position, "the coefficient of \"\(columns[index].text)\" divided by its scale is beyond the range of a double")
    }
  }

  /// What a column is multiplied with.
  func weight(_ index: Int) -> Double { scales.isEmpty ? coefficients[index] : coefficients[index] / scales[index] }

  /// Where the artifact's column stands in a row, or a failure that says what there is instead.
  func position(of index: Int, in schema: Schema) throws(Failure) -> Int {
    let column = columns[index]
    var names: [Text] = []
    for candidate in 0..<schema.columnCount {
      let name = Text(schema.column(candidate))
      if name == column.text { return candidate }
      names.append(name)
    }
    var hint: Text = ""
    if let near = nearest(to: column.text, among: names) { hint = "did you mean \"\(near)\"? " }
    throw reader.failure(
      column.position,
      "the model needs the column \"\(column.text)\", which its input does not have; \(hint)the input's columns are \(list(names))")
  }
}

extension Artifact {
  /// What the models folder says of this artifact has to be so.
  func check(against model: ModelInfo?) throws(Failure) {
    guard let model else { return }
    if !(model.format == "gantry.linear/1") {
      throw Failure.invalid("model.yaml of \(model.name)@\(model.version) says format \(model.format); this plugin reads gantry.linear/1")
    }
    var isSame = model.columnCount == columns.count
    for index in 0..<columns.count where isSame { isSame = model.column(index) == columns[index].text }
    if model.columnCount > 0, !isSame {
      var said: [Text] = []
      for index in 0..<model.columnCount { said.append(Text(model.column(index))) }
      var own: [Text] = []
      for column in columns { own.append(column.text) }
      throw Failure.invalid(
        "model.yaml of \(model.name)@\(model.version) says the columns \(list(said)), and the artifact has \(list(own)); add the model again with the columns it was trained on")
    }
  }
}

/// Names with commas between them; of a long list the first ones.
private func list(_ names: [Text]) -> Text {
  if names.isEmpty { return "none" }
  var text: Text = ""
  for (index, name) in names.enumerated() {
    if index == 24 { return "\(text) and \(names.count - index) more" }
    text = index == 0 ? name : "\(text), \(name)"
  }
  return text
}

/// A duration in nanoseconds as graph files write it: 250ms, 1.5s, 5m, 1h, 2d; nil for anything else.
func duration(_ text: Text) -> Int64? {
  var mantissa: Int64 = 0
  var divisor: Int64 = 1
  var hasPoint = false
  var hasDigit = false
  var index = 0
  while index < text.bytes.count {
    let byte = text.bytes[index]
    if byte == 46, !hasPoint {
      hasPoint = true
    } else if byte >= 48, byte <= 57 {
      guard mantissa < 100_000_000_000_000, divisor < 1_000_000_000 else { return nil }
      mantissa = mantissa * 10 + Int64(byte - 48)
      if hasPoint { divisor *= 10 }
      hasDigit = true
    } else {
      break
    }
    index += 1
  }
  let unit = Text(bytes: [UInt8](text.bytes[index...]))
  let scale: Int64
  if unit == "ns" {
    scale = 1
  } else if unit == "us" {
    scale = 1_000
  } else if unit == "ms" {
    scale = 1_000_000
  } else if unit == "s" {
    scale = 1_000_000_000
  } else if unit == "m" {
    scale = 60_000_000_000
  } else if unit == "h" {
    scale = 3_600_000_000_000
  } else if unit == "d" {
    scale = 86_400_000_000_000
  } else {
    return nil
  }
  let (product, overflow) = mantissa.multipliedReportingOverflow(by: scale)
  guard hasDigit, !overflow, product % divisor == 0 else { return nil }
  return product / divisor
}
