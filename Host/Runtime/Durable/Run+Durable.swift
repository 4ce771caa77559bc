import CGantry
import GantryBase
import GantryGraph
import GantryJournal
import Synchronization

/// Brokers outside: what must be there before one starts, and how it begins.
extension Run {
  /// Refuses a run that would act on the outside without writing it down first, or on recorded quotes.
  static func checkBrokers(_ graph: Graph, _ options: RunOptions) throws(GantryError) {
    // A replay of a journal acts on nothing.
    guard options.script == nil, let node = graph.nodes.first(where: { DurableEdges.isDurable($0) }) else { return }
    guard graph.clock == .live else {
      throw GantryError(
        "runtime.broker-replay", "\(node.name) (\(node.plugin.id)) sends orders to the world outside, and this run's clock is replay: it would trade on recorded quotes",
        at: node.place, help: ["use a paper broker here, for example by a profile", "write clock: live for trading"])
    }
    guard options.folder != nil, options.writesJournal else {
      throw GantryError(
        "runtime.broker-no-journal",
        "\(node.name) (\(node.plugin.id)) sends orders to the world outside, and no order goes there before its record is on the disk: this run writes no journal",
        at: node.place, help: ["run it with a run folder: leave out --no-journal and --no-run-folder"])
    }
  }

  /// Refuses a graph that has no place for what it inherits.
  func checkInherited(_ graph: Graph) throws(GantryError) {
    let brokers = Set(graph.nodes.filter { DurableEdges.isDurable($0) }.map(\.name))
    guard let lost = options.orders.open.filter({ !$0.value.isEmpty && !brokers.contains($0.key) }).keys.min() else { return }
    throw GantryError(
      "runtime.broker-gone", "orders of \(lost) have no known end, and the graph has no broker of that name now",
      help: ["bring \(lost) back until its orders have ended"], exit: .failed)
  }

  /// Writes down what is inherited and waits for the disk; then orders may be on their way. In `start`,
  /// while no lane runs, or where a followed journal ends, while they are parked.
  func beginBrokers() throws(GantryError) {
    guard let journal, !isFollowing else { return }
    let (graph, numbers, laneOf, instances) = shape.withLock { ($0.graph, $0.numbers, $0.laneOf, $0.instances) }
    // What was followed stands before the record of what is open behind it, whichever lanes wrote them.
    if followed != nil { try journal.flush() }
    let known = options.orders.open
    let unsent = followed?.unsent ?? [:]
    for index in graph.nodes.indices where DurableEdges.isDurable(graph.nodes[index]) {
      let broker = durable.broker(numbers[index])
      // More than a lane may keep: those on their way when the last run ended stood in a queue as well.
      let inherited = (known[graph.nodes[index].name] ?? []) + (unsent[numbers[index]] ?? [])
      broker.open.reserve(inherited.count + OpenOrders.usualCapacity)
      for order in inherited { broker.open.insert(order) }
      gate.inherit(broker.open.inOrder.count { UInt32($0.action) == GANTRY_ORDER_NEW })
      beginBroker(graph.nodes[index], number: numbers[index], instances[index], lane: planner.lanes[laneOf[index]], isNew: true)
    }
    guard graph.nodes.contains(where: { DurableEdges.isDurable($0) }) else { return }
    try journal.flush(sync: true)
    try options.onOrdersKept(options.orders.epoch)
  }

  /// A broker's instance takes its place on its lane, which does not run or is parked.
  func beginBroker(_ node: GraphNode, number: Int, _ instance: Instance, lane: Lane, isNew: Bool) {
    let broker = durable.broker(number)
    let isKnown = broker.begin(with: instance)
    if isNew {
      if !isKnown { cannotAsk(node.name, .passUnretained(broker)) }
      lane.recorder.begin(broker, name: node.name, executions: node.plugin.outputs.firstIndex { $0.type == .execution })
    }
    lane.countUnsettled()
  }

  /// Orders have no known end, and nobody can tell: a person has to look.
  func cannotAsk(_ name: String, _ broker: Unmanaged<DurableBroker>) {
    gate.halt(true)
    let orders = broker._withUnsafeGuaranteedRef { $0.open.inOrder.map { "\($0.order_id)" } }
    log.say(
      .error, node: Int(broker._withUnsafeGuaranteedRef { $0.number }),
      "orders are halted: what became of \(orders.prefix(10).joined(separator: ", "))\(orders.count > 10 ? " and \(orders.count - 10) more" : "") is not known, and \(name) cannot be asked, for its plugin offers no gantry.reconcile/1; compare with the broker, then `gantry unhalt`"
    )
  }
}
