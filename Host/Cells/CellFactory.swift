import CGantry
import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime
import Synchronization

/// Makes the code of nodes that run in cells: `PluginCode` whose table goes to a child process. Lanes,
/// swaps and applies use it like any other.
///
/// Keeps what it made for as long as it lives; make one for each host.
public final class CellFactory: Sendable {
  /// What is started: this very executable, which answers the hidden verb with `CellChild`.
  public let executable: String
  private struct State {
    var copies: [String: PluginCopy] = [:]
    var plugins: [CellPlugin] = []
    /// Whose copies cells map.
    var libraries: [any PluginLibraries] = []
  }
  private let state = Mutex(State())

  /// For cells whose maker says nothing else.
  public let limits: CellLimits

  public init(executable: String = "/proc/self/exe", limits: CellLimits = CellLimits()) {
    self.executable = executable
    self.limits = limits
  }

  deinit {
    for libraries in state.withLock({ $0.libraries }) { Loader.removeCopies(of: libraries) }
  }

  /// The code of `graph.nodes[node]` in a cell of its own.
  ///
  /// - Parameters:
  ///   - image: the plugin's bytes, as the loader verified them
  ///   - generation: the number of the loaded copy
  ///   - libraries: what the plugin may open at run time
  public func code(
    graph: Graph, node: Int, description: PluginDescription, image: PluginImage, generation: UInt32, limits: CellLimits? = nil,
    libraries: (any PluginLibraries)? = nil
  ) throws(GantryError) -> PluginCode {
    let plugin = try makePlugin(graph.nodes[node], description, image, limits ?? self.limits, libraries)
    state.withLock { $0.plugins.append(plugin) }
    return PluginCode(raw: plugin.raw, description: description, sha256: image.sha256, generation: generation, libraries: libraries)
  }

  func makePlugin(
    _ node: GraphNode, _ description: PluginDescription, _ image: PluginImage, _ limits: CellLimits, _ libraries: (any PluginLibraries)?
  ) throws(GantryError) -> CellPlugin {
    let copy = try privateCopy(image)
    var recipe = CellFactory.recipe(node, description, copy, executable, limits.with(node.cell))
    if node.grants.contains(.library), let libraries, let folder = try libraries.copiesFolder() {
      recipe.boot.readable.append(folder)
      state.withLock { if !$0.libraries.contains(where: { $0 === libraries }) { $0.libraries.append(libraries) } }
    }
    return CellPlugin(recipe: recipe, description: description, copy: copy)
  }

  private func privateCopy(_ image: PluginImage) throws(GantryError) -> PluginCopy {
    if let known = state.withLock({ $0.copies[image.sha256] }) { return known }
    let copy = try PluginCopy(image)
    state.withLock { $0.copies[image.sha256] = copy }
    return copy
  }

  static func recipe(
    _ node: GraphNode, _ description: PluginDescription, _ copy: PluginCopy, _ executable: String, _ limits: CellLimits
  ) -> CellRecipe {
    var boot = CellBoot()
    boot.path = copy.path
    boot.sha256 = copy.mainSHA256
    boot.plugin = description.id
    boot.node = node.name
    boot.grants = Set(node.grants)
    boot.memoryBytes = limits.memoryBytes
    boot.cpuSeconds = UInt64((limits.cpuNs + 999_999_999) / 1_000_000_000)
    for value in node.parameters {
      switch value {
      case .artifact(let path): boot.readable.append(path)
      case .path(let path): boot.writable.append(CellFactory.reach(path))
      default: break
      }
    }
    return CellRecipe(executable: executable, boot: boot, outputs: description.outputs, limits: limits)
  }

  /// What must be opened for a plugin that may read, make or write `path`: the path, or the folder that
  /// it is to be made in.
  private static func reach(_ path: String) -> String {
    if fileExists(path) { return path }
    return path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  /// One cell, for status.
  public struct Status: Sendable, Codable {
    public var node: String
    public var plugin: String
    public var pid: Int32
    public var isReady: Bool
    public var restarts: Int
    /// What became of the one before.
    public var lastEnd: String
    /// What walls it in, and what this kernel lacks.
    public var walls: [String]
    public var missing: String?
  }

  public var cells: [Status] {
    state.withLock { $0.plugins }.flatMap { plugin in
      plugin.living.map { cell in
        let past = cell.past
        return Status(
          node: plugin.recipe.boot.node, plugin: plugin.recipe.boot.plugin, pid: past.pid, isReady: cell.isReady, restarts: past.restarts,
          lastEnd: past.lastEnd, walls: CellWalls.describe(past.walls), missing: CellWalls.missing(past.walls, plugin.recipe.boot.grants))
      }
    }
  }
}
