import GantryAdmin
import GantryBase
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// A running host's status, for a person. Also what `top` draws.
enum StatusText {
  static func render(_ status: HostStatus, paint: Paint) -> String {
    (["", header(status, paint), ""] + table(status, paint) + [""] + footer(status, paint) + code(status, paint) + [""]).joined(separator: "\n")
  }

  static func header(_ status: HostStatus, _ paint: Paint) -> String {
    let run = status.run
    return "  " + paint(run.graph, .plain, bold: true) + "   \(run.clock) clock, up \(time(run.secondsRunning)), \(grouped(run.events)) events, "
      + "\(perSecond(status.rate))" + paint("   pid \(status.pid), \(rounded(Double(status.residentBytes) / 1e6)) MB", .grey)
  }

  static func table(_ status: HostStatus, _ paint: Paint) -> [String] {
    let manyLanes = status.run.lanes.count > 1
    var head = ["node", "plugin", "gen", "events", "rate", "p50", "p99", "state"]
    if manyLanes { head.insert("lane", at: 1) }
    var rows: [(cells: [String], isWell: Bool)] = []
    for node in status.run.nodes {
      let isTimed = node.p99Ns > 0
      let state = state(node)
      var cells = [
        node.name, node.plugin + (node.model.map { " \($0)" } ?? ""), "\(node.generation)", grouped(node.events), node.rate.map(perSecond) ?? "-", isTimed ? duration(node.p50Ns) : "-",
        isTimed ? duration(node.p99Ns) : "-", state.text,
      ]
      if manyLanes { cells.insert(node.lane, at: 1) }
      rows.append((cells, state.isWell))
    }
    let widths = head.indices.map { column in ([head[column]] + rows.map { $0.cells[column] }).map(\.count).max() ?? 0 }
    let leftColumns = manyLanes ? 3 : 2
    func line(_ cells: [String]) -> String {
      cells.enumerated().map { index, cell in
        index == cells.count - 1 ? cell : index < leftColumns ? cell.padded(widths[index]) : cell.leftPadded(widths[index])
      }.joined(separator: "  ")
    }
    return ["  " + paint(line(head), .grey)] + rows.map { "  " + ($0.isWell ? line($0.cells) : paint(line($0.cells), .yellow)) }
  }

  private static func state(_ node: RunStatus.Node) -> (text: String, isWell: Bool) {
    var parts: [String] = []
    var isWell = true
    if node.isPaused == true {
      parts.append("paused")
      isWell = false
    }
    if node.breaker.state != "closed" {
      parts.append("breaker \(node.breaker.state)")
      isWell = false
    }
    if node.isolation != "none" { parts.append("in a cell") }
    if node.errors > 0 { parts.append(node.errors == 1 ? "1 error" : "\(grouped(node.errors)) errors") }
    if node.dropped > 0 { parts.append("\(grouped(node.dropped)) dropped") }
    return (parts.isEmpty ? "ok" : parts.joined(separator: ", "), isWell && node.errors == 0)
  }

  static func footer(_ status: HostStatus, _ paint: Paint) -> [String] {
    let run = status.run
    var lines: [String] = []
    var closed: [String] = []
    if run.gate.isUnsynced { closed.append(", for the journal cannot be written") }
    if !run.gate.unsettledBrokers.isEmpty { closed.append(" until \(run.gate.unsettledBrokers.joined(separator: ", ")) has said how things stand") }
    if !run.gate.illRiskNodes.isEmpty { closed.append(" while \(run.gate.illRiskNodes.joined(separator: ", ")) is quarantined") }
    let gate =
      run.gate.isHalted
      ? paint("halted", .red, bold: true) + halt(status)
      : closed.isEmpty ? paint("open", .green) : paint("closed", .red, bold: true) + closed.joined(separator: ", and")
    lines.append(
      "  gate \(gate)   orders \(grouped(run.gate.orders))   fills \(grouped(run.gate.fills))"
        + (run.gate.refused > 0 ? paint("   refused \(grouped(run.gate.refused))", .yellow) : ""))
    if run.chainP99Ns > 0 { lines.append(paint("  a chain takes \(duration(run.chainP50Ns)) (p50), \(duration(run.chainP99Ns)) (p99)", .grey)) }
    for queue in run.queues {
      let text = "  queue \(queue.from) -> \(queue.to): \(queue.depth) of \(queue.size) wait"
      lines.append(queue.dropped > 0 ? paint(text + ", \(grouped(queue.dropped)) dropped (\(queue.whenFull))", .yellow) : paint(text, .grey))
    }
    for cell in status.cells {
      var text = "  cell of \(cell.node): pid \(cell.pid)\(cell.isReady ? "" : ", not ready")"
      if cell.restarts > 0 { text += ", restarted \(cell.restarts == 1 ? "once" : "\(cell.restarts) times")" + (cell.lastEnd.isEmpty ? "" : ": \(cell.lastEnd)") }
      lines.append(paint(text, cell.restarts > 0 || !cell.isReady ? .yellow : .grey))
    }
    for swap in run.swaps where swap.outcome == nil { lines.append("  " + paint("swap \(swap.id)", .cyan) + " of \(swap.node): \(step(swap))") }
    if run.lostLogLines > 0 { lines.append("  " + paint("\(run.lostLogLines) log lines did not fit", .yellow)) }
    return lines
  }

  /// Where a swap stands.
  private static func step(_ swap: SwapReport) -> String {
    guard let last = swap.steps.last else { return "beginning" }
    return "\(last.step.rawValue)\(last.detail.isEmpty ? "" : ": \(last.detail)"), \(swap.from) -> \(swap.to)"
  }

  private static func halt(_ status: HostStatus) -> String {
    guard let halt = status.halt else { return "" }
    return " since \(clockTime(halt.sinceNs)) by \(halt.by)" + (halt.reason.map { ": \($0)" } ?? "")
  }

  /// Generations that no instance uses any more but that cannot be unmapped.
  private static func code(_ status: HostStatus, _ paint: Paint) -> [String] {
    let resident = status.generations.filter(\.isResident)
    guard !resident.isEmpty else { return [] }
    let bytes = resident.reduce(0) { $0 + $1.mappedBytes }
    return [paint("  \(resident.count) of \(status.generations.count) generations stay mapped: \(rounded(Double(bytes) / 1e6)) MB", .grey)]
  }

  // MARK: numbers

  static func perSecond(_ rate: Double) -> String {
    switch rate {
    case ..<0.05: "0/s"
    case ..<999.5: "\(rounded(rate))/s"
    case ..<1e6: "\(rounded(rate / 1e3)) k/s"
    default: "\(rounded(rate / 1e6)) M/s"
    }
  }

  static func time(_ seconds: Double) -> String {
    let whole = Int(seconds)
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3600: return "\(whole / 60) min \(whole % 60) s"
    case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
    default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }
  }

  /// Local date and time, to the second.
  static func clockTime(_ ns: Int64) -> String {
    var seconds = time_t(ns / 1_000_000_000)
    var parts = tm()
    localtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
  }
}
