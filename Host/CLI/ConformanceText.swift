import GantryBase
import GantryLoader

/// What `gantry plugin check` prints.
extension PluginConformance {
  /// Checks a plugin file or bundle and prints the report; throws when a check failed.
  static func check(_ path: String, options: ConformanceOptions = ConformanceOptions(), terminal: Terminal) throws {
    let report = try PluginConformance().check(path: path, options: options)
    if terminal.json { try terminal.object(report) } else { terminal.out(text(report, terminal.paint)) }
    let failed = report.checks.filter { $0.outcome == .failed }.count
    guard failed > 0 else { return }
    throw GantryError(
      "loader.conformance", "\(path): \(failed) of \(report.checks.count) checks failed",
      help: ["the contract is in SDK/C/include/gantry; run the check again after the change"])
  }

  private static func text(_ report: ConformanceReport, _ paint: Paint) -> String {
    let width = report.checks.map(\.name.count).max() ?? 0
    var lines: [String] = []
    for check in report.checks {
      let word =
        switch check.outcome {
        case .passed: paint("passed ", .green)
        case .failed: paint("failed ", .red, bold: true)
        case .skipped: paint("skipped", .yellow)
        }
      let name = check.name + String(repeating: " ", count: width - check.name.count)
      lines.append("  \(word)  \(paint(name, .cyan))  \(check.text)")
      for help in check.help where check.outcome != .passed {
        lines.append(String(repeating: " ", count: width + 13) + paint("help:", .green, bold: true) + " " + help)
      }
    }
    return lines.joined(separator: "\n")
  }
}
