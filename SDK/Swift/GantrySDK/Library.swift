import CGantry
import CPosix

/// A shared library that the host has opened for this plugin. It is never closed, so what it leads to stays
/// valid; the plugin's own code can be unloaded all the same.
public struct Library: @unchecked Sendable {  // a handle of the dynamic loader
  /// As it was found.
  public let path: Text
  /// For dlsym; not for dlclose.
  public let handle: UnsafeMutableRawPointer

  /// The address of a function, for `unsafeBitCast` to its C type; nil when the library has none.
  public func function(_ name: StaticString) -> UnsafeMutableRawPointer? {
    dlsym(handle, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
  }
}

extension Host {
  /// `gantry.library/1`, open: the library at a path, if the graph grants `library` and its trust allows the
  /// bytes. In configure and start. The text of what is thrown holds the remedy.
  ///
  /// - Parameter isAlone: refuse when this process has another file of the same name, of whatever version
  public func openLibrary(_ path: Text, isAlone: Bool = false) throws(Failure) -> Library {
    guard let raw = table.pointee.get_extension(node, ("gantry.library/1" as StaticString).abi),
      let open = raw.assumingMemoryBound(to: gantry_library_host.self).pointee.open
    else { throw Failure.unsupported("this host opens no libraries for plugins; use a newer one") }
    let place = absolute(path)
    var handle: UnsafeMutableRawPointer?
    var length: UInt64 = 0
    let capacity = 1024
    let reason = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    defer { reason.deallocate() }
    let status = place.withABI { open(node, $0, isAlone ? GANTRY_LIBRARY_ALONE : 0, &handle, reason, UInt64(capacity), &length) }
    if status == 0, let handle { return Library(path: path, handle: handle) }
    let said = Text(TextView(gantry_string(data: UnsafePointer(reason), length: min(length, UInt64(capacity)))))
    throw Failure(status == 0 ? -11 : status, said.bytes.isEmpty ? "the host did not open \(path) and gave no reason" : said)
  }

  /// The first of a finder's files that the host opens. Throws the reason of the first that it does not, or
  /// nil where there is no file.
  ///
  /// - Parameter place: where to look; empty: wherever such a library usually is
  public func openLibrary(_ finder: inout LibraryFinder, at place: Text, isAlone: Bool = false) throws(Failure) -> Library? {
    var first: Failure?
    for path in finder.files(at: place) {
      do throws(Failure) {
        return try openLibrary(path, isAlone: isAlone)
      } catch {
        if first == nil { first = error }
      }
    }
    if let first { throw first }
    return nil
  }

  private func absolute(_ path: Text) -> Text {
    guard path.bytes.first != 47, let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return "\(Text(cString: folder))/\(path)"
  }
}

extension Text {
  /// A copy of a text as C has it.
  public init(cString: UnsafePointer<CChar>) {
    self.init(bytes: [UInt8](UnsafeRawBufferPointer(start: cString, count: strlen(cString))))
  }

  /// Lends the text with a zero behind it; valid inside `body` only.
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let ended = bytes + [0]
    return ended.withUnsafeBufferPointer { body(UnsafeRawPointer($0.baseAddress.unsafelyUnwrapped).assumingMemoryBound(to: CChar.self)) }
  }
}
