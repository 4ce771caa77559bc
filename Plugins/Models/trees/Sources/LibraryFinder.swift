import CPosix
import GantrySDK

/// Finds and opens the library that made a model. An opened library stays open: it has threads and
/// statics of its own, so it can never be unmapped.
struct OpenLibrary {
  let path: Text
  private let handle: UnsafeMutableRawPointer

  /// - Parameter place: the parameter `library`: a file, or the folder of an installation; empty to search
  static func open(_ library: TreeModel.Library, place: Text) throws(Failure) -> OpenLibrary {
    var fault: Text = ""
    let candidates = place.bytes.isEmpty ? LibraryPaths.usual(library) : LibraryPaths.within(place, library)
    for path in candidates where LibraryPaths.isFile(path) {
      if let handle = withPath(path, { dlopen($0, RTLD_NOW | RTLD_LOCAL) }) { return OpenLibrary(path: path, handle: handle) }
      if fault.bytes.isEmpty, let reason = dlerror() { fault = cText(reason) }
    }
    if place.bytes.isEmpty, let handle = withPath(library.fileName, { dlopen($0, RTLD_NOW | RTLD_LOCAL) }) {
      return OpenLibrary(path: library.fileName, handle: handle)
    }
    if !fault.bytes.isEmpty { throw Failure.invalid("\(library.name)'s library cannot be opened: \(fault); libgomp.so.1 is in the package libgomp1") }
    let searched: Text = place.bytes.isEmpty ? "VIRTUAL_ENV, python3's site-packages and the system's folders" : place
    throw Failure.invalid(
      "\(library.fileName) was not found in \(searched); install it: pip install \(library.package), and name the environment or the file: library: PATH")
  }

  /// The address of a function, for `unsafeBitCast` to its C type.
  func function(_ name: StaticString, of library: TreeModel.Library) throws(Failure) -> UnsafeMutableRawPointer {
    if let symbol = dlsym(handle, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)) { return symbol }
    throw Failure.invalid("\(path) has no function \(name), so it is not \(library.name), or a version that is too old; install one: pip install --upgrade \(library.package)")
  }
}

extension TreeModel.Library {
  var name: StaticString { self == .xgboost ? "XGBoost" : "LightGBM" }
  var package: StaticString { self == .xgboost ? "xgboost-cpu" : "lightgbm" }
  var fileName: Text { self == .xgboost ? "libxgboost.so" : "lib_lightgbm.so" }
  /// Within site-packages.
  var relativePath: Text { self == .xgboost ? "xgboost/lib/libxgboost.so" : "lightgbm/lib/lib_lightgbm.so" }
}

/// Where libraries are looked for.
enum LibraryPaths {
  /// In a file, a folder that holds it, site-packages, or a Python environment.
  static func within(_ place: Text, _ library: TreeModel.Library) -> [Text] {
    [place, "\(place)/\(library.fileName)", "\(place)/\(library.relativePath)"] + inPrefix(place, library)
  }

  /// VIRTUAL_ENV, CONDA_PREFIX, the user's and the found python3's packages, the system's.
  static func usual(_ library: TreeModel.Library) -> [Text] {
    var paths: [Text] = []
    if let prefix = environment("VIRTUAL_ENV") { paths += inPrefix(prefix, library) }
    if let prefix = environment("CONDA_PREFIX") { paths += ["\(prefix)/lib/\(library.fileName)"] + inPrefix(prefix, library) }
    for folder in split(environment("PATH") ?? "", at: 58) where isFile("\(folder)/python3") { paths += inPrefix("\(folder)/..", library) }
    if let home = environment("HOME") { paths += inPrefix("\(home)/.local", library) }
    return paths + inPrefix("/usr/local", library) + inPrefix("/usr", library) + ["/usr/local/lib/\(library.fileName)", "/usr/lib/\(library.fileName)"]
  }

  /// prefix/lib/python3.*/site-packages, and Debian's dist-packages.
  private static func inPrefix(_ prefix: Text, _ library: TreeModel.Library) -> [Text] {
    var paths: [Text] = []
    for version in entries("\(prefix)/lib", prefix: "python3") {
      paths.append("\(prefix)/lib/\(version)/site-packages/\(library.relativePath)")
      paths.append("\(prefix)/lib/\(version)/dist-packages/\(library.relativePath)")
    }
    return paths
  }

  static func isFile(_ path: Text) -> Bool {
    var status = stat()
    return withPath(path) { stat($0, &status) } == 0 && status.st_mode & 0o170000 == 0o100000
  }

  private static func environment(_ name: StaticString) -> Text? {
    guard let value = getenv(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)), value.pointee != 0 else { return nil }
    return cText(value)
  }

  private static func split(_ text: Text, at separator: UInt8) -> [Text] {
    var parts: [Text] = []
    var part: Text = ""
    for byte in text.bytes {
      if byte == separator {
        if !part.bytes.isEmpty { parts.append(part) }
        part = ""
      } else {
        part.bytes.append(byte)
      }
    }
    if !part.bytes.isEmpty { parts.append(part) }
    return parts
  }

  /// The entries of a folder whose names begin with `prefix`.
  private static func entries(_ folder: Text, prefix: StaticString) -> [Text] {
    guard let opened = withPath(folder, { opendir($0) }) else { return [] }
    defer { closedir(opened) }
    var names: [Text] = []
    while let entry = readdir(opened) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { cText($0) }
      }
      if Text(bytes: [UInt8](name.bytes.prefix(prefix.utf8CodeUnitCount))) == Text(stringLiteral: prefix) { names.append(name) }
    }
    return names
  }
}

/// A copy of a text as C has it.
func cText(_ start: UnsafePointer<CChar>) -> Text {
  var text: Text = ""
  var index = 0
  while start[index] != 0 {
    text.bytes.append(UInt8(bitPattern: start[index]))
    index += 1
  }
  return text
}

/// Lends a path as C has it.
func withPath<Result>(_ path: Text, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  let bytes = path.bytes + [0]
  return bytes.withUnsafeBufferPointer { $0.withMemoryRebound(to: CChar.self) { body($0.baseAddress.unsafelyUnwrapped) } }
}
