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
        let (excerpt, column, length) = place.window
        lines.append(pad + paint(number, .cyan) + " | " + excerpt)
        let offset = String(repeating: " ", count: column - 1)
        let carets = String(repeating: "^", count: length)
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

extension Place {
  /// The part of a long line around the place, with the column and length in it.
  var window: (excerpt: String, column: Int, length: Int) {
    let widthMax = 160
    let line = Array(excerpt.unicodeScalars)
    let column = max(column, 1)
    guard line.count > widthMax else { return (excerpt, column, length) }
    // A third of the width before the place, the rest from it on.
    let start = min(max(0, column - 1 - widthMax / 3), line.count)
    let end = min(start + widthMax, line.count)
    var shown = String.UnicodeScalarView(line[start..<end])
    let before = start > 0 ? "..." : ""
    if end < line.count { shown.append(contentsOf: "...".unicodeScalars) }
    return (before + String(shown), column - start + before.count, max(1, min(length, end - column + 1)))
  }
}

/// A text as it may be quoted in a sentence: one line, at most 40 characters of it.
public func quoted(_ text: String) -> String {
  var shown = String.UnicodeScalarView()
  for scalar in text.unicodeScalars.prefix(40) { shown.append(scalar.properties.generalCategory == .control ? " " : scalar) }
  return "'" + String(shown) + (text.unicodeScalars.dropFirst(40).isEmpty ? "" : "...") + "'"
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
  // Nobody mistypes a name this long; the distance takes time and memory with the square of it.
  guard wrong.utf8.count <= 100 else { return nil }
  let limit = max(1, wrong.count / 3)
  let letters = Array(wrong.lowercased().unicodeScalars)
  var best: (distance: Int, name: String)?
  for name in names where abs(name.utf8.count - wrong.utf8.count) <= limit * 4 {
    let distance = editDistance(letters, Array(name.lowercased().unicodeScalars))
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
