import BrokenPlugins
import GantryBase
import Glibc
import Synchronization
import Testing

@testable import GantryLoader

/// Libraries that plugins open at run time: what is pinned, what is refused, and that just the bytes that were
/// compared are mapped.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler")) struct LibraryStoreTests {
  private static let count = Atomic<Int>(0)

  /// A library and the one that it brings along, in folders as in a wheel, under names nobody else has.
  private struct Made {
    let folder: String
    let name: String
    var library: String { "\(folder)/pkg/lib/lib\(name).so" }
    var beside: String { "\(folder)/pkg.libs/lib\(name)-beside.so" }

    init(newTags: Bool = true) throws {
      folder = try Fixture.temporaryFolder()
      name = "made\(getpid())x\(LibraryStoreTests.count.add(1, ordering: .relaxed).newValue)"
      for part in ["pkg", "pkg/lib", "pkg.libs"] { mkdir("\(folder)/\(part)", 0o755) }
      try compile(beside: 42)
      let tags = newTags ? "--enable-new-dtags" : "--disable-new-dtags"
      try Made.compile(
        "lightgbm.c", library, "-DBRINGS -L'\(folder)/pkg.libs' -l\(name)-beside -Wl,\(tags) '-Wl,-rpath,$ORIGIN/../../pkg.libs'")
    }

    func compile(beside adds: Int) throws { try Made.compile("beside.c", beside, "-DADDS=\(adds) -Wl,-soname,lib\(name)-beside.so") }

    static func compile(_ source: String, _ path: String, _ flags: String) throws {
      // A new file each time: what is mapped from the old one stays as it is.
      unlink(path)
      let made = try Fixture.compile("\(Fixture.root)/Tests/Fixtures/Libraries/\(source)", flags: flags)
      #expect(system("cp '\(made)' '\(path)'") == 0)
    }
  }

  private func store(_ trust: LoaderOptions.Trust) throws -> LibraryStore { LibraryStore(trust: trust, stagingFolder: try Fixture.temporaryFolder()) }

  private func answer(_ opened: OpenedLibrary) throws -> Double {
    typealias Predict = @convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Double>?) -> Int32
    let symbol = try #require(dlsym(opened.handle, "LGBM_BoosterPredictForMatSingleRowFast"))
    var length: Int64 = 0
    var value = 0.0
    _ = unsafeBitCast(symbol, to: Predict.self)(nil, nil, &length, &value)
    return value
  }

  private func refusal(_ store: LibraryStore, _ path: String, isAlone: Bool = false) -> GantryError? {
    do throws(GantryError) {
      _ = try store.open(path: path, isAlone: isAlone)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [true, false])
  func `a pinned library opens, with what it brings along by $ORIGIN, from private copies that are gone at once`(newTags: Bool) throws {
    let made = try Made(newTags: newTags)
    var lock = LockFile()
    let pinned = try lock.pin(library: made.library)
    #expect(pinned.map(\.path) == [made.library, made.beside])
    #expect(try LockFile(text: lock.text, file: "plugins.lock").libraries == pinned.sorted { $0.path < $1.path })
    let folder = try Fixture.temporaryFolder()
    let store = LibraryStore(trust: .manifest(lock), stagingFolder: folder)
    let opened = try store.open(path: made.library, isAlone: false)
    #expect(try answer(opened) == 1042)
    #expect(opened.remark == "pinned in plugins.lock")
    // Nothing is mapped from where the files stand, and no copy is left.
    let objects = ProcessMap.objects().map(\.path).filter { $0.contains(made.name) }
    #expect(objects.count == 2 && objects.allSatisfy { $0.hasPrefix(folder) && access($0, F_OK) != 0 }, "\(objects)")
    #expect(FileBytes.names(in: folder) == [])
    // The same bytes are mapped once.
    #expect(try store.open(path: made.library, isAlone: true).handle == opened.handle)
  }

  @Test func `what is altered after it was pinned is refused, with the command that pins it anew`() throws {
    let made = try Made()
    var lock = LockFile()
    try lock.pin(library: made.library)
    #expect(system("printf x >> '\(made.library)'") == 0)
    let error = try #require(refusal(try store(.manifest(lock)), made.library))
    #expect(error.exitCode == .notAllowed && error.diagnostics.map(\.code) == [LoaderCode.pinMismatch])
    #expect(error.diagnostics[0].help == ["if you trust the new file, pin it: `gantry plugin add --library \(made.library)`"])
    #expect(!ProcessMap.objects().contains { $0.path.contains(made.name) })
    // Pinned again, it opens; there is one pin a path.
    try lock.pin(library: made.library)
    #expect(lock.libraries.count == 2)
    #expect(try answer(store(.manifest(lock)).open(path: made.library, isAlone: false)) == 1042)
  }

  @Test func `what a library brings along is pinned as well`() throws {
    let made = try Made()
    var lock = LockFile()
    try lock.pin(library: made.library)
    try made.compile(beside: 7)
    let error = try #require(refusal(try store(.manifest(lock)), made.library))
    #expect(error.diagnostics.map(\.code) == [LoaderCode.pinMismatch])
    #expect(error.diagnostics[0].text.hasPrefix("\(made.beside), which \(made.library) brings along, has SHA-256"))
    #expect(error.diagnostics[0].help[0].contains("gantry plugin add --library \(made.library)`"))
  }

  @Test func `an unpinned library is refused; the command names the lock file`() throws {
    let made = try Made()
    let path = try Fixture.temporaryFolder() + "/trading.lock"
    try LockFile().write(to: path)
    let error = try #require(refusal(try store(.manifest(LockFile(path: path))), made.library))
    #expect(error.exitCode == .notAllowed && error.diagnostics.map(\.code) == [LoaderCode.notPinned, LoaderCode.notPinned])
    #expect(error.diagnostics[0].help == ["if you trust the file, pin it: `gantry plugin add --library \(made.library) --lock \(path)`"])
    #expect(try LockFile(path: path) == LockFile())
  }

  @Test func `under trust any the file itself is opened, and that is said`() throws {
    let made = try Made()
    let store = try store(.any)
    let opened = try store.open(path: made.library, isAlone: false)
    #expect(try answer(opened) == 1042 && opened.remark.contains("nothing has verified it"))
    #expect(ProcessMap.objects().contains { $0.path == made.library })
    #expect(try store.copiesFolder() == nil)
    #expect(try store.admit(path: made.library) == AdmittedLibrary(file: made.library, remark: opened.remark))
    let missing = try #require(refusal(store, made.folder + "/libnone.so"))
    #expect(missing.diagnostics[0].code == LoaderCode.open && missing.exitCode == .failed)
  }

  @Test func `another process gets a copy that stays, and goes with the store`() throws {
    let made = try Made()
    var lock = LockFile()
    try lock.pin(library: made.library)
    var copy = ""
    do {
      let store = try store(.manifest(lock))
      copy = try store.admit(path: made.library).file
      let folder = try #require(try store.copiesFolder())
      #expect(copy.hasPrefix(folder) && copy.hasSuffix("/pkg/lib/lib\(made.name).so"))
      #expect(try store.admit(path: made.library).file == copy)
      // Whatever becomes of the original.
      #expect(system("printf x >> '\(made.library)'") == 0)
      #expect(try FileBytes.sha256(FileBytes.read(copy)) == lock.libraries[0].sha256)
      #expect(refusal(store, made.library)?.diagnostics.first?.code == LoaderCode.pinMismatch)
    }
    #expect(access(copy, F_OK) != 0)
  }

  @Test func `under trust signed each of the files wants its signature`() throws {
    let made = try Made()
    let error = try #require(refusal(try store(.signed([])), made.library))
    #expect(error.exitCode == .notAllowed && error.diagnostics.map(\.code) == [LoaderCode.signature, LoaderCode.signature])
    #expect(error.diagnostics[0].help == ["sign it: minisign -Sm \(made.library)"])
  }

  @Test func `a library that bears no second one is refused beside other bytes of its name`() throws {
    let (one, two) = (try Made(), try Fixture.temporaryFolder())
    let store = try store(.any)
    _ = try store.open(path: one.library, isAlone: true)
    _ = try store.open(path: one.library, isAlone: true)
    let other = two + "/lib\(one.name).so.2"
    try Made.compile("lightgbm.c", other, "-DBIAS=5")
    let error = try #require(refusal(store, other, isAlone: true))
    #expect(error.diagnostics[0].code == LoaderCode.soname && error.diagnostics[0].text.hasPrefix("\(one.library) is in use in this process, so \(other)"))
    #expect(try answer(store.open(path: other, isAlone: false)) == 5)
  }

  @Test func `what is no library is refused by what it is`() throws {
    let path = try Fixture.temporaryFolder() + "/libtext.so"
    #expect(system("echo no library > '\(path)'") == 0)
    var lock = LockFile()
    #expect(throws: GantryError.self) { try lock.pin(library: path) }
    #expect(throws: GantryError.self) { try lock.pin(library: "/nowhere/libx.so") }
    #expect(lock.libraries.isEmpty)
    #expect(refusal(try store(.manifest(lock)), path)?.diagnostics.first?.code == LoaderCode.notELF)
    #expect(refusal(try store(.any), path)?.diagnostics.first?.code == LoaderCode.open)
  }
}
