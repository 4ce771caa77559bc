import CGantry
import GantryBase
import Synchronization

/// One plugin of a loaded generation.
///
/// The pointers are valid until the generation is unloaded; every field that `description` holds
/// has been checked.
public struct LoadedPlugin: @unchecked Sendable {  // points to constants of the loaded code
  public let description: PluginDescription
  /// The plugin's own table: what `create` and `get_extension` are given.
  public let raw: UnsafePointer<gantry_plugin>
  /// The host's copy of the table; fields that the plugin's ABI did not have are null.
  public let table: gantry_plugin

  /// The table of an extension the plugin offers, or nil.
  public func table<Table>(_ id: String, as type: Table.Type) -> UnsafePointer<Table>? {
    guard description.extensions.contains(id), let getExtension = table.get_extension else { return nil }
    let found = id.withCString { getExtension(raw, gantry_string(data: $0, length: UInt64(id.utf8.count))) }
    return found?.assumingMemoryBound(to: Table.self)
  }
}

/// One loaded copy of a plugin file's code. The same bytes are mapped once: loading them again
/// gives this object again, counted.
///
/// Who holds instances of it keeps it loaded: destroy them all before `unload`.
public final class Generation: Sendable {
  /// 1, 2, 3 ... in the order of loading, never used again.
  public let number: Int
  public let sha256: String
  /// As it was asked for first.
  public let path: String
  public let plugins: [LoadedPlugin]
  /// Bytes of address space that the code takes.
  public let mappedBytes: UInt64
  /// Remarks that did not keep it from loading.
  public let warnings: [Diagnostic]
  private let loader: Loader

  init(
    number: Int, sha256: String, path: String, plugins: [LoadedPlugin], mappedBytes: UInt64, warnings: [Diagnostic],
    loader: Loader
  ) {
    self.number = number
    self.sha256 = sha256
    self.path = path
    self.plugins = plugins
    self.mappedBytes = mappedBytes
    self.warnings = warnings
    self.loader = loader
  }

  /// A plugin by id, or nil.
  public subscript(id: String) -> LoadedPlugin? { plugins.first { $0.description.id == id } }

  /// Whether the code stays mapped until the process ends: it says so itself, or an unload found
  /// it still there.
  public var isResident: Bool { loader.isResident(self) }

  /// How many loads have not been unloaded yet.
  public var uses: Int { loader.uses(of: self) }

  /// Gives one load back. The last one closes the code and looks whether the mapping is gone.
  ///
  /// - Returns: true when the code is no longer mapped. False when others still use it, or when it
  ///   is resident.
  @discardableResult
  public func unload() -> Bool { loader.unload(self) }
}
