import ArgumentParser
import GantryBase
import GantryGraph

/// `gantry graph`: draws a graph.
struct GraphCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Draw a graph as text, dot or mermaid.",
    discussion: """
      EXAMPLES
        gantry graph manifests/ema-cross.yaml
        gantry graph manifests/ema-cross.yaml --format dot | dot -Tsvg > graph.svg
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, dot, mermaid }

  @Argument(help: ArgumentHelp("The graph file.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @Option(help: "text, dot or mermaid.")
  var format: Format = .text
  @OptionGroup var graph: GraphArguments
  @OptionGroup var output: OutputOptions

  struct Drawing: Encodable {
    var format: String
    var drawing: String
  }

  mutating func run() throws {
    let terminal = output.terminal
    let graph = try CheckedGraph.load(file, graph)
    let drawing =
      switch format {
      case .text: GraphDrawing.text(graph)
      case .dot: GraphDrawing.dot(graph)
      case .mermaid: GraphDrawing.mermaid(graph)
      }
    if terminal.json {
      try terminal.object(Drawing(format: format.rawValue, drawing: drawing))
    } else {
      terminal.out(drawing)
    }
  }
}
