/// The closed list of what can be wrong with a graph that is well-formed YAML.
/// `manifests/GRAPH_FORMAT.md` has a line on each; a code never changes its meaning.
public enum GraphCode: String, Sendable, CaseIterable {
  // The shape of the file.
  case unknownKey = "graph.unknown-key"
  case missingKey = "graph.missing-key"
  /// A list where a mapping belongs, and the like.
  case wrongShape = "graph.wrong-shape"
  case emptyValue = "graph.empty-value"
  case badName = "graph.bad-name"
  /// The same word twice in a list of different ones.
  case duplicateItem = "graph.duplicate-item"
  case tooMany = "graph.too-many"
  case unknownProfile = "graph.unknown-profile"
  case badSet = "graph.bad-set"

  // Values.
  case badType = "graph.bad-type"
  case badChoice = "graph.bad-choice"
  case outOfRange = "graph.out-of-range"
  case secretLiteral = "graph.secret-literal"
  case secretMisplaced = "graph.secret-misplaced"
  case noFile = "graph.no-file"
  /// Warning: a path at which nothing is yet.
  case noPath = "graph.no-path"

  // Instruments.
  case badInstrument = "graph.bad-instrument"
  case unknownInstrument = "graph.unknown-instrument"

  // Plugins and their parameters.
  case unknownPlugin = "graph.unknown-plugin"
  case badRequirement = "graph.bad-requirement"
  case pluginVersion = "graph.plugin-version"
  case unknownParameter = "graph.unknown-parameter"
  case missingParameter = "graph.missing-parameter"
  /// The plugin's own default does not pass its own check.
  case badDefault = "graph.bad-default"
  case notGranted = "graph.not-granted"
  /// Warning.
  case needlessGrant = "graph.needless-grant"

  // Edges.
  case unknownNode = "graph.unknown-node"
  case unknownPort = "graph.unknown-port"
  case portType = "graph.port-type"
  case portTaken = "graph.port-taken"
  case missingInput = "graph.missing-input"
  case selfReference = "graph.self-reference"
  case cycle = "graph.cycle"
  /// Warning: `~` on an edge that closes no cycle.
  case needlessFeedback = "graph.needless-feedback"
  case eachMismatch = "graph.each-mismatch"
  /// Warning: nobody takes what the node gives.
  case unusedNode = "graph.unused-node"
  /// Warning: nothing will ever happen.
  case noSource = "graph.no-source"

  // Policies.
  case noRisk = "graph.no-risk"
  case riskOnError = "graph.risk-on-error"
  case lossyOrder = "graph.lossy-order"
  case queueInLane = "graph.queue-in-lane"
  case badFallback = "graph.bad-fallback"
  case canaryZero = "graph.canary-zero"
  case canaryChain = "graph.canary-chain"
  case swapExternal = "graph.swap-external"

  // Tests.
  case unknownField = "graph.unknown-field"
  case badTest = "graph.bad-test"
}

/// How much a graph may hold.
public enum GraphLimits {
  public static let nodes = 4_096
  public static let instruments = 4_096
  public static let lanes = 64
  public static let edgesPerNode = 1_024
  public static let edges = 65_536
  public static let nameLength = 64
  /// Mistakes shown for one file.
  public static let diagnostics = 100
}
