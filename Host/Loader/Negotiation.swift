import CGantry
import GantryBase

/// The first talk with freshly mapped code: calls the entry, reads the library's table without
/// trusting it, and agrees on the ABI.
struct Negotiation {
  /// What code says of itself, once its tables have been checked.
  struct Offer {
    var library: gantry_library
    var builtWith: String
    var plugins: [UnsafePointer<gantry_plugin>]
    var abi: String { "\(library.abi_major).\(library.abi_minor)" }
    var isResident: Bool { library.flags & UInt32(GANTRY_LIBRARY_RESIDENT) != 0 }
  }

  static let hostABI = "\(GANTRY_ABI_MAJOR).\(GANTRY_ABI_MINOR)"
  static let errorCapacity = 1024
  static let pluginsMax = 64
  /// No struct of the ABI is larger than this; a larger `size` is a lie.
  static let sizeMax = 65_536

  var path: String
  var memory: SafeMemory
  var hostVersion: String

  /// Calls the entry. What it leaves of a refusal is turned into a diagnostic.
  func run(_ entry: gantry_plugin_entry_function) throws(GantryError) -> Offer {
    var error = [CChar](repeating: 0, count: Self.errorCapacity)
    var length: UInt32 = 0
    let name = Array("gantry".utf8CString)
    let version = Array(hostVersion.utf8CString)
    let library = name.withUnsafeBufferPointer { name in
      version.withUnsafeBufferPointer { version in
        error.withUnsafeMutableBufferPointer { error in
          withUnsafeMutablePointer(to: &length) { length in
            var request = gantry_entry_request(
              size: UInt32(MemoryLayout<gantry_entry_request>.size), abi_major: GANTRY_ABI_MAJOR,
              abi_minor: GANTRY_ABI_MINOR, error_capacity: UInt32(Self.errorCapacity),
              host_name: gantry_string(data: name.baseAddress, length: UInt64(name.count - 1)),
              host_version: gantry_string(data: version.baseAddress, length: UInt64(version.count - 1)),
              error: error.baseAddress, error_length: length)
            return entry(&request)
          }
        }
      }
    }
    guard let library else { throw refusal(error, length) }
    return try read(UnsafeRawPointer(library))
  }

  private func refusal(_ error: [CChar], _ length: UInt32) -> GantryError {
    guard length > 0 else {
      return GantryError(
        LoaderCode.noReason, "\(path): gantry_plugin_entry returned null and gave no reason",
        help: ["the plugin must write why into request->error and its length into *request->error_length"])
    }
    let bytes = error.prefix(min(Int(length), Self.errorCapacity)).map { UInt8(bitPattern: $0) }
    let reason = String(validating: bytes, as: UTF8.self) ?? "(a reason that is not UTF-8)"
    return GantryError(
      LoaderCode.refused, "\(path): the plugin refused to load: \(reason)",
      help: ["this host is gantry \(hostVersion) and speaks ABI \(Self.hostABI)"])
  }

  private func read(_ address: UnsafeRawPointer) throws(GantryError) -> Offer {
    let size = try size(address, of: "library", known: MemoryLayout<gantry_library>.size)
    guard let library = memory.value(address, count: size, zero: gantry_library()) else {
      throw pointer("library", "what gantry_plugin_entry returned")
    }
    try checkVersion(library)
    let builtWith = try text(library.built_with, "library.built_with")
    guard library.flags & ~UInt32(GANTRY_LIBRARY_RESIDENT) == 0 else {
      throw GantryError(
        LoaderCode.unknown, "\(path): library.flags is \(library.flags); this host knows 1 (resident)",
        help: ["clear the bits that ABI \(Self.hostABI) does not define"])
    }
    guard (1...UInt32(Self.pluginsMax)).contains(library.plugin_count) else {
      throw GantryError(
        LoaderCode.count, "\(path): library.plugin_count is \(library.plugin_count); this host takes 1 to \(Self.pluginsMax)",
        help: ["set plugin_count to the number of entries of `plugins`"])
    }
    guard let list = memory.bytes(UnsafeRawPointer(library.plugins), Int(library.plugin_count) * 8) else {
      throw pointer("library.plugins", "\(library.plugin_count) pointers")
    }
    var plugins: [UnsafePointer<gantry_plugin>] = []
    for index in 0..<Int(library.plugin_count) {
      let value = list.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * 8, as: UInt.self) }
      guard let plugin = UnsafePointer<gantry_plugin>(bitPattern: value) else {
        throw pointer("library.plugins[\(index)]", "a gantry_plugin")
      }
      plugins.append(plugin)
    }
    return Offer(library: library, builtWith: builtWith, plugins: plugins)
  }

  /// The major must be equal; below 1.0 the minor too.
  private func checkVersion(_ library: gantry_library) throws(GantryError) {
    let theirs = "\(library.abi_major).\(library.abi_minor)"
    if library.abi_major != GANTRY_ABI_MAJOR {
      let isNewer = library.abi_major > GANTRY_ABI_MAJOR
      throw GantryError(
        LoaderCode.abi, "\(path): library.abi_major is \(library.abi_major) (ABI \(theirs)); this host speaks ABI \(Self.hostABI)",
        help: [isNewer ? "use a newer gantry, or build the plugin against this one's headers" : "build the plugin against this gantry's headers"])
    }
    if GANTRY_ABI_MAJOR == 0, library.abi_minor != GANTRY_ABI_MINOR {
      throw GantryError(
        LoaderCode.abi,
        "\(path): library.abi_minor is \(library.abi_minor) (ABI \(theirs)); this host speaks ABI \(Self.hostABI), and below 1.0 the minor must be equal",
        help: ["build the plugin against this gantry's headers"])
    }
  }

  /// Reads and checks a `size` field; answers how many bytes of the struct may be copied.
  private func size(_ address: UnsafeRawPointer, of what: String, known: Int) throws(GantryError) -> Int {
    guard let bytes = memory.bytes(address, 4) else { throw pointer(what, "its size") }
    let size = bytes.withUnsafeBytes { Int($0.load(as: UInt32.self)) }
    if let problem = Self.sizeProblem(size, known: known) {
      throw GantryError(LoaderCode.size, "\(path): \(what).size is \(size): \(problem)", help: [Self.sizeHelp(what)])
    }
    return min(size, known)
  }

  /// What is wrong with the `size` of a struct that has `known` bytes here, or nil.
  static func sizeProblem(_ size: Int, known: Int) -> String? {
    if size < known { return "ABI \(hostABI) needs at least \(known)" }
    if size > sizeMax { return "no struct of the ABI is larger than \(sizeMax)" }
    if size % 8 != 0 { return "it must be a multiple of 8" }
    return nil
  }

  static func sizeHelp(_ what: String) -> String { "set size to sizeof of the struct the plugin was compiled with" }

  private func text(_ string: gantry_string, _ field: String) throws(GantryError) -> String {
    switch memory.text(string) {
    case .text(let text): return text
    case .tooLong:
      throw GantryError(
        LoaderCode.count, "\(path): \(field).length is \(string.length); at most \(SafeMemory.textMax) bytes are taken",
        help: ["set length to the number of bytes of the text"])
    case .unreadable: throw pointer(field, "\(string.length) bytes of text")
    case .notUTF8:
      throw GantryError(LoaderCode.utf8, "\(path): \(field) is not UTF-8", help: ["write the text as UTF-8"])
    }
  }

  private func pointer(_ field: String, _ what: String) -> GantryError {
    GantryError(
      LoaderCode.pointer, "\(path): \(field) does not point to readable memory (expected \(what))",
      help: ["what the entry returns must be constant and valid while the code is loaded"])
  }
}

extension SafeMemory {
  enum TextAnswer: Equatable {
    case text(String)
    case tooLong
    case unreadable
    case notUTF8
  }

  /// Descriptor texts have at most so many bytes.
  static let textMax = 4096

  func text(_ string: gantry_string) -> TextAnswer {
    if string.length == 0 { return .text("") }
    guard string.length <= UInt64(Self.textMax) else { return .tooLong }
    guard let bytes = bytes(UnsafeRawPointer(string.data), Int(string.length)) else { return .unreadable }
    guard let text = String(validating: bytes, as: UTF8.self) else { return .notUTF8 }
    return .text(text)
  }
}
