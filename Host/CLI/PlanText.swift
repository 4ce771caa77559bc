import GantryAdmin
import GantryBase
import GantryGraph
import GantryRuntime

/// Plans and applies for a person.
enum PlanText {
  static func render(_ nodes: [LiveHost.PlannedNode], _ paint: Paint) -> String {
    guard nodes.contains(where: { $0.action != .keep }) else { return "  nothing would change" }
    let width = nodes.map(\.node.count).max() ?? 0
    return nodes.map { node in
      let tint: Paint.Colour =
        switch node.action {
        case .keep: .grey
        case .reconfigure, .rewire, .swapWithState: .cyan
        case .add: .green
        case .swapCold, .remove: .yellow
        }
      var line = "  " + node.node.padded(width) + "  " + paint(node.action.rawValue.padded(15), tint)
      if node.isHandOver, [.swapWithState, .swapCold].contains(node.action) { line += paint(" hand-over: the old one stops first", .yellow) }
      if node.action != .keep || !node.reasons.isEmpty { line += " " + node.reasons.joined(separator: "; ") }
      return line
    }.joined(separator: "\n")
  }

  static func line(_ step: ApplyStep, _ paint: Paint) -> String {
    "  " + paint(step.step.rawValue.padded(10), step.step == .failed ? .red : .cyan) + "  " + step.detail + paint("  event \(grouped(step.event))", .grey)
  }

  static func end(_ answer: LiveHost.ApplyAnswer, _ paint: Paint) -> String {
    guard let report = answer.report else { return "  " + paint(answer.change, .plain, bold: true) + " nothing to do" }
    var lines = [render(answer.nodes.filter { $0.action != .keep }, paint)]
    var text = "  " + paint(answer.change, .plain, bold: true) + " " + paint("committed", .green)
    if let version = answer.version { text += ", version \(version) of the graph" }
    text += paint("; the lanes stood still for \(duration(report.pauseNs)), \(grouped(UInt64(report.stateBytes))) bytes of state", .grey)
    lines.append(text)
    return lines.joined(separator: "\n")
  }
}
