import ArgumentParser
import GantryAdmin
import GantryBase
import GantryModels
import GantryRuntime

/// `gantry swap`: replaces the instance of one node of a running graph.
struct SwapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swap", abstract: "Replace the code, the parameters or the artifact of a running node.",
    discussion: """
      The new instance is made beside the old one, warmed with its state or its last events, compared
      if that is asked for, and takes over at an event boundary. Until the probation ends the old one
      is fed too and can take over again: `gantry revert`. How much of each is what the graph's
      `swap:` says, unless it is said here.

      EXAMPLES
        gantry swap model --artifact models:momentum@4 --probation 5000
        gantry swap model --artifact models/momentum-2.json
        gantry swap features --with build/libindicators.so --shadow 1000 --probation 5000
        gantry swap decide --set upper=0.9 --set lower=0.1 --wait
        gantry swap model --with linear@1.3.0 --canary 10%
        gantry swap features --with build/libfeatures2.so --convert build/libfeatures-convert.so
      """)

  @Argument(help: ArgumentHelp("The node.", valueName: "node"), completion: NodeCompletion.nodes)
  var node: String
  @Option(help: ArgumentHelp("A plugin file, or plugin@version as the graph would find it.", valueName: "path|plugin@version"), completion: .file(extensions: ["so"]))
  var with: String?
  @Option(help: ArgumentHelp("Another file for the node's artifact, or models:NAME@VERSION.", valueName: "file"), completion: .file())
  var artifact: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("Another value for a parameter. May be given more than once.", valueName: "param=value"))
  var sets: [String] = []
  @Option(help: ArgumentHelp("Warm with so many of the node's last events.", valueName: "events"))
  var warm: Int?
  @Option(help: ArgumentHelp("Run both and compare for so many events before the new one counts.", valueName: "events"))
  var shadow: Int?
  @Option(help: ArgumentHelp("Keep the old one ready for so many events after.", valueName: "events"))
  var probation: Int?
  @Option(help: ArgumentHelp("Let the new one count for this share of instruments first, or with 10%/chain of chains.", valueName: "share"))
  var canary: String?
  @Option(help: ArgumentHelp("flat: wait until no position or order stands behind the node.", valueName: "flat"), completion: .list(["flat"]))
  var when: String?
  @Option(
    name: .customLong("convert"),
    help: ArgumentHelp("A plugin that converts the state to the new version's. May be given more than once.", valueName: "path|plugin@version"),
    completion: .file(extensions: ["so"]))
  var converters: [String] = []
  @Flag(help: "Start from nothing where the state cannot be handed over.")
  var cold = false
  @Flag(name: .customLong("no-rehearsal"), help: "Do not run the candidate in a child process first.")
  var noRehearsal = false
  @Flag(help: "Return when the swap is committed, reverted or failed, not after the flip.")
  var wait = false
  @OptionGroup var host: HostArguments

  func validate() throws {
    guard with != nil || artifact != nil || !sets.isEmpty else { throw ValidationError("say what is new: --with, --artifact or --set.") }
  }

  mutating func run() throws {
    let arguments = JSONValue.arguments([
      "node": .text(node), "with": .ifGiven(with.map(SwapCommand.file)), "artifact": .ifGiven(artifact.map(SwapCommand.absolute)),
      "set": .ifAny(sets), "warm": .ifGiven(warm), "shadow": .ifGiven(shadow), "probation": .ifGiven(probation),
      "canary": .ifGiven(canary), "when": .ifGiven(when),
      "convert": .ifAny(converters.map(SwapCommand.file)), "cold": cold ? .bool(true) : nil, "rehearse": noRehearsal ? .bool(false) : nil,
      "wait": wait ? .bool(true) : nil,
    ])
    let terminal = host.terminal
    let paint = terminal.paint
    let answer = try host.ask(.swap, arguments, timeoutNs: nil, for: LiveHost.SwapAnswer.self) { line in
      terminal.out(SwapText.line(try line.decode(SwapStep.self), paint))
    }
    if !host.output.json { terminal.out(SwapText.end(answer, paint)) }
    if let outcome = answer.report.outcome, outcome != .committed { throw VerbFailed(exitCode: .failed) }
  }

  /// A path becomes absolute; `plugin@version` stays.
  static func file(_ text: String) -> String { text.contains("/") || text.hasSuffix(".so") ? absolute(text) : text }
  static func absolute(_ path: String) -> String { path.hasPrefix("/") || ModelReference.isOne(path) ? path : JournalHeads.workingDirectory() + "/" + path }
}

/// Swaps for a person.
enum SwapText {
  static func line(_ step: SwapStep, _ paint: Paint) -> String {
    "  " + paint(step.step.rawValue.padded(10), step.step == .failed ? .red : .cyan) + "  " + step.detail + paint("  event \(grouped(step.event))", .grey)
  }

  static func end(_ answer: LiveHost.SwapAnswer, _ paint: Paint) -> String {
    let report = answer.report
    var text = "  " + paint(report.id, .plain, bold: true) + " \(report.node): \(report.from) -> \(report.to), "
    switch report.outcome {
    case nil: text += "counts now; `gantry commit \(report.node)` or `gantry revert` ends its probation"
    case .committed: text += paint("committed", .green) + (answer.version.map { ", version \($0) of the graph" } ?? "")
    case .reverted: text += paint("reverted", .yellow)
    case .failed: text += paint("failed", .red)
    case .superseded: text += paint("superseded", .yellow)
    case .unfinished: text += paint("the run ended before it did", .yellow)
    }
    if let reason = report.reason, report.outcome != .committed { text += ": \(reason)" }
    if let by = report.endedBy { text += ", by \(by)" }
    if report.longestPauseNs > 0 {
      text += paint("\n  the lane stood still for \(duration(report.longestPauseNs)) at most, \(grouped(UInt64(report.stateBytes))) bytes of state", .grey)
    }
    if report.comparedRows > 0 {
      text += paint("\n  \(grouped(report.differingRows)) of \(grouped(report.comparedRows)) rows differed, by \(rounded(report.largestDifference)) at most", .grey)
    }
    return text
  }
}
