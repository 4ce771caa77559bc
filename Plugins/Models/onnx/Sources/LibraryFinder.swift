import COnnxRuntime
import CPosix
import GantrySDK

/// Where ONNX Runtime's library is: at `library`, or in the Python that a shell would start, or among
/// the system's libraries. The first place that has it wins, and of several versions in one folder
/// the newest, so the same machine always gives the same file.
struct LibraryFinder {
  static let prefix: StaticString = "libonnxruntime.so"
  private(set) var places: [Text] = []

  /// - Parameter given: the parameter: the file, its folder, or a Python environment; empty: look for it
  mutating func find(_ given: Text) throws(Failure) -> Text {
    if !given.bytes.isEmpty {
      if isFile(given) { return given }
      let folders: [Text] = [given, "\(given)/capi", "\(given)/onnxruntime/capi", "\(given)/lib"]
      for folder in folders + packages("\(given)/lib") {
        if let file = library(in: folder) { return file }
      }
      throw Failure.invalid(
        "there is no ONNX Runtime at library: \(given), which may be the file libonnxruntime.so.1.x, its folder or a Python environment that has the package onnxruntime; \(LibraryFinder.remedy)"
      )
    }
    for folder in folders() {
      if let file = library(in: folder) { return file }
    }
    var looked: Text = ""
    for place in places { looked = looked.bytes.isEmpty ? place : "\(looked), \(place)" }
    throw Failure.invalid("ONNX Runtime is not here: looked into \(looked); \(LibraryFinder.remedy)")
  }

  static var remedy: Text { "install it with `python3 -m pip install onnxruntime`, or say where it is with library: PATH" }

  private mutating func folders() -> [Text] {
    var prefixes: [Text] = []
    if let environment = variable("VIRTUAL_ENV") { prefixes.append(environment) }
    if let path = variable("PATH") {
      var start = 0
      for index in 0...path.bytes.count where index == path.bytes.count || path.bytes[index] == 58 {
        let folder = Text(bytes: [UInt8](path.bytes[start..<index]))
        start = index + 1
        // An environment's bin/python3 is a link to another one's: the folder counts, not the link.
        if !folder.bytes.isEmpty, isFile("\(folder)/python3") { prefixes.append("\(folder)/..") }
      }
    }
    if let home = variable("HOME") { prefixes.append("\(home)/.local") }
    prefixes += ["/usr/local", "/usr"]
    var folders: [Text] = []
    for prefix in prefixes {
      places.append("\(prefix)/lib/python3*")
      folders += packages("\(prefix)/lib")
    }
    let system: [Text] = ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/opt/onnxruntime/lib"]
    places += system
    return folders + system
  }

  /// Where packages of the Pythons under `lib` would be.
  private func packages(_ lib: Text) -> [Text] {
    var folders: [Text] = []
    for name in names(in: lib, beginning: "python3") {
      folders.append("\(lib)/\(name)/site-packages/onnxruntime/capi")
      folders.append("\(lib)/\(name)/dist-packages/onnxruntime/capi")
    }
    return folders
  }

  private func library(in folder: Text) -> Text? {
    names(in: folder, beginning: LibraryFinder.prefix).last.map { "\(folder)/\($0)" }
  }

  /// The entries of a folder that begin so, older versions first.
  private func names(in folder: Text, beginning: StaticString) -> [Text] {
    guard let handle = withCString(folder, { opendir($0) }) else { return [] }
    defer { closedir(handle) }
    var names: [Text] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { Text(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
      if TextView.hasPrefix(name, beginning) { names.append(name) }
    }
    names.sort { $0.isOlder(than: $1) }
    return names
  }

  private func isFile(_ path: Text) -> Bool {
    var information = stat()
    return withCString(path) { stat($0, &information) } == 0 && information.st_mode & 0o170000 == 0o100000
  }

  private func variable(_ name: StaticString) -> Text? {
    guard let value = getenv(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)), value.pointee != 0 else { return nil }
    return Text(cString: value)
  }
}

extension TextView {
  fileprivate static func hasPrefix(_ text: Text, _ prefix: StaticString) -> Bool {
    guard text.bytes.count >= prefix.utf8CodeUnitCount else { return false }
    for index in 0..<prefix.utf8CodeUnitCount where text.bytes[index] != prefix.utf8Start[index] { return false }
    return true
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

  init(cString: UnsafePointer<CChar>) {
    self.init(bytes: [UInt8](UnsafeRawBufferPointer(start: cString, count: strlen(cString))))
  }
}

/// Lends a text with a zero behind it.
func withCString<Result>(_ text: Text, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  var bytes = text.bytes
  bytes.append(0)
  return bytes.withUnsafeBufferPointer { body(UnsafeRawPointer($0.baseAddress.unsafelyUnwrapped).assumingMemoryBound(to: CChar.self)) }
}
