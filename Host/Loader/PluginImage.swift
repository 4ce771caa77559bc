import GantryBase

/// The bytes of one plugin as they stand on disk: a single `.so`, or a bundle (a folder with
/// `lib<id>.so` and its private libraries). What is hashed here is what will be mapped.
public struct PluginImage: Sendable {
  public struct Item: Sendable {
    /// Relative to the bundle's folder.
    public var path: String
    public var content: Content
  }
  public enum Content: Sendable {
    case file([UInt8])
    /// A symbolic link to another item of the same folder.
    case link(String)
    case folder
  }

  /// As it was asked for.
  public var path: String
  /// The plugin itself among `items`.
  public var main: String
  public var items: [Item]
  public var isBundle: Bool
  /// Lower-case hexadecimal. For a bundle: of the list of its items with their hashes.
  public var sha256: String
  public var elf: ElfFile

  /// A bundle has at most so many items.
  static let itemsMax = 1024

  /// Reads and checks everything that can be checked without mapping.
  public init(path: String) throws(GantryError) {
    self.path = path
    isBundle = FileBytes.isFolder(path)
    items = isBundle ? try Self.bundleItems(path) : [Item(path: FileBytes.lastComponent(path), content: .file(try Self.bytes(path)))]
    main = isBundle ? try Self.mainItem(path, items) : items[0].path
    let mainBytes = Self.file(main, items)
    elf = try Self.parse(isBundle ? path + "/" + main : path, mainBytes)
    sha256 = isBundle ? Self.treeHash(items) : FileBytes.sha256(mainBytes)
  }

  /// The bytes of the plugin's own file.
  public var mainBytes: [UInt8] { Self.file(main, items) }

  private static func file(_ name: String, _ items: [Item]) -> [UInt8] {
    for item in items where item.path == name {
      if case .file(let bytes) = item.content { return bytes }
    }
    return []
  }

  private static func bytes(_ path: String) throws(GantryError) -> [UInt8] {
    do throws(FileBytes.Failure) {
      return try FileBytes.read(path)
    } catch {
      throw GantryError(
        LoaderCode.unreadable, "\(error.path): \(error.text)",
        help: ["name a plugin's .so file or a bundle folder; `gantry plugin list` shows what is installed"])
    }
  }

  /// The machine and the shape of one ELF file, as a refusal for people.
  static func parse(_ path: String, _ bytes: [UInt8]) throws(GantryError) -> ElfFile {
    do throws(ElfFile.Refusal) {
      return try ElfFile(bytes)
    } catch {
      let host = ElfFile.name(ElfFile.hostMachine)
      switch error {
      case .notELF:
        throw GantryError(
          LoaderCode.notELF, "\(path): is not a shared object: it does not begin with the ELF magic",
          help: ["build the plugin with `swift build` or `cc -shared -fPIC`, and name the resulting .so"])
      case .otherMachine(let machine):
        throw GantryError(
          LoaderCode.otherMachine, "\(path): is for \(machine); this host is \(host)",
          help: ["build the plugin for \(host)"])
      case .notSharedObject(let what):
        throw GantryError(
          LoaderCode.notSharedObject, "\(path): is \(what), not a shared object",
          help: ["link it with -shared"])
      case .truncated(let what):
        throw GantryError(
          LoaderCode.truncated, "\(path): is truncated or damaged: \(what)",
          help: ["copy or build the file again"])
      }
    }
  }
}

extension PluginImage {
  private static func bundleItems(_ root: String) throws(GantryError) -> [Item] {
    var items: [Item] = []
    var folders = [""]
    while let folder = folders.popLast() {
      guard let names = FileBytes.names(in: root + "/" + folder) else {
        throw GantryError(LoaderCode.unreadable, "\(root)/\(folder): \(FileBytes.failure(root).text)")
      }
      for name in names {
        let relative = folder.isEmpty ? name : folder + "/" + name
        let full = root + "/" + relative
        if let target = FileBytes.linkTarget(full) {
          guard !target.hasPrefix("/"), !target.split(separator: "/").contains("..") else {
            throw GantryError(
              LoaderCode.bundle, "\(full): links to \(target), outside the bundle",
              help: ["copy the file into the bundle; a bundle is copied whole"])
          }
          items.append(Item(path: relative, content: .link(target)))
        } else if FileBytes.isFolder(full) {
          items.append(Item(path: relative, content: .folder))
          folders.append(relative)
        } else {
          items.append(Item(path: relative, content: .file(try bytes(full))))
        }
        guard items.count <= itemsMax else {
          throw GantryError(
            LoaderCode.bundle, "\(root): has more than \(itemsMax) items; is it a bundle at all?",
            help: ["name a folder that holds lib<id>.so and its private libraries, nothing else"])
        }
      }
    }
    return items.sorted { $0.path < $1.path }
  }

  /// `lib<folder>.so`, or the one `lib*.so` at the top that exports the entry.
  private static func mainItem(_ root: String, _ items: [Item]) throws(GantryError) -> String {
    var folder = FileBytes.lastComponent(FileBytes.absolute(root))
    if folder.hasSuffix(".bundle") { folder.removeLast(7) }
    let named = "lib\(folder).so"
    if !file(named, items).isEmpty { return named }
    let candidates = items.filter { item in
      guard case .file(let bytes) = item.content, !item.path.contains("/"), item.path.hasSuffix(".so") else { return false }
      return (try? ElfFile(bytes))?.exports("gantry_plugin_entry") ?? false
    }
    guard candidates.count == 1 else {
      let what =
        candidates.isEmpty
        ? "no file at its top exports gantry_plugin_entry" : "several files export gantry_plugin_entry: \(candidates.map(\.path).joined(separator: ", "))"
      throw GantryError(
        LoaderCode.bundle, "\(root): is not a bundle: \(what)",
        help: ["a bundle is a folder <id> or <id>.bundle with lib<id>.so and its private libraries"])
    }
    return candidates[0].path
  }

  private static func treeHash(_ items: [Item]) -> String {
    var list = ""
    for item in items {
      switch item.content {
      case .file(let bytes): list += "file \(FileBytes.sha256(bytes)) \(item.path)\n"
      case .link(let target): list += "link \(target) \(item.path)\n"
      case .folder: list += "folder \(item.path)\n"
      }
    }
    return FileBytes.sha256(Array(list.utf8))
  }
}
