import CYaml
import GantryBase

/// libyaml's events to a tree. Keeps a stack of its own, so that depth is counted and never recursed.
struct ManifestTreeBuilder {
  private let source: ManifestSource
  private var diagnostics: [Diagnostic] = []
  private var stack: [Frame] = []
  private var root: ManifestNode?
  private var anchors: [String: Anchor] = [:]
  private var openAnchors: Set<String> = []
  private var nodeCount = 0
  private var aliasCount = 0
  private var documents = 0

  init(source: ManifestSource) { self.source = source }

  /// What an anchor names: a copy is shared, but whoever walks the tree sees all of it.
  private struct Anchor {
    var node: ManifestNode
    var count: Int
    var height: Int
  }

  /// A collection that has begun.
  private struct Frame {
    enum Slot { case item, key, value(ManifestKey), dropped }
    var slot: Slot
    var items: [ManifestNode] = []
    var entries: [ManifestEntry] = []
    var keys: [String: Int] = [:]
    var start: Int
    var anchor: String?
    var count = 1
    var height = 1
  }

  private enum Step { case next, stop, done }

  mutating func run() -> (ManifestNode?, [Diagnostic]) {
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { parser.deallocate() }
    guard yaml_parser_initialize(parser) == 1 else { return (nil, [memoryProblem]) }
    defer { yaml_parser_delete(parser) }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    let finished = source.bytes.withUnsafeBufferPointer { bytes in
      // libyaml wants a pointer even for no bytes.
      var none: UInt8 = 0
      return withUnsafePointer(to: &none) { nothing in
        yaml_parser_set_input_string(parser, bytes.baseAddress ?? nothing, bytes.count)
        return events(of: parser)
      }
    }
    if finished, root == nil, diagnostics.isEmpty {
      report(.empty, "the file holds nothing", at: source.end, help: ["a graph begins with `graph: NAME`; see `manifests/quickstart.yaml`"])
    }
    return (finished ? root : nil, diagnostics)
  }

  /// False when the text could not be followed to its end.
  private mutating func events(of parser: UnsafeMutablePointer<yaml_parser_t>) -> Bool {
    var event = yaml_event_t()
    while true {
      guard yaml_parser_parse(parser, &event) == 1 else {
        diagnostics.append(parser.pointee.error == YAML_MEMORY_ERROR ? memoryProblem : SyntaxProblem(parser.pointee).diagnostic(in: source))
        return false
      }
      let step = handle(event)
      yaml_event_delete(&event)
      switch step {
      case .next: continue
      case .done: return true
      case .stop: return false
      }
    }
  }

  private mutating func handle(_ event: yaml_event_t) -> Step {
    let start = Int(event.start_mark.index)
    let end = Int(event.end_mark.index)
    switch event.type {
    case YAML_STREAM_END_EVENT: return .done
    case YAML_DOCUMENT_START_EVENT:
      documents += 1
      if documents > 1 {
        report(.manyDocuments, "a second document begins here", at: source.place(start, end), help: ["one file holds one graph: make two files of it"])
        return .done
      }
      return .next
    case YAML_SCALAR_EVENT:
      let data = event.data.scalar
      reportTag(data.tag, at: source.place(start, end))
      let text = String(decoding: UnsafeBufferPointer(start: data.value, count: data.length), as: UTF8.self)
      let style: ManifestScalar.Style =
        switch data.style {
        case YAML_SINGLE_QUOTED_SCALAR_STYLE, YAML_DOUBLE_QUOTED_SCALAR_STYLE: .quoted
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
        default: .plain
        }
      let node = ManifestNode(.scalar(ManifestScalar(text: text, style: style)), at: source.place(start, end))
      return add(node, count: 1, height: 0, anchor: name(data.anchor))
    case YAML_ALIAS_EVENT: return alias(name(event.data.alias.anchor) ?? "", at: source.place(start, end))
    case YAML_SEQUENCE_START_EVENT:
      reportTag(event.data.sequence_start.tag, at: source.place(start, end))
      return open(Frame(slot: .item, start: start, anchor: name(event.data.sequence_start.anchor)))
    case YAML_MAPPING_START_EVENT:
      reportTag(event.data.mapping_start.tag, at: source.place(start, end))
      return open(Frame(slot: .key, start: start, anchor: name(event.data.mapping_start.anchor)))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return close(end)
    default: return .next
    }
  }

  private mutating func open(_ frame: Frame) -> Step {
    guard stack.count < ManifestLimits.depth else {
      report(
        .tooDeep, "this is more than \(ManifestLimits.depth) levels deep", at: source.place(frame.start, frame.start + 1),
        help: ["a graph needs about six; is a bracket left open?"])
      return .stop
    }
    if let anchor = frame.anchor { openAnchors.insert(anchor) }
    stack.append(frame)
    return .next
  }

  private mutating func close(_ end: Int) -> Step {
    guard let frame = stack.popLast() else { return .stop }
    if let anchor = frame.anchor { openAnchors.remove(anchor) }
    let place = source.place(frame.start, end)
    let node =
      if case .item = frame.slot { ManifestNode(.sequence(frame.items), at: place) } else { ManifestNode(.mapping(frame.entries), at: place) }
    return add(node, count: frame.count, height: frame.height, anchor: frame.anchor)
  }

  private mutating func alias(_ name: String, at place: Place) -> Step {
    if openAnchors.contains(name) {
      report(.aliasLoop, "\(quoted("*" + name)) stands inside what it names", at: place, help: ["an alias can only repeat what is complete"])
      return drop()
    }
    guard let anchor = anchors[name] else {
      let meant = nearest(to: name, among: anchors.keys.sorted())
      report(
        .unknownAnchor, "nothing above is named \(quoted("&" + name))", at: place,
        help: [meant.map { "did you mean *\($0)?" } ?? "a text that begins with * needs quotes"])
      return drop()
    }
    aliasCount += anchor.count
    guard aliasCount <= ManifestLimits.aliasNodes else {
      report(
        .aliasExpansion, "the aliases up to here stand for more than \(ManifestLimits.aliasNodes) values", at: place,
        help: ["write `for_each:` where a part of the graph repeats"])
      return .stop
    }
    guard stack.count + anchor.height <= ManifestLimits.depth else {
      report(.tooDeep, "\(quoted("*" + name)) makes this more than \(ManifestLimits.depth) levels deep", at: place, help: ["write it flatter"])
      return .stop
    }
    return add(anchor.node, count: anchor.count, height: anchor.height, anchor: nil)
  }

  /// Goes on without a value that could not be had.
  private mutating func drop() -> Step {
    guard let top = stack.indices.last else { return .stop }
    switch stack[top].slot {
    case .item: break
    case .key: stack[top].slot = .dropped
    case .value, .dropped: stack[top].slot = .key
    }
    return .next
  }

  /// Puts a complete node where it belongs.
  private mutating func add(_ node: ManifestNode, count: Int, height: Int, anchor: String?) -> Step {
    nodeCount += 1
    guard nodeCount <= ManifestLimits.nodes else {
      report(
        .tooManyNodes, "the file has more than \(ManifestLimits.nodes) values", at: node.place,
        help: ["move data out of the graph file and name it by a path"])
      return .stop
    }
    if let anchor { anchors[anchor] = Anchor(node: node, count: count, height: height) }
    guard !stack.isEmpty else {
      root = node
      return .next
    }
    let top = stack.count - 1
    stack[top].count += count
    stack[top].height = max(stack[top].height, height + 1)
    switch stack[top].slot {
    case .item: stack[top].items.append(node)
    case .key: stack[top].slot = key(node, in: top)
    case .value(let key):
      stack[top].entries.append(ManifestEntry(key: key, value: node))
      stack[top].slot = .key
    case .dropped: stack[top].slot = .key
    }
    return .next
  }

  /// Checks a key; what is no usable key is reported and its value dropped.
  private mutating func key(_ node: ManifestNode, in frame: Int) -> Frame.Slot {
    guard let scalar = node.scalar, !scalar.text.isEmpty else {
      report(
        .badKey, node.scalar == nil ? "a key must be a text, this is \(node.shape)" : "a key is missing before the colon", at: node.place,
        help: ["write `key: value`"])
      return .dropped
    }
    if scalar.text == "<<", scalar.style == .plain {
      report(.mergeKey, "merge keys are not part of the graph format", at: node.place, help: ["use `for_each:` for repeated nodes, `profiles:` for variants"])
      return .dropped
    }
    if let first = stack[frame].keys[scalar.text] {
      report(.duplicateKey, "\(quoted(scalar.text)) is here a second time; the first is in line \(first)", at: node.place, help: ["remove one of the two"])
      return .dropped
    }
    stack[frame].keys[scalar.text] = node.place.line
    return .value(ManifestKey(text: scalar.text, at: node.place))
  }

  private mutating func reportTag(_ tag: UnsafePointer<yaml_char_t>?, at place: Place) {
    guard tag != nil else { return }
    report(.tag, "tags have no meaning here", at: place, help: ["remove the part that begins with !; a text that begins with ! needs quotes"])
  }

  private mutating func report(_ code: ManifestCode, _ text: String, at place: Place, help: [String]) {
    diagnostics.append(Diagnostic(.error, code.rawValue, text, at: place, help: help))
  }

  private func name(_ text: UnsafePointer<yaml_char_t>?) -> String? {
    text.map { String(decodingCString: $0, as: UTF8.self) }
  }

  private var memoryProblem: Diagnostic {
    Diagnostic(.error, ManifestCode.cannotRead.rawValue, "no memory is left to read it", at: source.place(0, 1))
  }
}
