import BrokenPlugins
import CGantry
import GantryBase
import GantryLoader
import Glibc
import PluginHarness
import Testing

/// What the loader promises of generations: private copies, one mapping for the same bytes, code
/// that is gone after its unload, code that stays where it must.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct GenerationTests {
  @Test func `the same bytes are mapped once and counted`() throws {
    let loader = Loader()
    let path = try Fixture.plugin("Correct")
    let copy = try Fixture.temporaryFolder() + "/libbroken.so"
    try write(read(path), copy)
    let first = try loader.load(path: path)
    let second = try loader.load(path: copy)
    #expect(first === second)
    #expect(first.uses == 2)
    #expect(!first.unload())
    #expect(second.unload())
    #expect(first.uses == 0)
  }

  @Test func `new bytes at an old path are new code`() throws {
    let loader = Loader()
    let path = try Fixture.plugin("Correct")
    let first = try loader.load(path: path)
    try write(read(Fixture.plugin("SharedGlobal")), path)
    let second = try loader.load(path: path)
    #expect(first !== second)
    #expect(first.sha256 != second.sha256)
    #expect(second.number == first.number + 1)
    #expect(first.plugins[0].raw != second.plugins[0].raw)
    #expect(first.unload())
    #expect(second.unload())
  }

  @Test func `overwriting the file does not touch what is mapped`() throws {
    let loader = Loader()
    let path = try Fixture.plugin("Correct")
    let generation = try loader.load(path: path)
    try write([UInt8](repeating: 0, count: 64), path)
    #expect(generation.plugins[0].raw.pointee.input_count == 1)
    #expect(generation.unload())
  }

  @Test func `a thousand loads and unloads leave nothing behind`() throws {
    let staging = try Fixture.temporaryFolder()
    var options = LoaderOptions()
    options.stagingFolder = staging
    let loader = Loader(options: options)
    let image = try PluginImage(path: Fixture.plugin("Correct"))
    for _ in 0..<1000 {
      let generation = try loader.load(image)
      #expect(generation.unload())
    }
    #expect(try mappings(from: staging) == 0)
    #expect(names(staging) == [])
    #expect(loader.residentBytes == 0)
  }

  @Test func `code that must stay is counted and not unmapped`() throws {
    let loader = Loader()
    let path = try Fixture.plugin("Resident")
    let generation = try loader.load(path: path)
    #expect(generation.isResident)
    #expect(loader.residentBytes == generation.mappedBytes)
    #expect(!generation.unload())
    // Its tables are still there.
    #expect(generation.plugins[0].raw.pointee.input_count == 1)
    let again = try loader.load(path: path)
    #expect(again === generation)
    #expect(loader.residentBytes == generation.mappedBytes)
  }

  @Test func `resident code beyond the limit is refused, and near it warned of`() throws {
    let path = try Fixture.plugin("Resident")
    var options = LoaderOptions()
    options.residentMaxBytes = 4096
    do throws(GantryError) {
      _ = try Loader(options: options).load(path: path)
      Issue.record("should be refused")
    } catch {
      #expect(error.diagnostics[0].code == LoaderCode.residentMax)
      #expect(error.diagnostics[0].help == ["run the node with `isolate: process`, raise resident_max, or restart the host"])
    }
    let plain = try Loader().load(path: Fixture.plugin("Resident", flags: "-Wl,--build-id=0x1234"))
    #expect(plain.warnings.isEmpty)
    options.residentMaxBytes = plain.mappedBytes * 5 / 4
    let warned = try Loader(options: options).load(path: Fixture.plugin("Resident", flags: "-Wl,--build-id=0x1235"))
    #expect(warned.warnings.map(\.code) == [LoaderCode.residentHigh])
  }

  @Test func `trust in a manifest loads what is pinned and nothing else`() throws {
    let path = try Fixture.plugin("Correct")
    let image = try PluginImage(path: path)
    var options = LoaderOptions()
    options.trust = .manifest(LockFile())
    #expect(try refusal(options, path) == LoaderCode.notPinned)
    var lock = LockFile()
    lock.pin([PluginDescription(id: "broken", version: "1.0.0", kind: .transform)], sha256: String(repeating: "0", count: 64), path: "libbroken.so")
    options.trust = .manifest(lock)
    #expect(try refusal(options, path) == LoaderCode.pinMismatch)
    lock.pin([PluginDescription(id: "broken", version: "9.0.0", kind: .transform)], sha256: image.sha256, path: "libbroken.so")
    options.trust = .manifest(lock)
    #expect(try refusal(options, path) == LoaderCode.pinMismatch)
    lock.pin([PluginDescription(id: "broken", version: "1.0.0", kind: .transform)], sha256: image.sha256, path: "libbroken.so")
    options.trust = .manifest(lock)
    #expect(try refusal(options, path) == nil)
  }

  @Test func `a file under another name loads with a warning`() throws {
    let path = try Fixture.plugin("Correct", as: "libother.so")
    let generation = try Loader().load(path: path)
    #expect(generation.warnings.map(\.code) == [LoaderCode.fileName])
    #expect(generation.unload())
  }

  @Test func `g++ statics that all generations would share are refused`() throws {
    guard Glibc.system("g++ --version >/dev/null 2>&1") == 0 else { return }
    let folder = try Fixture.temporaryFolder()
    try write(
      "template <class T> struct Once { static int value; };\ntemplate <class T> int Once<T>::value = 3;\nextern \"C\" int *gantry_plugin_entry(void *) { return &Once<int>::value; }\n",
      folder + "/unique.cpp")
    #expect(Glibc.system("g++ -shared -fPIC -fgnu-unique -o '\(folder)/libunique.so' '\(folder)/unique.cpp'") == 0)
    #expect(try refusal(LoaderOptions(), folder + "/libunique.so") == LoaderCode.uniqueSymbol)
  }

  private func refusal(_ options: LoaderOptions, _ path: String) throws -> String? {
    do throws(GantryError) {
      try Loader(options: options).load(path: path).unload()
      return nil
    } catch {
      return error.diagnostics[0].code
    }
  }

  /// How many mappings of this process come from a folder.
  private func mappings(from folder: String) throws -> Int {
    let file = try #require(fopen("/proc/self/maps", "r"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 8192)
    var count = 0
    while fgets(&line, Int32(line.count), file) != nil {
      if strstr(line, folder) != nil { count += 1 }
    }
    return count
  }
}

/// A bundle: a folder with the plugin and the libraries that are its own.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct BundleTests {
  /// A bundle whose private library has this name and answers with `answer`. Names are shared by
  /// all that is mapped, so every test has its own.
  private func bundle(_ name: String, answer: Int, origin: Bool = true) throws -> String {
    let folder = try Fixture.temporaryFolder() + "/answer.bundle"
    mkdir(folder, 0o755)
    try write("int private_answer(void) { return \(answer); }", folder + "/private.c")
    #expect(
      system("cc -shared -fPIC -o '\(folder)/lib\(name).so.1' -Wl,-soname,lib\(name).so.1 '\(folder)/private.c' && rm '\(folder)/private.c'") == 0)
    try write(
      "#include \"\(Fixture.root)/Tests/Fixtures/BrokenPlugins/base.h\"\nextern int private_answer(void);\nFIXTURE(params[0].maximum = private_answer())\n",
      folder + "/../plugin.c")
    let source = folder + "/../plugin.c"
    #expect(
      system(
        "cc -shared -fPIC -std=c11 -fvisibility=hidden -I'\(Fixture.root)/SDK/C/include' -o '\(folder)/libanswer.so' '\(source)' '\(folder)/lib\(name).so.1' \(origin ? "-Wl,-rpath,'$ORIGIN'" : "")"
      ) == 0)
    return folder
  }

  @Test func `a bundle is copied whole and finds its own library`() throws {
    let staging = try Fixture.temporaryFolder()
    var options = LoaderOptions()
    options.stagingFolder = staging
    let generation = try Loader(options: options).load(path: bundle("whole", answer: 42))
    #expect(generation.plugins[0].description.parameters[0].maximum == 42)
    #expect(names(staging).count == 1)
    #expect(generation.unload())
    #expect(names(staging) == [])
  }

  @Test func `a second bundle's library of the same name and other bytes is refused`() throws {
    let loader = Loader()
    let first = try loader.load(path: bundle("conflict", answer: 5))
    do throws(GantryError) {
      _ = try loader.load(path: bundlePath("conflict", answer: 6))
      Issue.record("should be refused")
    } catch {
      #expect(error.diagnostics[0].code == LoaderCode.soname)
    }
    #expect(first.unload())
    let second = try loader.load(path: bundle("conflict", answer: 6))
    #expect(second.plugins[0].description.parameters[0].maximum == 6)
    #expect(second.unload())
  }

  private func bundlePath(_ name: String, answer: Int) throws(GantryError) -> String {
    do { return try bundle(name, answer: answer) } catch { throw GantryError("test", "\(error)") }
  }

  @Test func `a bundle without an origin is refused`() throws {
    let path = try bundle("lost", answer: 1, origin: false)
    do throws(GantryError) {
      _ = try Loader().load(path: path)
      Issue.record("should be refused")
    } catch {
      #expect(error.diagnostics.map(\.code) == [LoaderCode.bundle])
      #expect(error.diagnostics[0].help == ["link it with -Wl,-rpath,'$ORIGIN'"])
    }
  }

  @Test func `one changed byte anywhere changes a bundle's hash`() throws {
    let path = try bundle("hashed", answer: 9)
    let before = try PluginImage(path: path).sha256
    #expect(try PluginImage(path: path).sha256 == before)
    try write("x", path + "/data.txt")
    #expect(try PluginImage(path: path).sha256 != before)
  }

  @Test func `a folder that is no bundle is refused`() throws {
    do throws(GantryError) {
      _ = try PluginImage(path: Fixture.root + "/Tests/Fixtures/BrokenPlugins")
      Issue.record("should be refused")
    } catch {
      #expect(error.diagnostics[0].code == LoaderCode.bundle)
    }
  }
}

func names(_ folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}
