import ArgumentParser
import GantryAdmin
import GantryBase
import GantryRuntime

/// `gantry revert`: takes a change back.
struct RevertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revert", abstract: "Take a change of the running graph back.",
    discussion: """
      A swap on probation: the old instance, which was fed all the while, counts again, exactly. A
      committed change: the graph becomes the version before it, as `gantry apply` would make it.
      Without an id: the swap under way, otherwise the newest committed change.

      EXAMPLES
        gantry revert
        gantry revert c3
        gantry revert --node model
      """)

  @Argument(help: ArgumentHelp("The change, as `gantry history` lists it.", valueName: "id"))
  var id: String?
  @Option(help: ArgumentHelp("The swap of this node that is under way.", valueName: "node"), completion: NodeCompletion.nodes)
  var node: String?
  @Option(help: ArgumentHelp("Let the new instance of this node start from nothing. May be given more than once.", valueName: "node"), completion: NodeCompletion.nodes)
  var cold: [String] = []
  @OptionGroup var host: HostArguments

  /// Either a swap's answer or an apply's.
  private enum Answer: Decodable {
    case swap(LiveHost.SwapAnswer)
    case version(LiveHost.ApplyAnswer)

    init(from decoder: any Decoder) throws {
      if let swap = try? LiveHost.SwapAnswer(from: decoder) { self = .swap(swap) } else { self = .version(try LiveHost.ApplyAnswer(from: decoder)) }
    }
  }

  mutating func run() throws {
    let terminal = host.terminal
    let arguments = JSONValue.arguments(["change": .ifGiven(id), "node": .ifGiven(node), "cold": .ifAny(cold)])
    let answer = try host.ask(.revert, arguments, timeoutNs: nil, for: Answer.self) { line in
      terminal.out(PlanText.line(try line.decode(ApplyStep.self), terminal.paint))
    }
    guard !host.output.json else { return }
    switch answer {
    case .swap(let swap): terminal.out(SwapText.end(swap, terminal.paint))
    case .version(let version): terminal.out(PlanText.end(version, terminal.paint))
    }
  }
}
