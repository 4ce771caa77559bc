/// The shared libraries that plugins open at run time (`gantry.library/1`), as a host's trust allows: what the
/// runtime and the cells ask of the loader, which they need not know.
///
/// Every refusal is a `GantryError` whose help holds the remedy; its exit code is `notAllowed` where trust
/// refuses, and another one where the file cannot be read or mapped.
public protocol PluginLibraries: AnyObject, Sendable {
  /// Opens the library at an absolute path in this process, for good.
  ///
  /// - Parameter isAlone: refuse when another file of the same name, of whatever version, is mapped
  func open(path: String, isAlone: Bool) throws(GantryError) -> OpenedLibrary

  /// The file that another process is to open in place of `path`: the path itself where nothing is verified,
  /// else a private copy of what was. The copy stays as long as this object.
  func admit(path: String) throws(GantryError) -> AdmittedLibrary

  /// Where those copies will stand, so that a cell can be let in; nil where nothing is copied.
  func copiesFolder() throws(GantryError) -> String?
}

/// A library that is mapped for as long as the process lives.
public struct OpenedLibrary: @unchecked Sendable {  // a handle of dlopen, which any thread may use
  public var handle: UnsafeMutableRawPointer
  /// For people: what stands behind the bytes.
  public var remark: String

  public init(handle: UnsafeMutableRawPointer, remark: String) {
    self.handle = handle
    self.remark = remark
  }
}

/// A file that may be opened.
public struct AdmittedLibrary: Sendable, Equatable {
  public var file: String
  public var remark: String

  public init(file: String, remark: String) {
    self.file = file
    self.remark = remark
  }
}
