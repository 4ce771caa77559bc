import GantryBase
import GantryRuntime

/// The summary of a run, for a person.
enum SummaryText {
  static func render(_ summary: RunSummary, paint: Paint) -> String {
    var lines: [String] = [""]
    let rate = summary.seconds > 0 ? Double(summary.events) / summary.seconds : 0
    lines.append(
      "  " + paint(summary.graph, .plain, bold: true) + "   \(grouped(summary.events)) events in \(rounded(summary.seconds)) s"
        + paint("   \(grouped(UInt64(rate)))/s, first event after \(rounded(summary.startSeconds * 1000)) ms", .grey))
    if summary.wasStopped { lines.append("  " + paint("stopped before its sources ended", .yellow)) }
    lines.append("")
    lines.append(contentsOf: table(summary, paint))
    lines.append("")
    var orders = "  orders \(grouped(summary.orders))   fills \(grouped(summary.fills))"
    if summary.refused > 0 { orders += paint("   refused by the order gate \(grouped(summary.refused))", .yellow) }
    lines.append(orders + paint("   order hash \(summary.orderHash)", .grey))
    if let profit = summary.netProfit {
      let tint: Paint.Colour = profit.hasPrefix("-") ? .red : .green
      lines.append(
        "  net profit " + paint("\(profit) \(summary.currency ?? "")", tint, bold: true)
          + paint("   after commission of \(summary.commission ?? "0")", .grey))
    }
    lines.append(
      paint(
        "  a chain takes \(duration(summary.chainP50Ns)) (p50), \(duration(summary.chainP99Ns)) (p99); lane \(rounded(summary.laneCPUSeconds)) s of CPU, helpers \(rounded(summary.helperCPUSeconds)) s; \(rounded(Double(summary.residentBytes) / 1e6)) MB resident",
        .grey))
    for queue in summary.queues where queue.dropped > 0 {
      lines.append("  " + paint("\(queue.from) -> \(queue.to) dropped \(grouped(queue.dropped)) events", .yellow))
    }
    if summary.lostLogLines > 0 { lines.append("  " + paint("\(summary.lostLogLines) log lines did not fit", .yellow)) }
    if let journal = summary.journal {
      lines.append("")
      lines.append("  journal " + journal)
      lines.append(paint("  next:   gantry replay \(journal)     gantry chain list", .grey))
    }
    lines.append("")
    return lines.joined(separator: "\n")
  }

  private static func table(_ summary: RunSummary, _ paint: Paint) -> [String] {
    let head = ["node", "plugin", "events", "outputs", "p50", "p99", "errors"]
    var rows: [[String]] = []
    for node in summary.nodes {
      let timed = node.p99Ns > 0
      rows.append([
        node.name, node.plugin, grouped(node.events), grouped(node.outputs), timed ? duration(node.p50Ns) : "-",
        timed ? duration(node.p99Ns) : "-",
        node.errors == 0 && node.dropped == 0 && node.breaker == "closed"
          ? "-" : "\(node.errors)" + (node.dropped > 0 ? " (\(node.dropped) dropped)" : "") + (node.breaker == "closed" ? "" : " \(node.breaker)"),
      ])
    }
    let widths = head.indices.map { column in ([head[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0 }
    func line(_ cells: [String]) -> String {
      cells.enumerated().map { index, cell in
        index < 2 || index == 6 ? cell.padded(widths[index]) : cell.leftPadded(widths[index])
      }.joined(separator: "  ")
    }
    return ["  " + paint(line(head), .grey)]
      + rows.map { row in
        let text = line(row)
        return "  " + (row[6] == "-" ? text : paint(text, .yellow))
      }
  }
}

/// One log line for a terminal.
enum LogFormat {
  static func text(_ line: LogLine, paint: Paint) -> String {
    let names = ["trace", "debug", "info", "warning", "error"]
    let tints: [Paint.Colour] = [.grey, .grey, .plain, .yellow, .red]
    let level = Int(line.severity.rawValue)
    return paint(names[level].padded(7), tints[level]) + " " + paint(line.node + ":", .cyan) + " " + line.text
  }
}
