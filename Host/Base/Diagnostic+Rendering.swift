/// How diagnostics look in a terminal:
///
///     error[graph.unknown-port] manifests/eurusd.yaml:14:11
///        14 |     from: [decide.order]
///           |           ^^^^^^^^^^^^ decide offers: orders, debug
///        help: did you mean decide.orders?
extension Diagnostic {
  public func rendered(colour: Bool = false) -> String {
    let paint = Paint(enabled: colour)
    let tint: Paint.Colour = severity == .error ? .red : severity == .warning ? .yellow : .cyan
    var lines: [String] = []
    var head = paint("\(severity.rawValue)[\(code)]", tint, bold: true)
    if let place {
      head += " " + paint("\(place.file):\(place.line):\(place.column)", .plain, bold: true)
      lines.append(head)
      let number = String(place.line)
      let margin = String(repeating: " ", count: max(5, number.count + 3))
      if !place.excerpt.isEmpty {
        let pad = String(repeating: " ", count: margin.count - number.count)
        lines.append(pad + paint(number, .cyan) + " | " + place.excerpt)
        let offset = String(repeating: " ", count: max(place.column - 1, 0))
        let carets = String(repeating: "^", count: place.length)
        lines.append(margin + " | " + offset + paint(carets, tint, bold: true) + " " + text)
      } else {
        lines.append(margin + " " + text)
      }
      for remedy in help { lines.append(margin + " " + paint("help:", .green, bold: true) + " " + remedy) }
    } else {
      lines.append(head + " " + text)
      for remedy in help { lines.append("      " + paint("help:", .green, bold: true) + " " + remedy) }
    }
    return lines.joined(separator: "\n")
  }
}

/// Colours for terminals; does nothing when disabled.
public struct Paint: Sendable {
  public enum Colour: Int, Sendable { case plain = 0, red = 31, green = 32, yellow = 33, cyan = 36, grey = 90 }
  public var enabled: Bool
  public init(enabled: Bool) { self.enabled = enabled }

  public func callAsFunction(_ text: String, _ colour: Colour, bold: Bool = false) -> String {
    guard enabled, colour != .plain || bold else { return text }
    var codes: [String] = []
    if bold { codes.append("1") }
    if colour != .plain { codes.append(String(colour.rawValue)) }
    return "\u{1B}[\(codes.joined(separator: ";"))m\(text)\u{1B}[0m"
  }
}

/// Finds the name that a mistyped one probably meant: the nearest by edit distance, if it is near.
public func nearest(to wrong: String, among names: some Sequence<String>) -> String? {
  let limit = max(1, wrong.count / 3)
  var best: (distance: Int, name: String)?
  for name in names {
    let distance = editDistance(Array(wrong.lowercased().unicodeScalars), Array(name.lowercased().unicodeScalars))
    if distance <= limit, distance < (best?.distance ?? .max) { best = (distance, name) }
  }
  return best?.name
}

/// Levenshtein distance with swaps of neighbours counted as one (optimal string alignment).
func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
  var rows = [[Int]](repeating: [Int](repeating: 0, count: right.count + 1), count: left.count + 1)
  for i in 0...left.count { rows[i][0] = i }
  for j in 0...right.count { rows[0][j] = j }
  guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
  for i in 1...left.count {
    for j in 1...right.count {
      var cost = min(
        rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1))
      if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
        cost = min(cost, rows[i - 2][j - 2] + 1)
      }
      rows[i][j] = cost
    }
  }
  return rows[left.count][right.count]
}
