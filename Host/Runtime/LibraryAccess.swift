import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// What one instance may ask of `gantry.library/1`. The instance owns it; the control thread asks, and of a
/// cell that is brought back its watcher.
final class LibraryAccess: Sendable {
  private let libraries: (any PluginLibraries)?
  private let isGranted: Bool
  private let node: String
  private let plugin: String
  private let refused = Mutex<GantryError?>(nil)

  init(_ node: GraphNode, _ libraries: (any PluginLibraries)?) {
    self.libraries = libraries
    isGranted = node.grants.contains(.library)
    self.node = node.name
    plugin = node.plugin.id
  }

  /// The first refusal of the running call: what it fails with, where the plugin passes it on.
  var refusal: GantryError? { refused.withLock { $0 } }

  /// A call begins.
  func forget() { refused.withLock { $0 = nil } }

  fileprivate func ask<Value>(_ path: String, _ body: (any PluginLibraries) throws(GantryError) -> Value) throws(GantryError) -> Value {
    do throws(GantryError) {
      guard let libraries else { throw GantryError("loader.no-libraries", "this host opens no libraries for plugins", exit: .notAllowed) }
      guard isGranted else {
        throw GantryError(
          "graph.not-granted", "with these parameters \(plugin) opens a library, which \(node) is not granted", help: ["if you agree write grant: [library]"],
          exit: .notAllowed)
      }
      return try body(libraries)
    } catch {
      refused.withLock { if $0 == nil { $0 = error } }
      throw error
    }
  }
}

/// What a refusal is for the plugin: a status, and the reason with its remedy.
public enum LibraryRefusal {
  public static func text(_ error: GantryError) -> String { error.diagnostics.flatMap { [$0.text] + $0.help }.joined(separator: "; ") }

  static func answer(_ error: GantryError) -> (status: gantry_status, text: String) {
    (error.exitCode == .notAllowed ? GANTRY_DENIED : GANTRY_IO, text(error))
  }

  /// Writes as many whole characters as there is room for.
  public static func write(_ text: String, to reason: UnsafeMutablePointer<CChar>?, _ capacity: UInt64, _ length: UnsafeMutablePointer<UInt64>?) {
    var count = 0
    if let reason {
      for scalar in text.unicodeScalars {
        let bytes = Array(String(scalar).utf8)
        guard UInt64(count + bytes.count) <= capacity else { break }
        for byte in bytes {
          reason[count] = CChar(bitPattern: byte)
          count += 1
        }
      }
    }
    length?.pointee = UInt64(count)
  }
}

private func access(_ node: OpaquePointer?) -> (context: UnsafeMutablePointer<NodeContext>, libraries: LibraryAccess)? {
  guard let node else { return nil }
  let context = UnsafeMutablePointer<NodeContext>(node)
  guard context.pointee.isAlive, let libraries = context.pointee.libraries else { return nil }
  return (context, libraries.takeUnretainedValue())
}

private func say(_ context: UnsafeMutablePointer<NodeContext>, _ path: String, _ remark: String) {
  context.pointee.services._withUnsafeGuaranteedRef { $0.log.say(.info, node: Int(context.pointee.node), "opens \(path): \(remark)") }
}

/// `gantry.library/1`. Constant after its first use.
nonisolated(unsafe) let libraryTable: UnsafePointer<gantry_library_host> = {
  let table = UnsafeMutablePointer<gantry_library_host>.allocate(capacity: 1)
  table.initialize(to: gantry_library_host())
  table.pointee.size = UInt32(MemoryLayout<gantry_library_host>.size)
  table.pointee.open = { node, path, flags, handle, reason, capacity, length in
    guard let (context, libraries) = access(node) else { return GANTRY_GONE }
    guard let handle, let path = swiftText(path), path.hasPrefix("/"), context.pointee.inControl else { return GANTRY_MISUSE }
    do throws(GantryError) {
      let opened = try libraries.ask(path) { store throws(GantryError) in try store.open(path: path, isAlone: flags & GANTRY_LIBRARY_ALONE != 0) }
      handle.pointee = opened.handle
      say(context, path, opened.remark)
      return GANTRY_OK
    } catch {
      let (status, text) = LibraryRefusal.answer(error)
      LibraryRefusal.write(text, to: reason, capacity, length)
      return status
    }
  }
  return UnsafePointer(table)
}()

/// `gantry.library/1` for a plugin in a cell: the host says which file the cell may map.
public enum CellLibraries {
  /// - Parameters:
  ///   - host: the table that the plugin's `create` was given, and `node` its handle
  ///   - path: absolute
  /// - Returns: the file, or a status and the reason
  public static func admit(
    host: UnsafePointer<gantry_host>, node: OpaquePointer?, path: String
  ) -> (status: gantry_status, text: String) {
    guard host == hostTable, let (context, libraries) = access(node) else { return (GANTRY_GONE, "") }
    guard path.hasPrefix("/") else { return (GANTRY_MISUSE, "") }
    do throws(GantryError) {
      let admitted = try libraries.ask(path) { store throws(GantryError) in try store.admit(path: path) }
      say(context, path, admitted.remark)
      return (GANTRY_OK, admitted.file)
    } catch {
      return LibraryRefusal.answer(error)
    }
  }
}
