import CGantry
import GantryBase
import Glibc
import Synchronization

/// What a loader may load, and how.
public struct LoaderOptions: Sendable {
  public enum Trust: Sendable {
    /// For development: whatever is named.
    case any
    /// Only what `plugins.lock` pins.
    case manifest(LockFile)
    /// Only what a listed key has signed (`<file>.minisig` beside it).
    case signed([SigningKey])
  }

  public var trust = Trust.any
  /// Where private copies are made; nil chooses a folder.
  public var stagingFolder: String?
  /// How many bytes of code that cannot be unmapped the process takes before it refuses more.
  public var residentMaxBytes: UInt64 = 256 << 20
  /// Libraries that plugins may share with the host, besides the system's.
  public var allowedLibraries: Set<String> = []
  /// The process is the plugin's alone: nobody else can get its libraries' code.
  var isCell = false
  /// What plugins are told.
  public var hostVersion = gantryVersion

  public init() {}
}

/// Turns plugin files into generations: checks the bytes, makes a private copy, maps it, agrees on
/// the ABI, and counts what stays.
///
/// Every refusal is a `GantryError` with a code of `LoaderCode`; nothing stays mapped after one,
/// unless the code has declared that it must. Functions may be called from any thread; loads and
/// unloads take turns.
public final class Loader: Sendable {
  struct Mapped: @unchecked Sendable {  // the handle is only used under the loader's lock
    var generation: Generation
    var handle: UnsafeMutableRawPointer
    var copy: StagedCopy
    var uses: Int
    var isResident: Bool
    var privateLibraries: [(name: String, sha256: String)]
  }

  struct State {
    /// By SHA-256 of the bytes.
    var mapped: [String: Mapped] = [:]
    var lastNumber = 0
    var residentBytes: UInt64 = 0
    /// Refused code that had to stay mapped, by SHA-256.
    var refusedResidents: [String: GantryError] = [:]
  }

  public let options: LoaderOptions
  /// What plugins of this loader may open at run time.
  public let libraries: any PluginLibraries
  private let state = Mutex(State())
  private let stagingFolder: String
  private let mapsInPlace: Bool

  public convenience init(options: LoaderOptions = LoaderOptions()) {
    self.init(options: options, mapsInPlace: false)
  }

  /// - Parameter mapsInPlace: maps the files themselves; for a throwaway child, which leaves no
  ///   copies behind when it dies.
  init(options: LoaderOptions, mapsInPlace: Bool) {
    self.options = options
    self.mapsInPlace = mapsInPlace
    stagingFolder = options.stagingFolder ?? StagedCopy.defaultBase()
    libraries = LibraryStore(trust: options.trust, stagingFolder: stagingFolder)
    if !mapsInPlace { StagedCopy.sweep(stagingFolder) }
  }

  /// Bytes of code that cannot be unmapped.
  public var residentBytes: UInt64 { state.withLock { $0.residentBytes } }

  /// What is mapped now, in the order of loading.
  public var generations: [Generation] { state.withLock { $0.mapped.values.map(\.generation).sorted { $0.number < $1.number } } }

  /// Loads a plugin file or a bundle folder.
  public func load(path: String) throws(GantryError) -> Generation {
    try load(PluginImage(path: path))
  }

  /// Loads bytes that have been read already, such as those a journal keeps.
  public func load(_ image: PluginImage) throws(GantryError) -> Generation {
    let refusals = image.refusals(allowed: options.allowedLibraries, isAlone: options.isCell)
    if !refusals.isEmpty { throw GantryError(refusals, .badInput) }
    try checkTrust(image)
    return try state.withLock { state throws(GantryError) in
      if var known = state.mapped[image.sha256] {
        known.uses += 1
        state.mapped[image.sha256] = known
        return known.generation
      }
      if let refused = state.refusedResidents[image.sha256] { throw refused }
      try checkRoom(state, image)
      try checkNames(state, image)
      let mapped = try map(&state, image)
      state.mapped[image.sha256] = mapped
      return mapped.generation
    }
  }

  // MARK: checks before mapping

  private func checkTrust(_ image: PluginImage) throws(GantryError) {
    switch options.trust {
    case .any: return
    case .manifest(let lock):
      if let refusal = lock.refusal(path: image.path, sha256: image.sha256) { throw GantryError([refusal], .notAllowed) }
    case .signed(let keys):
      if let refusal = SigningKey.refusal(image, keys: keys) { throw GantryError([refusal], .notAllowed) }
    }
  }

  private func checkRoom(_ state: State, _ image: PluginImage) throws(GantryError) {
    guard image.looksResident, state.residentBytes + image.elf.mappedBytes > options.residentMaxBytes else { return }
    throw Self.residentMax(image.path, image.elf.mappedBytes, state.residentBytes, options.residentMaxBytes)
  }

  static func residentMax(_ path: String, _ bytes: UInt64, _ taken: UInt64, _ max: UInt64) -> GantryError {
    GantryError(
      LoaderCode.residentMax,
      "\(path): its \(megabytes(bytes)) can never be unmapped; \(megabytes(taken)) of at most \(megabytes(max)) are taken",
      help: ["run the node with `isolate: process`, raise resident_max, or restart the host"])
  }

  static func megabytes(_ bytes: UInt64) -> String {
    let tenths = (bytes * 10 + (1 << 19)) >> 20
    return "\(tenths / 10).\(tenths % 10) MB"
  }

  /// A private library whose name is taken by other bytes would silently get the other's code.
  private func checkNames(_ state: State, _ image: PluginImage) throws(GantryError) {
    let wanted = image.privateLibraries()
    guard !wanted.isEmpty else { return }
    let objects = ProcessMap.objects().map(\.path)
    for library in wanted {
      let own = state.mapped.values.flatMap(\.privateLibraries).first { $0.name == library.name && $0.sha256 != library.sha256 }
      let other = objects.first { path in
        guard FileBytes.lastComponent(path) == library.name else { return false }
        return (try? FileBytes.read(path)).map { FileBytes.sha256($0) != library.sha256 } ?? true
      }
      guard own != nil || other != nil else { continue }
      throw GantryError(
        LoaderCode.soname,
        "\(image.path): needs its own \(library.name), but other bytes of that name are mapped (\(other ?? "by another bundle")); it would get their code",
        help: ["give the library a name of its own (soname), or run the node with `isolate: process`"])
    }
  }

  // MARK: mapping

  private func map(_ state: inout State, _ image: PluginImage) throws(GantryError) -> Mapped {
    let copy = mapsInPlace ? StagedCopy(inPlace: image) : try StagedCopy(image, base: stagingFolder)
    guard let handle = dlopen(copy.path, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
      copy.remove()
      throw Self.openError(image.path, reason.replacing(copy.path, with: image.path))
    }
    // Pinned as soon as the code says that it must stay, so that no later close unmaps it.
    var isResident = image.elf.isNoDelete
    do throws(GantryError) {
      let offer = try negotiate(image, handle)
      if offer.isResident {
        isResident = true
        _ = dlopen(copy.path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE).map { dlclose($0) }
      }
      let mappedBytes = ProcessMap.objects().first { $0.path == copy.path }?.mappedBytes ?? image.elf.mappedBytes
      if isResident, state.residentBytes + mappedBytes > options.residentMaxBytes {
        throw Self.residentMax(image.path, mappedBytes, state.residentBytes, options.residentMaxBytes)
      }
      var (plugins, warnings) = try describe(image, offer)
      if isResident {
        state.residentBytes += mappedBytes
        warnings += residentWarning(image.path, state.residentBytes)
      }
      if !image.isBundle { copy.remove() }
      state.lastNumber += 1
      let generation = Generation(
        number: state.lastNumber, sha256: image.sha256, path: image.path, plugins: plugins, mappedBytes: mappedBytes,
        warnings: warnings, loader: self)
      return Mapped(
        generation: generation, handle: handle, copy: copy, uses: 1, isResident: isResident,
        privateLibraries: image.privateLibraries())
    } catch {
      if isResident {
        state.residentBytes += image.elf.mappedBytes
        state.refusedResidents[image.sha256] = error
      } else {
        dlclose(handle)
      }
      copy.remove()
      throw error
    }
  }

  private static func openError(_ path: String, _ reason: String) -> GantryError {
    let help =
      reason.contains("undefined symbol")
      ? "link the library that defines it, or build the plugin with -Wl,-z,defs to see this at build time"
      : reason.contains("failed to map segment")
        ? "set TMPDIR to a folder that is not mounted noexec"
        : "build the plugin on this system, or ship what it needs in a bundle"
    return GantryError(LoaderCode.open, "\(path): the system's dynamic loader refused it: \(reason)", help: [help])
  }

  private func negotiate(_ image: PluginImage, _ handle: UnsafeMutableRawPointer) throws(GantryError) -> Negotiation.Offer {
    guard let symbol = dlsym(handle, "gantry_plugin_entry") else {
      throw GantryError(LoaderCode.noEntry, "\(image.path): does not export gantry_plugin_entry")
    }
    let entry = unsafeBitCast(symbol, to: gantry_plugin_entry_function.self)
    return try Negotiation(path: image.path, memory: memory(), hostVersion: options.hostVersion).run(entry)
  }

  private func memory() throws(GantryError) -> SafeMemory {
    guard let memory = SafeMemory() else {
      throw GantryError(LoaderCode.staging, "no pipe could be made: \(FileBytes.failure("pipe").text)", help: ["raise the limit of open files"], exit: .failed)
    }
    return memory
  }

  private func describe(_ image: PluginImage, _ offer: Negotiation.Offer) throws(GantryError) -> (plugins: [LoadedPlugin], warnings: [Diagnostic]) {
    let code = ProcessMap.objects().flatMap(\.code)
    let memory = try memory()
    var plugins: [LoadedPlugin] = []
    var mistakes: [Diagnostic] = []
    for (position, raw) in offer.plugins.enumerated() {
      var reader = DescriptorReader(path: image.path, memory: memory, code: code, position: position)
      if let (description, table) = reader.read(raw, offer: offer) {
        if plugins.contains(where: { $0.description.id == description.id }) {
          reader.duplicate("id", description.id)
        }
        if case .manifest(let lock) = options.trust, let refusal = lock.refusal(of: description, sha256: image.sha256) {
          mistakes.append(refusal)
        }
        plugins.append(LoadedPlugin(description: description, raw: raw, table: table))
      }
      mistakes += reader.diagnostics
    }
    if !mistakes.isEmpty { throw GantryError(mistakes, .badInput) }
    return (plugins, fileNameWarning(image, plugins))
  }

  private func fileNameWarning(_ image: PluginImage, _ plugins: [LoadedPlugin]) -> [Diagnostic] {
    let name = FileBytes.lastComponent(image.main)
    let ids = plugins.map(\.description.id)
    guard !ids.contains(where: { "lib\($0).so" == name }) else { return [] }
    return [
      Diagnostic(
        .warning, LoaderCode.fileName, "\(image.path): offers \(ids.joined(separator: ", ")), which no graph will find under this file name",
        help: ["name the file lib\(ids[0]).so"])
    ]
  }

  private func residentWarning(_ path: String, _ taken: UInt64) -> [Diagnostic] {
    guard taken > options.residentMaxBytes / 4 * 3 else { return [] }
    return [
      Diagnostic(
        .warning, LoaderCode.residentHigh,
        "\(path): code that can never be unmapped now takes \(Self.megabytes(taken)) of at most \(Self.megabytes(options.residentMaxBytes))",
        help: ["restart the host when it suits, or run such nodes with `isolate: process`"])
    ]
  }

  // MARK: generations

  func isResident(_ generation: Generation) -> Bool {
    state.withLock { $0.mapped[generation.sha256]?.isResident ?? false }
  }

  func uses(of generation: Generation) -> Int {
    state.withLock { state in
      guard let mapped = state.mapped[generation.sha256], mapped.generation === generation else { return 0 }
      return mapped.uses
    }
  }

  func unload(_ generation: Generation) -> Bool {
    state.withLock { state in
      guard var mapped = state.mapped[generation.sha256], mapped.generation === generation else { return true }
      mapped.uses = max(0, mapped.uses - 1)
      if mapped.uses == 0, !mapped.isResident {
        dlclose(mapped.handle)
        if !ProcessMap.contains(path: mapped.copy.path) {
          mapped.copy.remove()
          state.mapped[generation.sha256] = nil
          return true
        }
        // Something in it keeps it: a thread-local destructor, a NODELETE library.
        mapped.isResident = true
        state.residentBytes += generation.mappedBytes
        _ = dlopen(mapped.copy.path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE)
      }
      state.mapped[generation.sha256] = mapped
      return false
    }
  }
}
