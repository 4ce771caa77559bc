import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry history`: what was changed, by whom, and what became of it.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "List the changes of the running graph, or of a state folder.",
    discussion: """
      Every change has an id, who asked, its steps with times, and its outcome. They are read from
      the audit log, in which each entry carries the hash of the one before; --verify reads it from
      the disk again and fails when something was changed, taken out or put in.

      EXAMPLES
        gantry history
        gantry history c3
        gantry history --verify
        gantry history --state run/state/quickstart --verify
      """)

  @Argument(help: ArgumentHelp("Only this change, with all its steps.", valueName: "id"))
  var id: String?
  @Option(help: ArgumentHelp("The newest so many.", valueName: "changes"))
  var limit: Int = 50
  @Flag(help: "Check the audit log's chain of hashes; exit code 1 when it is broken.")
  var verify = false
  @Option(help: ArgumentHelp("Read this state folder; no host needs to run.", valueName: "folder"), completion: .directory)
  var state: String?
  @OptionGroup var host: HostArguments

  mutating func run() throws {
    let terminal = host.terminal
    let answer: LiveHost.HistoryAnswer
    if let state {
      answer = try LiveHost.HistoryAnswer(state: state, limit: limit, verify: verify)
      if host.output.json { try terminal.object(answer) }
    } else {
      let arguments = JSONValue.arguments(["limit": .number(Double(id == nil ? limit : 1_000_000)), "verify": verify ? .bool(true) : nil])
      answer = try host.ask(.history, arguments, timeoutNs: 60_000_000_000, for: LiveHost.HistoryAnswer.self)
    }
    if let id, !answer.changes.contains(where: { $0.id == id }) {
      throw GantryError("history.unknown", "there is no change \(id)", help: ["`gantry history` lists them"], exit: .usage)
    }
    if !host.output.json {
      terminal.out(HistoryText.render(answer, only: id, paint: terminal.paint))
      try terminal.report(answer.findings)
    }
    if let check = answer.check, let problem = check.problem {
      throw GantryError("audit.broken", "\(check.path): \(problem)", help: ["find out who changed it; entries before that line are whole"], exit: .failed)
    }
  }
}

/// Changes for a person.
enum HistoryText {
  static func render(_ answer: LiveHost.HistoryAnswer, only: String?, paint: Paint) -> String {
    var lines: [String] = []
    for change in answer.changes where only == nil || change.id == only {
      let outcome = change.outcome ?? "under way"
      let tint: Paint.Colour = ["done", "committed"].contains(outcome) ? .green : change.outcome == nil ? .cyan : .yellow
      var line = "  " + paint(change.id.padded(5), .plain, bold: true) + StatusText.clockTime(change.beganNs) + "  " + change.verb.padded(9)
      line += paint(outcome.padded(11), tint) + (change.about ?? "")
      if let version = change.version { line += paint("  version \(version)", .grey) }
      if let detail = change.detail { line += paint("  \(detail)", .grey) }
      lines.append(line)
      if only != nil {
        lines.append(paint("        asked by \(change.by)", .grey))
        var lastNs = change.beganNs
        for step in change.steps {
          let after = "+" + duration(UInt64(max(0, step.wallNs - lastNs)))
          lines.append("        " + paint(after.leftPadded(9), .grey) + "  " + step.step.padded(10) + "  " + (step.detail ?? ""))
          lastNs = step.wallNs
        }
        if let ended = change.endedNs { lines.append(paint("        took \(duration(UInt64(max(0, ended - change.beganNs))))", .grey)) }
      }
    }
    if lines.isEmpty { lines.append("  nothing was changed yet") }
    if only == nil, answer.count > answer.changes.count { lines.append(paint("  \(answer.count - answer.changes.count) older ones; see --limit", .grey)) }
    if let version = answer.version { lines.append(paint("  the committed version of the graph is \(version)", .grey)) }
    if let check = answer.check, check.problem == nil {
      lines.append("  " + paint("the audit log is whole", .green) + ": \(grouped(check.entries)) entries")
    }
    return lines.joined(separator: "\n")
  }
}
