import GantryBase
import GantryManifest

/// `tests:` with what they name looked up.
struct TestBinder {
  let report: GraphReport
  let paths: PathResolver
  let nodes: [BoundNode]
  let names: NodeNames

  func bind(_ draft: TestDraft) -> GraphTest {
    var test = GraphTest(name: draft.name, place: draft.place)
    for (name, path) in draft.given {
      guard let index = node(name) else { continue }
      if let plugin = nodes[index].plugin, plugin.kind != .source {
        report.error(
          .badTest, "\(quoted(name.text)) is no source, so a test cannot give its events", at: name.place,
          help: ["sources are: \(listed(nodes.filter { $0.plugin?.kind == .source }.map(\.draft.name)))"])
        continue
      }
      let absolute = paths.absolute(path)
      if paths.files.kind(absolute) != .file {
        report.error(.noFile, "the file of this test is not there", at: path.place, help: ["it is looked for at \(absolute)"])
      }
      test.given.append(GraphTest.Given(node: index, path: absolute, place: path.place))
    }
    for (port, events) in draft.expect {
      guard let found = names.resolve(port.text, seenFrom: NodeDraft(name: "", place: port.place), at: port.place, report: report) else { continue }
      guard found.nodes.count == 1, let index = found.nodes.first else {
        report.error(.badTest, "\(quoted(port.text)) is more than one node", at: port.place, help: ["name one: \(nodes[found.nodes[0]].draft.name)"])
        continue
      }
      guard let plugin = nodes[index].plugin, let output = output(of: plugin, found.port, port) else { continue }
      let type = plugin.outputs[output].type
      var expected: [[String: String]] = []
      for event in events {
        var fields: [String: String] = [:]
        for entry in event {
          let known = EventFields.names(of: type)
          if let known, !known.contains(entry.key.text) {
            report.error(
              .unknownField, "\(type.name) events have no field \(quoted(entry.key.text)); they have: \(listed(known))", at: entry.key.place,
              help: [report.didYouMean(entry.key.text, known)])
          }
          fields[entry.key.text] = entry.value.text ?? ""
        }
        expected.append(fields)
      }
      test.expect.append(GraphTest.Expectation(node: index, port: output, events: expected, place: port.place))
    }
    return test
  }

  private func node(_ name: Word) -> Int? {
    guard let found = names.resolve(name.text, seenFrom: NodeDraft(name: "", place: name.place), at: name.place, report: report) else { return nil }
    guard found.nodes.count == 1, found.port == nil else {
      report.error(.badTest, "\(quoted(name.text)) is not one node", at: name.place, help: ["name one: \(nodes[found.nodes[0]].draft.name)"])
      return nil
    }
    return found.nodes[0]
  }

  private func output(of plugin: PluginDescription, _ name: String?, _ word: Word) -> Int? {
    let names = plugin.outputs.map(\.name)
    guard let name else {
      if names.isEmpty { report.error(.unknownPort, "\(word.text) offers: nothing", at: word.place) }
      return names.isEmpty ? nil : 0
    }
    guard let index = names.firstIndex(of: name) else {
      let node = word.text.dropLast(name.count + 1)
      report.error(
        .unknownPort, "\(node) offers: \(listed(names, none: "nothing"))", at: word.place, help: [report.didYouMean(name, names) { "\(node).\($0)" }])
      return nil
    }
    return index
  }
}

/// The fields of events that a test may name: those of the structs in `gantry/event.h`, words instead
/// of numbers where the header has a list of constants, and decimals instead of scaled integers.
public enum EventFields {
  /// Of every type.
  public static let header = ["event_ns", "chain", "instrument"]

  /// Nil for types whose fields the event itself names.
  public static func names(of type: EventType) -> [String]? {
    let own: [String]
    switch type {
    case .any, .features: return nil
    case .tick: own = ["bid", "ask", "bid_size", "ask_size"]
    case .trade: own = ["price", "size", "side"]
    case .bar: own = ["start_ns", "open", "high", "low", "close", "volume", "ticks"]
    case .prediction: own = ["value", "probability", "label", "model"]
    case .signal: own = ["strength", "price", "stop", "target"]
    case .order:
      own = ["side", "quantity", "price", "stop_price", "action", "order_type", "time_in_force", "reduce_only", "order_id", "target_id"]
    case .execution:
      own = ["kind", "side", "quantity", "price", "leaves", "cumulative", "position", "commission", "profit", "reason", "order_id"]
    case .account: own = ["balance", "equity", "unrealised", "commission", "fills"]
    case .alert: own = ["severity", "code", "text"]
    case .book, .news, .calendar, .blob: own = []
    }
    return own + header
  }
}
