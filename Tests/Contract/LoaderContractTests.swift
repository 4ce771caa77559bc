import BrokenPlugins
import GantryBase
import GantryLoader
import Glibc
import PluginHarness
import Testing

/// One broken plugin per line of the contract that the loader checks; each test asserts the exact
/// diagnostic.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct LoaderContractTests {
  /// What the loader says of a fixture, with the file's path left out.
  private func refusals(_ name: String, flags: String = "") throws -> [String] {
    let path = try Fixture.plugin(name, flags: flags)
    do throws(GantryError) {
      let generation = try Loader().load(path: path)
      generation.unload()
      return []
    } catch {
      return error.diagnostics.map { "\($0.code): \($0.text)".replacing(path + ": ", with: "") }
    }
  }

  @Test func `the plugin that breaks nothing loads and unloads`() throws {
    let generation = try Loader().load(path: Fixture.plugin("Correct"))
    #expect(generation.plugins.map(\.description.id) == ["broken"])
    #expect(generation.unload())
  }

  @Test(arguments: [
    ("MissingEntry", "loader.no-entry: does not export gantry_plugin_entry"),
    ("NewerMajor", "loader.abi: library.abi_major is 1 (ABI 1.1); this host speaks ABI 0.1"),
    ("NewerMinor", "loader.abi: library.abi_minor is 2 (ABI 0.2); this host speaks ABI 0.1, and below 1.0 the minor must be equal"),
    ("LibrarySizeTooSmall", "loader.size: library.size is 16: ABI 0.1 needs at least 48"),
    ("PluginSizeTooSmall", "loader.size: library.plugins[0]: size is 64: ABI 0.1 needs at least 184"),
    ("PluginSizeAbsurd", "loader.size: library.plugins[0]: size is 4294967288: no struct of the ABI is larger than 65536"),
    ("PortSizeLies", "loader.size: plugin broken: inputs[0].size is 56; in ABI 0.1 it is 48"),
    ("NullWithReason", "loader.refused: the plugin refused to load: this processor has no AVX2"),
    ("NullWithoutReason", "loader.no-reason: gantry_plugin_entry returned null and gave no reason"),
    ("NoPlugins", "loader.count: library.plugin_count is 0; this host takes 1 to 64"),
    ("TooManyPlugins", "loader.count: library.plugin_count is 4000000000; this host takes 1 to 64"),
    ("WildPointer", "loader.pointer: library.plugins does not point to readable memory (expected 1 pointers)"),
    ("WildText", "loader.pointer: plugin broken: summary does not point to 10 readable bytes"),
    ("NullPorts", "loader.pointer: plugin broken: inputs is null, but its count is 1"),
    ("BadID", "loader.name: library.plugins[0]: id is \"Bad Id\""),
    ("BadVersion", "loader.name: plugin broken: version is \"1.0\""),
    ("BadUTF8", "loader.utf8: plugin broken: summary is not UTF-8"),
    ("UnknownKind", "loader.unknown: plugin broken: kind is 99; this host knows 1 (source) to 10 (transform)"),
    ("UnknownPortType", "loader.unknown: plugin broken: inputs[0].type is 77; this host knows 0 (any) to 14 (blob)"),
    ("AnyOutput", "loader.unknown: plugin broken: outputs[0].type is 0 (any), which is for inputs only"),
    ("DuplicatePort", "loader.duplicate: plugin broken: inputs[1].name is ticks, which an earlier one has"),
    ("MissingCreate", "loader.function: plugin broken: create is null; it is required always"),
    ("MissingOnBatch", "loader.function: plugin broken: on_batch is null; it is required where there are inputs"),
    ("MissingOnTimer", "loader.function: plugin broken: on_timer is null; it is required with the flag 4 (timers)"),
    ("FunctionIsData", "loader.function: plugin broken: stop does not point to code"),
    ("DefaultOutOfRange", "loader.parameter: plugin broken: parameter gain has the default \"7\", above the maximum 2"),
    ("DefaultUnreadable", "loader.parameter: plugin broken: parameter gain has the default \"plenty\", which is no number"),
    ("ChoiceWithoutChoices", "loader.parameter: plugin broken: parameter gain is a choice without choices"),
    ("LiveWithoutExtension", "loader.ability: plugin broken: parameter gain is declared live, but gantry.params-live/1 is not offered"),
    ("SourceWithoutPull", "loader.ability: plugin broken: a source without gantry.pull/1, gantry.feed/1 or timers can never produce an event"),
  ])
  func `a broken descriptor is refused by name`(fixture: String, diagnostic: String) throws {
    #expect(try refusals(fixture).first == diagnostic)
  }

  @Test func `every mistake of a descriptor is reported at once`() throws {
    let found = try refusals("ManyMistakes")
    #expect(
      found == [
        "loader.name: library.plugins[0]: id is \"UPPER\"",
        "loader.unknown: library.plugins[0]: kind is 0; this host knows 1 (source) to 10 (transform)",
        "loader.unknown: library.plugins[0]: inputs[0].type is 15; this host knows 0 (any) to 14 (blob)",
        "loader.parameter: library.plugins[0]: parameter gain has the minimum 3 above its maximum 2",
        "loader.parameter: library.plugins[0]: parameter gain has the default \"1\", below the minimum 3",
        "loader.function: library.plugins[0]: destroy is null; it is required always",
      ])
  }

  @Test func `an undefined symbol is named`() throws {
    #expect(try refusals("UndefinedSymbol") == ["loader.open: the system's dynamic loader refused it: undefined symbol: nobody_defines_this"])
  }

  @Test func `a library outside the allow-list is refused with a way out`() throws {
    let folder = try Fixture.temporaryFolder()
    try write("int private_answer(void) { return 42; }", folder + "/private.c")
    _ = system("cc -shared -fPIC -o '\(folder)/libprivate.so.1' -Wl,-soname,libprivate.so.1 '\(folder)/private.c'")
    let found = try refusals("NotAllowedLibrary", flags: "'\(folder)/libprivate.so.1'")
    #expect(found == ["loader.library: needs libprivate.so.1, which is not on the list of libraries a plugin may share with the host"])
  }

  @Test func `a file that is no shared object is refused`() throws {
    #expect(try refusal(ofBytes: Array("#!/bin/sh\n".utf8)) == "loader.not-elf: is not a shared object: it does not begin with the ELF magic")
    #expect(try refusal(ofBytes: []) == "loader.not-elf: is not a shared object: it does not begin with the ELF magic")
  }

  @Test func `a shared object for another machine is refused`() throws {
    var bytes = try read(Fixture.plugin("Correct"))
    bytes[18] = 243
    bytes[19] = 0
    #expect(try refusal(ofBytes: bytes)?.hasPrefix("loader.other-machine: is for riscv; this host is ") == true)
  }

  @Test func `a truncated file is refused whatever its length`() throws {
    let bytes = try read(Fixture.plugin("Correct"))
    for length in stride(from: 0, to: bytes.count, by: 211) {
      let found = try refusal(ofBytes: Array(bytes.prefix(length)))
      // The last bytes are section headers, which nobody maps.
      if found == nil { #expect(length > bytes.count / 2) }
    }
    #expect(try refusal(ofBytes: Array(bytes.prefix(200)))?.hasPrefix("loader.truncated: is truncated or damaged: ") == true)
  }

  @Test func `an object file is refused`() throws {
    let folder = try Fixture.temporaryFolder()
    _ = system("cc -c -fPIC -I'\(Fixture.root)/SDK/C/include' -o '\(folder)/plugin.o' '\(Fixture.root)/Tests/Fixtures/BrokenPlugins/Correct/plugin.c'")
    #expect(
      try refusal(ofBytes: read(folder + "/plugin.o"))
        == "loader.not-shared-object: is an object file (.o); link it with -shared, not a shared object")
  }

  @Test func `a missing file is refused`() {
    #expect(throws: GantryError.self) { try Loader().load(path: "/nonexistent/libnone.so") }
  }

  private func refusal(ofBytes bytes: [UInt8]) throws -> String? {
    let path = try Fixture.temporaryFolder() + "/libbroken.so"
    try write(bytes, path)
    do throws(GantryError) {
      _ = try PluginImage(path: path)
      return nil
    } catch {
      return "\(error.diagnostics[0].code): \(error.diagnostics[0].text)".replacing(path + ": ", with: "")
    }
  }
}

/// Plugins that would take the host with them are only ever met by a throwaway child.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct ChildContractTests {
  private var inspector: PluginInspector {
    var inspector = PluginInspector(executable: PluginHarness.productsFolder + "/LoaderChild")
    inspector.deadlineNs = 60_000_000_000
    return inspector
  }

  private func diagnostic(_ name: String, deadlineNs: Int64? = nil) throws -> String {
    let path = try Fixture.plugin(name)
    var inspector = inspector
    if let deadlineNs { inspector.deadlineNs = deadlineNs }
    guard case .failure(let error) = inspector.describe(paths: [path])[path] else { return "no failure" }
    return "\(error.diagnostics[0].code): \(error.diagnostics[0].text)".replacing(path + ": ", with: "")
  }

  @Test func `a trap in the entry names the signal`() throws {
    #expect(try diagnostic("TrapsInEntry") == "loader.crashed: ended the throwaway child that looked at it, by SIGILL (a trap, or an illegal instruction)")
  }

  @Test func `an exit in the entry names the code`() throws {
    #expect(try diagnostic("ExitsInEntry") == "loader.crashed: ended the throwaway child that looked at it, with exit code 3")
  }

  @Test func `an entry that hangs is given up`() throws {
    #expect(try diagnostic("HangsInEntry", deadlineNs: 700_000_000) == "loader.deadline: did not say what it offers within 700 ms")
  }

  @Test func `an entry that takes all memory meets its limit`() throws {
    #expect(try diagnostic("AbsurdAllocation") == "loader.crashed: ended the throwaway child that looked at it, by SIGABRT (it aborted)")
  }

  @Test func `a plugin that crashes does not hide the others`() throws {
    let good = try Fixture.plugin("Correct")
    let bad = try Fixture.plugin("TrapsInEntry")
    let refused = try Fixture.plugin("BadID")
    let answers = inspector.describe(paths: [bad, good, refused])
    #expect(try answers[good]?.get().map(\.id) == ["broken"])
    guard case .failure(let crash) = answers[bad], case .failure(let refusal) = answers[refused] else {
      Issue.record("both should have failed")
      return
    }
    #expect(crash.diagnostics[0].code == LoaderCode.crashed)
    #expect(refusal.diagnostics[0].code == LoaderCode.name)
  }
}

func read(_ path: String) throws -> [UInt8] {
  let file = try #require(fopen(path, "rb"))
  defer { fclose(file) }
  fseek(file, 0, SEEK_END)
  var bytes = [UInt8](repeating: 0, count: ftell(file))
  rewind(file)
  #expect(fread(&bytes, 1, bytes.count, file) == bytes.count)
  return bytes
}

func write(_ bytes: [UInt8], _ path: String) throws {
  let file = try #require(fopen(path, "wb"))
  defer { fclose(file) }
  #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
}

func write(_ text: String, _ path: String) throws { try write(Array(text.utf8), path) }
