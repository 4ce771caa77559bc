import GantryBase
import GantryManifest
import GantryModels

/// The text of a graph file to a checked `Graph`.
///
/// Every mistake is reported in one run: each stage goes on with what it could understand, and says
/// nothing about what only follows from an earlier mistake. The graph is nil when there is an error;
/// warnings come with a graph. No plugin's code runs and nothing but the files that the
/// graph names is looked at, through `options.files`.
public enum GraphBuilder {
  public static func build(
    file: String, text: String, catalog: @escaping PluginCatalog, options: GraphOptions = GraphOptions()
  ) -> (graph: Graph?, diagnostics: [Diagnostic]) {
    build(file: file, bytes: Array(text.utf8), catalog: catalog, options: options)
  }

  public static func build(
    file: String, bytes: [UInt8], catalog: @escaping PluginCatalog, options: GraphOptions = GraphOptions()
  ) -> (graph: Graph?, diagnostics: [Diagnostic]) {
    let report = GraphReport()
    let graph = build(file, bytes, catalog, options, report)
    return (report.hasErrors ? nil : graph, report.finished(file: file))
  }

  /// What must be known of a file before a catalog can be made for it.
  public struct Header: Sendable, Equatable {
    public var name: String
    public var clock: Graph.Clock
    public var trust: Graph.Trust
    /// Absolute.
    public var pluginPath: [String]
    public var lock: String?
    /// Each id with its requirement, once, in file order.
    public var plugins: [PluginReference]
    /// Names of the file's profiles.
    public var profiles: [String]
  }

  /// `id@requirement`.
  public struct PluginReference: Sendable, Hashable {
    public var id: String
    public var requirement: String?

    public init(id: String, requirement: String? = nil) {
      self.id = id
      self.requirement = requirement
    }
  }

  /// Reads the header alone. Mistakes are not reported here: `build` finds them again. Nil when the
  /// file cannot be followed at all.
  public static func header(file: String, bytes: [UInt8], options: GraphOptions = GraphOptions()) -> Header? {
    let report = GraphReport()
    guard let root = tree(file, bytes, options, report) else { return nil }
    let draft = GraphReader(report: report, paths: PathResolver(file: file, options: options)).draft(root)
    var plugins: [PluginReference] = []
    for word in draft.nodes.compactMap(\.plugin) {
      let parts = PluginBinder.parts(word.text)
      let reference = PluginReference(id: parts.id, requirement: parts.requirement)
      if !plugins.contains(reference) { plugins.append(reference) }
    }
    return Header(
      name: draft.name, clock: draft.clock, trust: draft.plugins.trust, pluginPath: draft.plugins.path, lock: draft.plugins.lock,
      plugins: plugins, profiles: root["profiles"]?.entries?.map(\.key.text) ?? [])
  }

  /// The tree with the chosen profile laid over it.
  private static func tree(_ file: String, _ bytes: [UInt8], _ options: GraphOptions, _ report: GraphReport) -> ManifestNode? {
    let (tree, diagnostics) = ManifestParser.parse(bytes: bytes, file: file)
    report.add(diagnostics)
    guard let root = tree else { return nil }
    checkProfiles(root, file, options, report)
    var result = root
    if let profile = options.profile {
      result = Overlay.apply(profile: profile, to: root, report: report, file: file) ?? root
    }
    for change in overlays(options, file, report) { result = Overlay.merged(result, Overlay.parts(of: change, over: result).whole) }
    return result
  }

  private static func overlays(_ options: GraphOptions, _ file: String, _ report: GraphReport) -> [ManifestNode] {
    options.overlays.compactMap { overlay in
      let (change, diagnostics) = ManifestParser.parse(bytes: Array(overlay.utf8), file: file)
      report.add(diagnostics)
      return change
    }
  }

  /// The shape of every profile, the chosen one included: what it says is checked on its own
  /// first, so that a mistake in it shows whichever profile is asked for.
  private static func checkProfiles(_ root: ManifestNode, _ file: String, _ options: GraphOptions, _ report: GraphReport) {
    guard let profiles = root["profiles"] else { return }
    guard let entries = profiles.entries else {
      report.error(
        .wrongShape, "profiles is a mapping of names to changes, this is \(profiles.shape)", at: profiles.place, help: ["write NAME: { clock: live } under it"])
      return
    }
    let paths = PathResolver(file: file, options: options)
    for entry in entries {
      let reader = GraphReader(report: report, paths: paths, isPartial: true)
      reader.checkName(Word(text: entry.key.text, place: entry.key.place), "profile")
      _ = reader.draft(Overlay.withoutNulls(entry.value))
    }
  }

  private static func build(
    _ file: String, _ bytes: [UInt8], _ catalog: @escaping PluginCatalog, _ options: GraphOptions, _ report: GraphReport
  ) -> Graph? {
    guard let root = tree(file, bytes, options, report) else { return nil }
    let paths = PathResolver(file: file, options: options)
    let draft = GraphReader(report: report, paths: paths).draft(root)
    var nodes = ForEach(report: report, instruments: draft.instruments).expanded(draft.nodes)
    for change in overlays(options, file, GraphReport()) {
      let reader = GraphReader(report: report, paths: paths, isPartial: true)
      for entry in Overlay.parts(of: change, over: root).copies { reader.apply(entry, to: &nodes) }
    }
    GraphSets(report: report).apply(options.sets, to: &nodes)

    var plugins = PluginBinder(report: report, catalog: catalog)
    var bound: [BoundNode] = []
    for node in nodes { bound.append(BoundNode(draft: node, plugin: node.plugin.flatMap { plugins.description($0) })) }
    EdgeBinder(report: report, nodes: bound).bind(&bound)
    return assemble(file, draft, bound, paths, options, report)
  }

  /// Values, whole-graph checks, and the graph itself.
  private static func assemble(
    _ file: String, _ draft: GraphDraft, _ nodes: [BoundNode], _ paths: PathResolver, _ options: GraphOptions, _ report: GraphReport
  ) -> Graph? {
    let modelPath = draft.modelPath ?? [PathResolver.join(paths.baseDirectory, "models")]
    let parameters = ParameterBinder(
      report: report, paths: paths, instruments: draft.instruments, instrumentsAreComplete: draft.instrumentsAreComplete,
      models: ModelBinder(report: report, folders: ModelFolders(modelPath, files: options.files), pins: options.models))
    let values = nodes.map { node in node.plugin.map { parameters.bind(node.draft, to: $0) } }

    var graph = Graph(name: draft.name, file: file)
    var lanes: [Int] = []
    for node in nodes {
      let lane = node.draft.lane?.text ?? graph.lanes[0]
      if !graph.lanes.contains(lane) { graph.lanes.append(lane) }
      lanes.append(graph.lanes.firstIndex(of: lane) ?? 0)
    }
    if graph.lanes.count > GraphLimits.lanes {
      report.error(
        .tooMany, "the graph has \(graph.lanes.count) lanes; the limit is \(GraphLimits.lanes)", at: nodes.last { $0.draft.lane != nil }?.draft.lane?.place)
    }

    let names = NodeNames(nodes.map(\.draft))
    let checks = GraphChecks(report: report, nodes: nodes)
    graph.order = checks.order()
    checks.feedback()
    checks.grants()
    checks.queues(lanes)
    checks.swaps()
    let guards = checks.brokers()
    let tests = TestBinder(report: report, paths: paths, nodes: nodes, names: names)
    graph.tests = draft.tests.map { tests.bind($0) }

    graph.clock = draft.clock
    graph.trust = draft.plugins.trust
    graph.pluginPath = draft.plugins.path
    graph.lock = draft.plugins.lock
    graph.modelPath = modelPath
    graph.profile = options.profile
    graph.trace = draft.trace
    graph.feedbackMax = draft.feedbackMax
    graph.instruments = draft.instruments
    graph.currencies = currencies(draft)
    for (index, node) in nodes.enumerated() {
      guard let plugin = node.plugin, let bound = values[index] else { continue }
      var made = GraphNode(name: node.draft.name, plugin: plugin)
      made.place = node.draft.place
      made.each = node.draft.each
      made.requirement = node.draft.plugin.flatMap { PluginBinder.parts($0.text).requirement }
      (made.parameters, made.parameterPlaces, made.models) = bound
      made.inputs = node.edges.map { edge in
        var edge = edge
        let crosses = lanes[edge.fromNode] != lanes[index]
        let isSink = [.notifier, .store, .service].contains(plugin.kind)
        if crosses || isSink && node.draft.queue != nil { edge.queue = node.draft.queue?.policy ?? QueuePolicy() }
        return edge
      }
      made.lane = lanes[index]
      switch node.draft.onError?.action {
      case .skip: made.onError = .skip
      case .halt: made.onError = .halt
      case .fallback(let word): made.onError = checks.fallback(index, word, names).map { .fallback($0) } ?? .skip
      case nil: made.onError = guards.contains(index) ? .halt : .skip
      }
      made.grants = node.draft.grants.map(\.need)
      made.isolation = node.draft.isolation
      made.cell = node.draft.cell
      made.swap = node.draft.swap
      made.trace = node.draft.trace
      graph.nodes.append(made)
    }
    checks.uses()
    checks.canaries(graph)
    return graph
  }

  /// Those of the instruments in their order, then the rest of `currencies:`.
  private static func currencies(_ draft: GraphDraft) -> [Currency] {
    var result: [Currency] = []
    var seen: Set<String> = []
    for code in draft.instruments.flatMap({ [$0.quote, $0.base] }) + draft.currencies.map(\.code) where seen.insert(code).inserted {
      result.append(draft.currencies.first { $0.code == code } ?? Currency(code: code, digits: Currency.standardDigits(code)))
    }
    return result
  }
}
