import GantryBase
import GantryManifest

/// Collects what is wrong with one graph. Shared by all stages of the builder, on one thread.
final class GraphReport {
  private(set) var diagnostics: [Diagnostic] = []
  private var secrets: [Place] = []

  var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

  /// More than will be shown: no need for remedies any more.
  var isFull: Bool { diagnostics.count > GraphLimits.diagnostics }

  func error(_ code: GraphCode, _ text: String, at place: Place?, help: [String?] = []) {
    diagnostics.append(Diagnostic(.error, code.rawValue, text, at: place, help: help.compactMap { $0 }))
  }

  func warning(_ code: GraphCode, _ text: String, at place: Place?, help: [String?] = []) {
    diagnostics.append(Diagnostic(.warning, code.rawValue, text, at: place, help: help.compactMap { $0 }))
  }

  /// `did you mean X?`, when something is near. No longer looked for once there are more mistakes
  /// than are shown.
  func didYouMean(_ wrong: String, _ names: some Sequence<String>, _ form: (String) -> String = { $0 }) -> String? {
    guard !isFull else { return nil }
    return nearest(to: wrong, among: names).map { "did you mean \(form($0))?" }
  }

  func add(_ more: [Diagnostic]) { diagnostics += more }

  /// What stands there must never be printed, whatever diagnostic quotes its line.
  func hide(_ place: Place) { secrets.append(place) }

  /// In the order of the file, each mistake once, secrets masked.
  func finished(file: String) -> [Diagnostic] {
    var seen: Set<String> = []
    var unique = diagnostics.filter { diagnostic in
      let place = diagnostic.place
      return seen.insert("\(diagnostic.code) \(place?.file ?? ""):\(place?.line ?? 0):\(place?.column ?? 0) \(diagnostic.text)").inserted
    }
    // Other files first (the graph depends on them), then the graph's, then the command line's.
    func rank(_ place: Place?) -> (Int, Int, Int) {
      guard let place else { return (3, 0, 0) }
      return (place.file == file ? 1 : place.file == GraphSets.file ? 2 : 0, place.line, place.column)
    }
    let ranks = unique.map { rank($0.place) }
    unique = unique.indices.sorted { ranks[$0] != ranks[$1] ? ranks[$0] < ranks[$1] : $0 < $1 }.map { unique[$0] }
    if unique.count > GraphLimits.diagnostics {
      let rest = unique.count - GraphLimits.diagnostics
      let kept = unique.prefix(GraphLimits.diagnostics)
      // The errors among the rest must still fail the check.
      let severity: Diagnostic.Severity = unique.dropFirst(kept.count).contains { $0.severity == .error } ? .error : .warning
      unique = Array(kept)
      unique.append(
        Diagnostic(
          severity, GraphCode.tooMany.rawValue, "there are \(rest) more mistakes; they are shown when these are mended",
          at: Place(file: file, line: 1, column: 1)))
    }
    return secrets.isEmpty ? unique : unique.map(masked)
  }

  private func masked(_ diagnostic: Diagnostic) -> Diagnostic {
    guard var place = diagnostic.place, !place.excerpt.isEmpty else { return diagnostic }
    var scalars = Array(place.excerpt.unicodeScalars)
    for secret in secrets where secret.file == place.file && secret.line == place.line {
      let start = min(secret.column - 1, scalars.count)
      for index in start..<min(start + secret.length, scalars.count) { scalars[index] = "*" }
    }
    place.excerpt = String(String.UnicodeScalarView(scalars))
    var copy = diagnostic
    copy.place = place
    return copy
  }
}

/// "a, b, c", cut where it would be too long to help.
func listed(_ names: some Sequence<String>, none: String = "none") -> String {
  let all = Array(names)
  if all.isEmpty { return none }
  return all.count <= 24 ? all.joined(separator: ", ") : all.prefix(24).joined(separator: ", ") + ", and \(all.count - 24) more"
}
