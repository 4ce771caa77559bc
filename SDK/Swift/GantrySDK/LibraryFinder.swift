import CPosix

/// Where a library of Python's world is: at a place that is named, or in the Pythons that a shell would
/// start, or among the system's libraries. Always in the same order, and of several versions in one folder
/// the newest, so the same machine always gives the same files.
public struct LibraryFinder {
  /// `libxgboost.so`
  public let name: StaticString
  /// Within site-packages: `xgboost/lib`.
  public let package: StaticString
  /// A version may follow the name.
  public let hasVersions: Bool
  /// What `files(at: "")` has looked into, for people.
  public private(set) var places: [Text] = []

  public init(_ name: StaticString, inPackage package: StaticString, hasVersions: Bool = false) {
    self.name = name
    self.package = package
    self.hasVersions = hasVersions
  }

  /// The files that there are, the best first.
  ///
  /// - Parameter place: the file, its folder, or a Python environment; empty: wherever one usually is
  public mutating func files(at place: Text) -> [Text] {
    var files: [Text] = []
    if !place.bytes.isEmpty {
      if isFile(place) { return [place] }
      for folder in [place, "\(place)/\(package)", "\(place)/\(lastPart)", "\(place)/lib"] + packages("\(place)/lib") { add(folder, to: &files) }
      return files
    }
    for folder in usualFolders() { add(folder, to: &files) }
    return files
  }

  /// VIRTUAL_ENV, CONDA_PREFIX, each python3 of PATH, the user's own packages, LD_LIBRARY_PATH, the system's.
  private mutating func usualFolders() -> [Text] {
    places = []
    var folders: [Text] = []
    var prefixes: [Text] = []
    if let prefix = variable("VIRTUAL_ENV") { prefixes.append(prefix) }
    if let prefix = variable("CONDA_PREFIX") {
      prefixes.append(prefix)
      folders.append("\(prefix)/lib")
    }
    // An environment's bin/python3 is a link to another one's: the folder counts, not the link.
    for folder in list("PATH") where isFile("\(folder)/python3") { prefixes.append("\(folder)/..") }
    if let home = variable("HOME") { prefixes.append("\(home)/.local") }
    for prefix in prefixes + ["/usr/local", "/usr"] {
      places.append("\(prefix)/lib/python3*")
      folders += packages("\(prefix)/lib")
    }
    let system: [Text] =
      list("LD_LIBRARY_PATH") + [
        "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/opt/\(firstPart)/lib",
      ]
    places += system
    return folders + system
  }

  /// Where the package is in the Pythons under `lib`; Debian calls site-packages dist-packages.
  private func packages(_ lib: Text) -> [Text] {
    var folders: [Text] = []
    for version in names(in: lib, beginning: "python3") {
      folders.append("\(lib)/\(version)/site-packages/\(package)")
      folders.append("\(lib)/\(version)/dist-packages/\(package)")
    }
    return folders
  }

  private func add(_ folder: Text, to files: inout [Text]) {
    if hasVersions {
      if let newest = names(in: folder, beginning: name).last { files.append("\(folder)/\(newest)") }
    } else {
      let path: Text = "\(folder)/\(name)"
      if isFile(path) { files.append(path) }
    }
  }

  /// Of `xgboost/lib`: `xgboost`, and `lib`.
  private var firstPart: Text { Text(bytes: [UInt8](Text(stringLiteral: package).bytes.prefix { $0 != 47 })) }
  private var lastPart: Text {
    let bytes = Text(stringLiteral: package).bytes
    guard let slash = bytes.lastIndex(of: 47) else { return Text(bytes: bytes) }
    return Text(bytes: [UInt8](bytes[(slash + 1)...]))
  }

  /// The entries of a folder that begin so, older versions first.
  private func names(in folder: Text, beginning: StaticString) -> [Text] {
    guard let handle = folder.withCString({ opendir($0) }) else { return [] }
    defer { closedir(handle) }
    var names: [Text] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { Text(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if Text(bytes: [UInt8](name.bytes.prefix(beginning.utf8CodeUnitCount))) == Text(stringLiteral: beginning) { names.append(name) }
    }
    names.sort { $0.isOlder(than: $1) }
    return names
  }

  private func isFile(_ path: Text) -> Bool {
    var information = stat()
    return path.withCString { stat($0, &information) } == 0 && information.st_mode & 0o170000 == 0o100000
  }

  private func variable(_ name: StaticString) -> Text? {
    guard let value = getenv(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)), value.pointee != 0 else { return nil }
    return Text(cString: value)
  }

  /// What stands between the colons of a variable.
  private func list(_ name: StaticString) -> [Text] {
    guard let text = variable(name) else { return [] }
    var parts: [Text] = []
    for part in text.bytes.split(separator: 58) { parts.append(Text(bytes: [UInt8](part))) }
    return parts
  }
}

extension Text {
  /// Byte by byte, but numbers by their size: `1.9` comes before `1.32`.
  fileprivate func isOlder(than other: Text) -> Bool {
    var left = 0
    var right = 0
    while left < bytes.count, right < other.bytes.count {
      let first = number(at: &left)
      let second = other.number(at: &right)
      if first != second { return first < second }
    }
    return bytes.count - left < other.bytes.count - right
  }

  /// The number at `index`, or the byte there, which sorts before any number.
  private func number(at index: inout Int) -> UInt64 {
    var value: UInt64 = 0
    let start = index
    while index < bytes.count, bytes[index] >= 48, bytes[index] <= 57, value < 1 << 50 {
      value = value * 10 + UInt64(bytes[index] - 48)
      index += 1
    }
    if index > start { return value + 256 }
    index += 1
    return UInt64(bytes[start])
  }
}
