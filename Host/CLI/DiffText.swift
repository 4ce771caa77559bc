import GantryBase
import GantryRuntime

/// What `gantry diff` tells a person.
enum DiffText {
  static func render(_ report: DiffReport, paint: Paint) -> String {
    var lines = ["  " + paint(report.node, .plain, bold: true) + "   \(report.before) against \(report.with), \(grouped(report.events)) events"]
    lines += outputs(report, paint)
    lines += orders(report, paint)
    return lines.joined(separator: "\n")
  }

  private static func outputs(_ report: DiffReport, _ paint: Paint) -> [String] {
    let outputs = report.outputs
    guard !outputs.areEqual else {
      return ["  outputs   " + paint("the same", .green, bold: true) + ", \(grouped(outputs.compared)) rows"]
    }
    let share = outputs.compared > 0 ? " (\(rounded(100 * Double(outputs.differing) / Double(outputs.compared))) %)" : ""
    var lines = ["  outputs   " + paint("\(grouped(outputs.differing)) of \(grouped(outputs.compared)) rows differ\(share)", .yellow, bold: true)]
    if outputs.onlyBefore > 0 { lines.append("            \(grouped(outputs.onlyBefore)) rows only before") }
    if outputs.onlyWith > 0 { lines.append("            \(grouped(outputs.onlyWith)) rows only with the candidate") }
    if let first = outputs.first {
      lines.append("  first     \(report.node).\(first.port), chain \(first.chain), \(utcText(first.eventNs))")
      if first.before.isEmpty { lines.append("            only the candidate wrote this row") }
      if first.with.isEmpty { lines.append("            the candidate wrote no row") }
      for name in first.fields { lines.append("            \(name)  \(first.before[name] ?? "-") -> \(first.with[name] ?? "-")") }
    }
    for (index, field) in outputs.fields.enumerated() {
      var line = (index == 0 ? "  fields    " : "            ") + "\(field.port).\(field.name)  \(grouped(field.count)) times"
      if let largest = field.largest, let mean = field.mean { line += ", at most \(short(largest)), on average \(short(mean))" }
      lines.append(line)
    }
    return lines
  }

  private static func orders(_ report: DiffReport, _ paint: Paint) -> [String] {
    let orders = report.orders
    guard !orders.areEqual else {
      return ["  orders    " + paint("the same", .green, bold: true) + ", \(grouped(orders.before))"]
    }
    var lines = [
      "  orders    \(grouped(orders.before)) before, \(grouped(orders.with)) with the candidate: "
        + paint(
          "\(grouped(orders.changed)) changed, \(grouped(orders.onlyBefore)) only before, \(grouped(orders.onlyWith)) only with the candidate", .yellow,
          bold: true)
    ]
    for order in orders.first {
      lines.append("            chain \(order.chain), \(utcText(order.eventNs)): \(order.before ?? "none") -> \(order.with ?? "none")")
    }
    return lines
  }

  /// Four digits that matter.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return "\(value)" }
    var scale = 1.0
    while value * scale < 1000, scale < 1e300 { scale *= 10 }
    while value * scale >= 10_000, scale > 1e-300 { scale /= 10 }
    return "\((value * scale).rounded() / scale)"
  }
}
