import GantryBase
import Synchronization

/// The plugins installed in a search path. A file `lib<id>.so` (or a bundle `<id>.bundle`) is
/// looked at by a throwaway child when somebody first asks for it; its answer is kept.
public final class PluginCatalog: Sendable {
  public enum Answer: Sendable {
    case found(PluginDescription)
    case missing(installed: [String])
    /// Installed, but damaged, refused, or of no version that will do.
    case refused(Diagnostic)
  }

  /// Absolute folders; earlier ones win.
  public let searchPath: [String]
  private let inspector: PluginInspector
  private let known = Mutex<[String: Result<[PluginDescription], GantryError>]>([:])

  public init(searchPath: [String], inspector: PluginInspector = PluginInspector()) {
    self.searchPath = searchPath.map { FileBytes.absolute($0) }
    self.inspector = inspector
  }

  /// Ids that the file names promise, sorted, each once.
  public var installed: [String] { Array(Set(files().map(\.id))).sorted() }

  /// Looks at these plugins with one child for all of them; `find` then answers at once.
  public func prefetch(_ ids: some Sequence<String>) {
    let wanted = Set(ids)
    inspect(files().filter { wanted.contains($0.id) }.map(\.path))
  }

  /// The first plugin in path order with this id and a version that will do.
  public func find(_ id: String, _ requirement: String? = nil) -> Answer {
    let parsed: VersionRequirement?
    do throws(GantryError) {
      parsed = try requirement.map { text throws(GantryError) in try VersionRequirement(text) }
    } catch {
      return .refused(error.diagnostics[0])
    }
    let candidates = files().filter { $0.id == id }
    guard !candidates.isEmpty else { return .missing(installed: installed) }
    inspect(candidates.map(\.path))
    var versions: [String] = []
    var refusal: Diagnostic?
    for candidate in candidates {
      switch known.withLock({ $0[candidate.path] }) {
      case .success(let plugins):
        guard let plugin = plugins.first(where: { $0.id == id }) else {
          refusal =
            refusal
            ?? Diagnostic(
              .error, LoaderCode.fileName, "\(candidate.path): offers \(plugins.map(\.id).joined(separator: ", ")), not \(id)",
              help: ["name the file lib\(plugins.first?.id ?? "ID").so"])
          continue
        }
        if let parsed, let version = Version(plugin.version), !parsed.accepts(version) {
          versions.append(plugin.version)
          continue
        }
        return .found(plugin)
      case .failure(let error): refusal = refusal ?? error.diagnostics.first
      case nil: continue
      }
    }
    if let refusal { return .refused(refusal) }
    return .refused(
      Diagnostic(
        .error, LoaderCode.requirement, "\(id) \(requirement ?? "") is asked for; installed: \(versions.joined(separator: ", "))",
        help: ["relax the version, or install one that will do"]))
  }

  /// Everything installed, with what could not be read; for `gantry plugin list`.
  public func all() -> [(path: String, result: Result<[PluginDescription], GantryError>)] {
    let paths = files().map(\.path)
    inspect(paths)
    return known.withLock { known in paths.compactMap { path in known[path].map { (path, $0) } } }
  }

  private func inspect(_ paths: [String]) {
    let open = known.withLock { known in paths.filter { known[$0] == nil } }
    guard !open.isEmpty else { return }
    let answers = inspector.describe(paths: open)
    known.withLock { $0.merge(answers) { $1 } }
  }

  private func files() -> [(id: String, path: String)] {
    searchPath.flatMap { folder in
      (FileBytes.names(in: folder) ?? []).compactMap { name -> (id: String, path: String)? in
        let id = name.hasPrefix("lib") && name.hasSuffix(".so") ? name.dropFirst(3).dropLast(3) : name.hasSuffix(".bundle") ? name.dropLast(7) : ""
        let isPlugin = DescriptorReader.Pattern.id.accepts(String(id))
        return isPlugin ? (String(id), folder + "/" + name) : nil
      }
    }
  }
}
