import GantryBase
import Glibc
import Synchronization

/// Opens libraries for plugins as a loader's trust says.
///
/// With `trust: any` the file is opened where it stands. Otherwise its bytes, and those of the libraries that
/// it finds beside itself, are read once and compared, and private copies of just those bytes, standing to
/// each other as the originals do, are what is mapped: what becomes of the files afterwards changes nothing.
/// The same bytes are mapped once.
///
/// Not covered is what such a library opens itself later on: it finds nothing beside its copy.
final class LibraryStore: PluginLibraries {
  private struct State {
    /// By the hash of the image: handles are never closed.
    var handles: [String: UInt] = [:]
    /// What is mapped from a copy: its path then, where it came from, and its hash.
    var mapped: [(copy: String, path: String, sha256: String)] = []
    /// For other processes, by the hash of the image.
    var copies: [String: StagedCopy] = [:]
    var folder: StagedCopy?
  }

  private let trust: LoaderOptions.Trust
  private let stagingFolder: String
  private let state = Mutex(State())

  init(trust: LoaderOptions.Trust, stagingFolder: String) {
    self.trust = trust
    self.stagingFolder = stagingFolder
  }

  deinit { removeCopies() }

  /// Removes what other processes were to open: none of them will.
  func removeCopies() {
    state.withLock { state in
      for copy in state.copies.values { copy.remove() }
      state.copies = [:]
      state.folder?.remove()
      state.folder = nil
    }
  }

  func open(path: String, isAlone: Bool) throws(GantryError) -> OpenedLibrary {
    guard let image = try verified(path) else {
      if isAlone { try LibraryStore.checkAlone(path, own: path) }
      return OpenedLibrary(handle: try LibraryStore.map(path, named: path), remark: LibraryStore.unverified)
    }
    return try state.withLock { state throws(GantryError) in
      if let known = state.handles[image.sha256], let handle = UnsafeMutableRawPointer(bitPattern: known) {
        return OpenedLibrary(handle: handle, remark: remark)
      }
      if isAlone { try LibraryStore.checkAlone(path, own: nil, mapped: state.mapped.map { ($0.copy, $0.path) }) }
      try checkNames(image, state)
      let copy = try StagedCopy(items: image.items, main: image.main, base: stagingFolder, isKept: false)
      // What is mapped stays mapped.
      defer { copy.remove() }
      let handle = try LibraryStore.map(copy.path, named: path)
      state.handles[image.sha256] = UInt(bitPattern: handle)
      for (file, item) in zip(image.files, image.fileItems) {
        state.mapped.append((copy.folder + "/" + item, file.path, file.sha256))
      }
      return OpenedLibrary(handle: handle, remark: remark)
    }
  }

  func admit(path: String) throws(GantryError) -> AdmittedLibrary {
    guard let image = try verified(path) else { return AdmittedLibrary(file: path, remark: LibraryStore.unverified) }
    guard let folder = try copiesFolder() else { throw GantryError(LoaderCode.staging, "there is no folder for copies", exit: .bug) }
    return try state.withLock { state throws(GantryError) in
      if let known = state.copies[image.sha256] { return AdmittedLibrary(file: known.path, remark: remark) }
      let copy = try StagedCopy(items: image.items, main: image.main, base: folder, isKept: false)
      state.copies[image.sha256] = copy
      return AdmittedLibrary(file: copy.path, remark: remark)
    }
  }

  func copiesFolder() throws(GantryError) -> String? {
    if case .any = trust { return nil }
    return try state.withLock { state throws(GantryError) in
      if let known = state.folder { return known.folder }
      let made = try StagedCopy(items: [], main: "", base: stagingFolder, isKept: true)
      state.folder = made
      return made.folder
    }
  }

  // MARK: trust

  private static let unverified = "nothing has verified it (`trust: any`)"

  private var remark: String {
    if case .signed = trust { return "its signature is of a listed key" }
    return "pinned in plugins.lock"
  }

  /// The library's bytes, when trust asks for a look at them and finds them right; nil when it asks for nothing.
  private func verified(_ path: String) throws(GantryError) -> LibraryImage? {
    if case .any = trust { return nil }
    let image = try LibraryImage(path: path)
    var refusals: [Diagnostic] = []
    for file in image.files {
      switch trust {
      case .any: break
      case .manifest(let lock): if let refusal = lock.refusal(library: file.path, sha256: file.sha256, of: image.files[0].path) { refusals.append(refusal) }
      case .signed(let keys): if let refusal = SigningKey.refusal(path: file.path, message: file.bytes, keys: keys) { refusals.append(refusal) }
      }
    }
    if !refusals.isEmpty { throw GantryError(refusals, .notAllowed) }
    return image
  }

  /// A library that this one brings along, and whose name other bytes have taken, would get their code.
  private func checkNames(_ image: LibraryImage, _ state: State) throws(GantryError) {
    let objects = ProcessMap.objects().map(\.path)
    for file in image.files.dropFirst() {
      let name = FileBytes.lastComponent(file.path)
      for other in objects where FileBytes.lastComponent(other) == name {
        let sha256 = state.mapped.first { $0.copy == other }?.sha256 ?? (try? FileBytes.read(other)).map { FileBytes.sha256($0) }
        guard sha256 != file.sha256 else { continue }
        throw GantryError(
          LoaderCode.soname, "\(image.files[0].path): needs its own \(name), but other bytes of that name are mapped (\(other)); it would get their code",
          help: ["give the node `isolate: process`"], exit: .failed)
      }
    }
  }

  // MARK: mapping

  /// Maps a file that has been admitted, in whatever process.
  ///
  /// - Parameters:
  ///   - file: what to map
  ///   - path: what people know it as
  static func open(file: String, named path: String, isAlone: Bool) throws(GantryError) -> UnsafeMutableRawPointer {
    if isAlone { try checkAlone(path, own: file) }
    return try map(file, named: path)
  }

  private static func map(_ file: String, named path: String) throws(GantryError) -> UnsafeMutableRawPointer {
    if let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) { return handle }
    let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
    throw GantryError(LoaderCode.open, "the system's dynamic loader refused it: \(reason.replacing(file, with: path))", exit: .failed)
  }

  /// Refuses beside another file whose name is the same up to its version.
  ///
  /// - Parameters:
  ///   - own: a file that may be mapped already
  ///   - copies: what stands behind files that are mapped from copies
  private static func checkAlone(_ path: String, own: String?, mapped copies: [(copy: String, path: String)] = []) throws(GantryError) {
    let name = FileBytes.lastComponent(path)
    guard let end = name.ranges(of: ".so").first?.upperBound else { return }
    let own = own.map { FileBytes.absolute($0) }
    for object in ProcessMap.objects() where FileBytes.lastComponent(object.path).hasPrefix(name[..<end]) {
      let place = FileBytes.absolute(object.path)
      if place == own { continue }
      let other = copies.first { $0.copy == object.path }?.path ?? place
      throw GantryError(
        LoaderCode.soname, "\(other) is in use in this process, so \(path) cannot be loaded beside it",
        help: ["name the same library in all such nodes, or give this one `isolate: process`"], exit: .failed)
    }
  }
}

extension Loader {
  /// Maps a library that the host has admitted, in a cell.
  ///
  /// - Parameters:
  ///   - file: what the host has said to map
  ///   - path: what the plugin asked for
  ///   - isAlone: refuse beside another file of the same name, of whatever version
  public static func openLibraryInCell(file: String, named path: String, isAlone: Bool) throws(GantryError) -> UnsafeMutableRawPointer {
    try LibraryStore.open(file: file, named: path, isAlone: isAlone)
  }

  /// Removes the copies that cells were to map, once there are no more cells.
  public static func removeCopies(of libraries: any PluginLibraries) { (libraries as? LibraryStore)?.removeCopies() }
}
