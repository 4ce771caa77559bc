import GantryAdmin
import GantryBase
import GantryCells
import GantryGraph
import GantryJournal
import GantryLoader
import GantryRuntime

/// Has a run go on where another one was killed: it follows that one's journal, muted, until its nodes know
/// what they knew, and goes on live from there. What it follows becomes the first part of its own journal.
struct Recovery {
  /// Of the run that was killed.
  let journal: String
  private let head: JournalHeadValue
  private let session: GraphSession
  private let source: GraphSource
  private let graph: Graph
  private let isolated: [String]
  private let work: String

  /// - Parameters:
  ///   - target: of the graph that is to go on; its loader and cells are used
  ///   - isolated: nodes that run in cells from now on: what made the host crash may be in the journal
  ///   - work: a folder that is kept as long as the new journal
  init(journal: String, target: GraphSession, pluginFolders: [String], isolated: [String], work: String) throws(GantryError) {
    self.journal = journal
    self.isolated = isolated
    self.work = work
    let reader = try JournalReader(directory: journal)
    head = try JournalHeads.read(reader.head, journal)
    source = try ReplayApplies.source(head, reader, pluginFolders: pluginFolders, isolated: isolated, in: work)
    session = try GraphSession(source, loader: target.loader, cells: target.cells)
    for (index, plugin) in head.plugins.enumerated() {
      guard session.graph.nodes.indices.contains(index), session.graph.nodes[index].name == plugin.node, session.code(index).sha256 == plugin.sha256 else {
        throw GantryError("recover.other-code", "the code that \(plugin.node) had, \(plugin.id)@\(plugin.version), is not there any more", exit: .failed)
      }
    }
    var graph = session.graph
    graph.clock = Graph.Clock(rawValue: head.clock) ?? graph.clock
    self.graph = graph
  }

  /// A broker of this host's own whose replies go to another lane: unlike one outside it cannot be asked
  /// again for those that were on their way.
  static func brokerWithLostReplies(_ graph: Graph) -> String? {
    let lanes = BlockPlan.lanes(graph).of
    for (index, node) in graph.nodes.enumerated() {
      for edge in node.inputs where lanes[edge.fromNode] != lanes[index] {
        let from = graph.nodes[edge.fromNode]
        guard [.decision, .risk, .broker].contains(node.plugin.kind) else { continue }
        if from.plugin.kind == .broker, from.plugin.effects == .none, from.plugin.outputs[edge.fromPort].type == .execution { return from.name }
      }
    }
    return nil
  }

  /// Follows the journal, and returns when the run has gone on by itself. Throws with nothing left running.
  func run(
    into continuation: Continuation, options given: RunOptions, prepare: (Run) -> Void, progress: (Run) -> Void
  ) throws(GantryError) -> Run {
    var options = given
    options.script = journal
    options.seed = head.seed
    options.continuation = continuation
    // Its orders keep their ids, and those after them count on.
    options.orders = OrderHistory()
    options.orders.epoch = head.orderEpoch ?? 0
    if OrderKeeping.isNeeded(graph) || OrderKeeping.isNeeded(continuation.graph) {
      options.orders.inherit(try OrderHistory.read(journal: journal, heardBy: .nodes))
    }
    options.scriptedSwap = ReplaySwaps.maker(journal, session, isolated: isolated, in: work)
    options.scriptedApply = ReplayApplies.maker(
      journal, session, pluginFolders: source.pluginFolders, isolated: isolated, clock: graph.clock, in: work)
    options.journalHead = JournalHeads.maker(session, source, seed: head.seed, epoch: head.orderEpoch ?? 0, graph)
    let run = try Run(graph: graph, options: options) { node throws(GantryError) in session.code(node) }
    prepare(run)
    try run.start()
    try run.waitUntilLive(progress: progress)
    // The graph that goes on has its own load of all that is still used.
    for generation in session.generations { generation.unload() }
    return run
  }
}
