import BrokenPlugins
import GantryBase
import Glibc
import PluginHarness
import Testing

/// A graph whose model opens a library at run time: grants and trust, through the real executable, in process and
/// in a cell.
@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler")) struct LibraryTrustTests {
  /// A folder with a graph, its plugins, a model of LightGBM and a library that says 1042 of every row.
  private struct Place {
    let folder: String
    var library: String { folder + "/wheel/pkg/lib/lib_lightgbm.so" }
    var beside: String { folder + "/wheel/pkg.libs/libtrust-beside.so" }
    static let plugins = ["synthetic", "indicators", "trees", "log"]

    init() throws {
      folder = try Files.folder()
      for part in ["plugins", "wheel", "wheel/pkg", "wheel/pkg/lib", "wheel/pkg.libs"] { mkdir("\(folder)/\(part)", 0o755) }
      for id in Place.plugins { try Files.copy("\(PluginHarness.productsFolder)/lib\(id).so", "\(folder)/plugins/lib\(id).so") }
      let sources = "\(Fixture.root)/Tests/Fixtures/Libraries"
      try Files.copy(Fixture.compile("\(sources)/beside.c", flags: "-Wl,-soname,libtrust-beside.so"), beside)
      let flags = "-DBRINGS -L'\(folder)/wheel/pkg.libs' -ltrust-beside '-Wl,-rpath,$ORIGIN/../../pkg.libs'"
      try Files.copy(Fixture.compile("\(sources)/lightgbm.c", flags: flags), library)
      try Files.write(Place.model, folder + "/model.txt")
    }

    /// One stump on rsi_14, with leaves -1 and 1.
    static let model = """
      tree
      version=v4
      num_class=1
      num_tree_per_iteration=1
      label_index=0
      max_feature_idx=0
      objective=regression
      feature_names=rsi_14
      feature_infos=[0:100]
      tree_sizes=1

      Tree=0
      num_leaves=2
      num_cat=0
      split_feature=0
      split_gain=1
      threshold=50
      decision_type=0
      left_child=-1
      right_child=-2
      leaf_value=-1 1
      is_linear=0
      shrinkage=1


      end of trees

      parameters:
      end of parameters

      """

    func graph(trust: String, engine: String = "library", grant: String = "[library]", isolate: String = "none") throws -> String {
      let path = folder + "/graph.yaml"
      try Files.write(
        """
        graph: libraries
        plugins: { path: [plugins], trust: \(trust), lock: plugins.lock }
        instruments: { EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx } }
        nodes:
          ticks: { plugin: synthetic, params: { count: 500, seed: 3 } }
          features: { plugin: indicators, from: ticks, params: { columns: [rsi_14] } }
          model:
            plugin: trees
            from: features
            params: { artifact: model.txt, engine: \(engine)\(engine == "own" ? "" : ", library: \(library)") }
            grant: \(grant)
            isolate: \(isolate)
          show: { plugin: log, from: model, params: { every: 100, to: stdout } }

        """, path)
      return path
    }

    func gantry(_ arguments: String...) throws -> Gantry { try Gantry.run(arguments, in: folder) }

    func run(_ graph: String) throws -> Gantry { try gantry("run", graph, "--no-run-folder", "--log", "info") }

    func pinPlugins() throws { #expect(try Gantry.run(["plugin", "add", "--plugins", "plugins"] + Place.plugins, in: folder).code == 0) }
  }

  @Test(arguments: ["none", "process"])
  func `under trust manifest a library opens when it is pinned, and only then`(isolate: String) throws {
    let place = try Place()
    try place.pinPlugins()
    let graph = try place.graph(trust: "manifest", isolate: isolate)

    let unpinned = try place.run(graph)
    #expect(unpinned.code == 77, "\(unpinned.error)")
    #expect(unpinned.error.contains("error[loader.not-pinned]") && unpinned.error.contains("graph.yaml:7:"), "\(unpinned.error)")
    #expect(unpinned.error.contains("`gantry plugin add --library \(place.library)"), "\(unpinned.error)")
    #expect(try place.gantry("check", graph).error.contains("loader.not-pinned"))

    let add = try place.gantry("plugin", "add", "--library", place.library)
    #expect(add.code == 0 && add.out.contains("pinned \(place.library)") && add.out.contains("pinned \(place.beside)"), "\(add.out)\(add.error)")
    let pinned = try place.run(graph)
    #expect(pinned.code == 0, "\(pinned.error)")
    #expect(pinned.out.contains("1042"), "\(pinned.out)")
    #expect(pinned.error.contains("opens \(place.library): pinned in plugins.lock"), "\(pinned.error)")
    #expect(try place.gantry("check", graph).code == 0)

    // One byte more: the same library to the dynamic loader, another to the lock.
    try Files.copy(place.beside, place.beside + ".new") { $0.append(0) }
    rename(place.beside + ".new", place.beside)
    let altered = try place.run(graph)
    #expect(altered.code == 77 && altered.error.contains("error[loader.pin-mismatch]"), "\(altered.error)")
    #expect(altered.error.contains("which \(place.library) brings along"), "\(altered.error)")
  }

  @Test func `under trust any it opens and says that nothing has verified it`() throws {
    let place = try Place()
    let result = try place.run(place.graph(trust: "any"))
    #expect(result.code == 0, "\(result.error)")
    #expect(result.out.contains("1042"), "\(result.out)")
    #expect(result.error.contains("opens \(place.library): nothing has verified it (`trust: any`)"), "\(result.error)")
  }

  @Test(arguments: ["none", "process"])
  func `a grant is needed for the library and for nothing else`(isolate: String) throws {
    let place = try Place()
    let own = try place.run(place.graph(trust: "any", engine: "own", grant: "[]", isolate: isolate))
    #expect(own.code == 0 && !own.error.contains("opens "), "\(own.error)")
    let refused = try place.run(place.graph(trust: "any", grant: "[]", isolate: isolate))
    #expect(refused.code == 77, "\(refused.error)")
    #expect(refused.error.contains("error[graph.not-granted]") && refused.error.contains("if you agree write grant: [library]"), "\(refused.error)")
    // Granted and not used is no mistake: it depends on parameters.
    let granted = try place.gantry("check", place.graph(trust: "any", engine: "own"))
    #expect(granted.code == 0 && !granted.error.contains("needless"), "\(granted.error)")
  }

  @Test func `inspect tells a need from one that depends on parameters`() throws {
    #expect(try Gantry.run(["plugin", "inspect", "trees"]).out.contains("needs nothing · with some parameters library"))
    #expect(try Gantry.run(["plugin", "inspect", "onnx"]).out.contains("needs library"))
    #expect(try Gantry.run(["plugin", "add"]).code == 2)
  }
}
