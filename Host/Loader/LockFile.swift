import GantryBase
import Glibc

/// `plugins.lock`: what `trust: manifest` may load, pinned by SHA-256. `gantry plugin add` writes
/// it. One line a pin, sorted, so that it reads and merges well:
///
///     gantry-lock 1
///     plugin indicators 1.2.0 <sha256> plugins/libindicators.so
///     library <sha256> lib/libonnxruntime.so.1
///     model momentum 3 <sha256> models/momentum/3/momentum.json
///
/// Paths are for people and relative to the lock file; only the hash counts.
public struct LockFile: Sendable, Equatable {
  /// One plugin of one file. A file that offers several has one pin for each.
  public struct Pin: Sendable, Equatable, Codable {
    public var id: String
    public var version: String
    public var sha256: String
    public var path: String
    public init(id: String, version: String, sha256: String, path: String) {
      self.id = id
      self.version = version
      self.sha256 = sha256
      self.path = path
    }
  }

  /// A library that a plugin opens at run time.
  public struct Library: Sendable, Equatable, Codable {
    public var sha256: String
    public var path: String
    public init(sha256: String, path: String) {
      self.sha256 = sha256
      self.path = path
    }
  }

  /// One version of a model of a models folder.
  public struct ModelPin: Sendable, Equatable, Codable {
    public var name: String
    public var version: Int
    /// Of all its files.
    public var sha256: String
    public var path: String
    public init(name: String, version: Int, sha256: String, path: String) {
      self.name = name
      self.version = version
      self.sha256 = sha256
      self.path = path
    }
  }

  static let header = "gantry-lock 1"

  public var plugins: [Pin] = []
  public var libraries: [Library] = []
  public var models: [ModelPin] = []
  /// The file that it was read from; nil for one that is no file yet.
  private var file: String?

  public init() {}

  public static func == (one: LockFile, other: LockFile) -> Bool {
    (one.plugins, one.libraries) == (other.plugins, other.libraries) && one.models == other.models
  }

  /// Reads a lock file's text. Every damaged line is reported.
  public init(text: String, file: String) throws(GantryError) {
    var mistakes: [Diagnostic] = []
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.first.map(String.init) != Self.header {
      mistakes.append(Self.mistake(file, 1, String(lines.first ?? ""), "the first line must be \"\(Self.header)\""))
    }
    for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty && !line.hasPrefix("#") {
      let fields = line.split(separator: " ", maxSplits: line.hasPrefix("library ") ? 2 : 4, omittingEmptySubsequences: false).map(String.init)
      if fields.count == 5, fields[0] == "plugin", DescriptorReader.Pattern.id.accepts(fields[1]), Version(fields[2]) != nil,
        Self.isHash(fields[3]), !fields[4].isEmpty
      {
        plugins.append(Pin(id: fields[1], version: fields[2], sha256: fields[3], path: fields[4]))
      } else if fields.count == 3, fields[0] == "library", Self.isHash(fields[1]), !fields[2].isEmpty {
        libraries.append(Library(sha256: fields[1], path: fields[2]))
      } else if fields.count == 5, fields[0] == "model", let version = Int(fields[2]), version > 0, Self.isHash(fields[3]), !fields[4].isEmpty {
        models.append(ModelPin(name: fields[1], version: version, sha256: fields[3], path: fields[4]))
      } else {
        mistakes.append(
          Self.mistake(file, index + 1, String(line), "expected \"plugin ID VERSION SHA256 PATH\", \"library SHA256 PATH\" or \"model NAME VERSION SHA256 PATH\""))
      }
    }
    if !mistakes.isEmpty { throw GantryError(mistakes, .badInput) }
  }

  public init(path: String) throws(GantryError) {
    do throws(FileBytes.Failure) {
      let bytes = try FileBytes.read(path)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw FileBytes.Failure(path: path, text: "is not UTF-8")
      }
      try self.init(checked: text, file: path)
      file = path
    } catch {
      throw GantryError(
        LoaderCode.lockFile, "\(error.path): \(error.text)",
        help: ["pin the plugins of this graph with `gantry plugin add PATH...`, or set `trust: any` while developing"])
    }
  }

  /// `init(text:file:)` with its own kind of error kept.
  private init(checked text: String, file: String) throws(FileBytes.Failure) {
    do throws(GantryError) {
      try self.init(text: text, file: file)
    } catch {
      throw FileBytes.Failure(path: file, text: error.diagnostics.map { "line \($0.place?.line ?? 0): \($0.text)" }.joined(separator: "; "))
    }
  }

  /// The file's text, sorted: the same pins always give the same bytes.
  public var text: String {
    let pins = plugins.sorted { ($0.id, $0.version, $0.sha256) < ($1.id, $1.version, $1.sha256) }
    let others = libraries.sorted { ($0.path, $0.sha256) < ($1.path, $1.sha256) }
    let lines =
      [Self.header] + pins.map { "plugin \($0.id) \($0.version) \($0.sha256) \($0.path)" } + others.map { "library \($0.sha256) \($0.path)" }
      + models.sorted { ($0.name, $0.version) < ($1.name, $1.version) }.map { "model \($0.name) \($0.version) \($0.sha256) \($0.path)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Replaces the file as a whole: a reader sees the old pins or the new ones.
  public func write(to path: String) throws(GantryError) {
    let temporary = path + ".new-\(getpid())"
    let bytes = Array(text.utf8)
    let descriptor = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o644)
    var isDone = false
    if descriptor >= 0 {
      isDone = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
      close(descriptor)
      isDone = isDone && rename(temporary, path) == 0
    }
    guard isDone else {
      let reason = FileBytes.failure(path).text
      unlink(temporary)
      throw GantryError(LoaderCode.lockFile, "\(path): cannot be written: \(reason)", exit: .failed)
    }
  }

  /// Pins every plugin of a checked file, in place of earlier pins of the same ids.
  public mutating func pin(_ descriptions: [PluginDescription], sha256: String, path: String) {
    let ids = Set(descriptions.map(\.id))
    plugins.removeAll { ids.contains($0.id) }
    plugins += descriptions.map { Pin(id: $0.id, version: $0.version, sha256: sha256, path: path) }
  }

  /// Pins a library that plugins open, and the libraries that it finds beside itself, in place of earlier pins
  /// of the same paths.
  ///
  /// - Returns: what was pinned, the library itself first
  @discardableResult
  public mutating func pin(library path: String) throws(GantryError) -> [Library] {
    let image = try LibraryImage(path: path)
    let made = image.files.map { Library(sha256: $0.sha256, path: $0.path) }
    for library in made where library.path.contains("\n") {
      throw GantryError(LoaderCode.lockFile, "a path with a line's end cannot be pinned", help: ["rename the file"])
    }
    libraries.removeAll { old in made.contains { $0.path == old.path } }
    libraries += made
    return made
  }

  /// Whether these bytes of a library may be opened: nil, or why not.
  ///
  /// - Parameter main: the library that was asked for, which brings this one along
  func refusal(library path: String, sha256: String, of main: String) -> Diagnostic? {
    if libraries.contains(where: { $0.sha256 == sha256 }) { return nil }
    let brought = path == main ? "" : ", which \(main) brings along,"
    let lock = file.map { $0 == "plugins.lock" ? "" : " --lock \($0)" } ?? ""
    let command = "`gantry plugin add --library \(main)\(lock)`"
    let name = FileBytes.lastComponent(path)
    if let pin = libraries.first(where: { $0.path == path }) ?? libraries.first(where: { FileBytes.lastComponent($0.path) == name }) {
      return Diagnostic(
        .error, LoaderCode.pinMismatch, "\(path)\(brought) has SHA-256 \(sha256.prefix(16))..., but \(pin.path) is pinned with \(pin.sha256.prefix(16))...",
        help: ["if you trust the new file, pin it: \(command)"])
    }
    return Diagnostic(
      .error, LoaderCode.notPinned, "\(path)\(brought) is not in plugins.lock, and the graph says `trust: manifest`",
      help: ["if you trust the file, pin it: \(command)"])
  }

  /// Pins one version of a model, in place of an earlier pin of it.
  ///
  /// - Parameter digest: of all its files
  public mutating func pin(model name: String, version: Int, digest: String, path: String) {
    models.removeAll { $0.name == name && $0.version == version }
    models.append(ModelPin(name: name, version: version, sha256: digest, path: path))
  }

  /// Whether this version of a model is pinned with these bytes.
  public func pins(model name: String, version: Int, digest: String) -> Bool {
    models.contains { $0.name == name && $0.version == version && $0.sha256 == digest }
  }

  /// Whether these bytes may be loaded: nil, or why not.
  public func refusal(path: String, sha256: String) -> Diagnostic? {
    if plugins.contains(where: { $0.sha256 == sha256 }) { return nil }
    let name = FileBytes.lastComponent(path)
    if let pin = plugins.first(where: { "lib\($0.id).so" == name || FileBytes.lastComponent($0.path) == name }) {
      return Diagnostic(
        .error, LoaderCode.pinMismatch, "\(path): has SHA-256 \(sha256.prefix(16))..., but \(pin.id) \(pin.version) is pinned with \(pin.sha256.prefix(16))...",
        help: ["if you trust the new file, pin it: `gantry plugin add \(path)`"])
    }
    return Diagnostic(
      .error, LoaderCode.notPinned, "\(path): is not in plugins.lock, and the graph says `trust: manifest`",
      help: ["if you trust the file, pin it: `gantry plugin add \(path)`"])
  }

  /// Whether what the code says of itself is what was pinned: nil, or why not.
  func refusal(of description: PluginDescription, sha256: String) -> Diagnostic? {
    let pins = plugins.filter { $0.sha256 == sha256 }
    if pins.contains(where: { $0.id == description.id && $0.version == description.version }) { return nil }
    return Diagnostic(
      .error, LoaderCode.pinMismatch,
      "\(description.path): offers \(description.id) \(description.version), but these bytes are pinned as \(pins.map { "\($0.id) \($0.version)" }.joined(separator: ", "))",
      help: ["repair plugins.lock: `gantry plugin add \(description.path)`"])
  }

  private static func isHash(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }

  private static func mistake(_ file: String, _ line: Int, _ excerpt: String, _ text: String) -> Diagnostic {
    Diagnostic(
      .error, LoaderCode.lockFile, text, at: Place(file: file, line: line, column: 1, length: max(excerpt.unicodeScalars.count, 1), excerpt: excerpt.printable),
      help: ["write the line anew with `gantry plugin add PATH`"])
  }
}
