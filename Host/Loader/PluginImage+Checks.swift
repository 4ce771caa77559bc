import GantryBase

/// What may be mapped into the host's process.
extension PluginImage {
  /// Libraries whose code is the system's, shared by everybody in the process.
  public static let systemLibraries: Set<String> = [
    "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2",
    "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1",
    "libz.so.1", "liblz4.so.1", "libzstd.so.1", "libyaml-0.so.2", "libsqlite3.so.0", "libffi.so.8",
    "libcrypto.so.3", "libssl.so.3",
  ]

  /// The Swift runtime's own libraries.
  static func isSwiftRuntime(_ library: String) -> Bool {
    library.hasSuffix(".so") && ["libswift", "libFoundation", "lib_Foundation", "libdispatch", "libBlocksRuntime"].contains { library.hasPrefix($0) }
  }

  /// Whether the code, once run, will most likely have to stay.
  var looksResident: Bool { elf.isNoDelete || elf.needed.contains { Self.isSwiftRuntime($0) } }

  /// Every reason not to map it, at once.
  ///
  /// - Parameter isAlone: no other plugin and no host share the process
  func refusals(allowed: Set<String>, isAlone: Bool = false) -> [Diagnostic] {
    var found: [Diagnostic] = []
    if !elf.exports("gantry_plugin_entry") {
      found.append(
        Diagnostic(
          .error, LoaderCode.noEntry, "\(path): does not export gantry_plugin_entry",
          help: ["declare the entry as in gantry/plugin.h and keep it global in the linker's version script (SDK/C/plugin.map)"]))
    }
    if isAlone { return found }
    for (file, elf) in libraries() {
      let unique = elf.symbols.filter { $0.isUnique && $0.isDefined }.map(\.name)
      if let first = unique.first {
        found.append(
          Diagnostic(
            .error, LoaderCode.uniqueSymbol,
            "\(file): defines \(unique.count) STB_GNU_UNIQUE symbol\(unique.count == 1 ? "" : "s"), such as \(first): all generations would share them and none could be unmapped",
            help: ["compile with -fno-gnu-unique, or hide all symbols but the entry with SDK/C/plugin.map"]))
      }
      for name in elf.needed where !allowed.contains(name) && !Self.systemLibraries.contains(name) && !Self.isSwiftRuntime(name) {
        if let refusal = refusal(of: name, neededBy: file, elf) { found.append(refusal) }
      }
    }
    return found
  }

  /// The plugin and the shared objects of its bundle, with the paths people know.
  func libraries() -> [(path: String, elf: ElfFile)] {
    guard isBundle else { return [(path, elf)] }
    return items.compactMap { item in
      guard case .file(let bytes) = item.content, let elf = try? ElfFile(bytes) else { return nil }
      return (path + "/" + item.path, elf)
    }
  }

  private func refusal(of name: String, neededBy file: String, _ elf: ElfFile) -> Diagnostic? {
    let offered = isBundle && items.contains { FileBytes.lastComponent($0.path) == name }
    if !offered {
      return Diagnostic(
        .error, LoaderCode.library, "\(file): needs \(name), which is not on the list of libraries a plugin may share with the host",
        help: [
          "link \(name) statically, or ship it in a bundle: a folder with lib<id>.so and \(name) beside it",
          "or run the node with `isolate: process`",
        ])
    }
    if !elf.runPaths.contains(where: { $0.hasPrefix("$ORIGIN") || $0.hasPrefix("${ORIGIN}") }) {
      return Diagnostic(
        .error, LoaderCode.bundle, "\(file): needs \(name) of its bundle, but has no run path that begins with $ORIGIN",
        help: ["link it with -Wl,-rpath,'$ORIGIN'"])
    }
    return nil
  }

  /// The private libraries that others of the bundle need by name, with their hashes.
  func privateLibraries() -> [(name: String, sha256: String)] {
    guard isBundle else { return [] }
    let needed = Set(libraries().flatMap(\.elf.needed))
    return items.compactMap { item in
      let name = FileBytes.lastComponent(item.path)
      guard needed.contains(name), case .file(let bytes) = resolved(item).content else { return nil }
      return (name, FileBytes.sha256(bytes))
    }
  }

  private func resolved(_ item: Item) -> Item {
    var item = item
    for _ in 0..<8 {
      guard case .link(let target) = item.content else { return item }
      let folder = item.path.contains("/") ? String(item.path[...item.path.lastIndex(of: "/")!]) : ""
      guard let next = items.first(where: { $0.path == folder + target }) else { return item }
      item = next
    }
    return item
  }
}
