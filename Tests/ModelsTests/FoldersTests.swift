import GantryBase
import GantryManifest
import GantryModels
import Testing

/// A models folder in memory.
struct Folder {
  var files: [String: [UInt8]] = [:]
  static let root = "/graphs/models"

  mutating func add(_ name: String, _ version: Int, bytes: String = "{}", card: String? = nil) {
    let hash = ModelDigest.sha256(Array(bytes.utf8))
    files["\(Self.root)/\(name)/\(version)/m.json"] = Array(bytes.utf8)
    files["\(Self.root)/\(name)/\(version)/model.yaml"] = Array((card ?? "format: gantry.linear/1\nfile: m.json\nsha256: \(hash)\n").utf8)
  }

  mutating func alias(_ name: String, _ alias: String, _ text: String) { files["\(Self.root)/\(name)/aliases/\(alias)"] = Array(text.utf8) }

  var folders: ModelFolders { ModelFolders([Self.root], files: .inMemory(files)) }

  func resolve(_ text: String) throws -> Model { try folders.resolve(ModelReference(text)) }

  /// The first diagnostic of what cannot be found.
  func mistake(_ text: String) -> Diagnostic? {
    do throws(GantryError) {
      _ = try folders.resolve(ModelReference(text))
      return nil
    } catch { return error.diagnostics.first }
  }
}

@Suite struct FoldersTests {
  private var folder: Folder {
    var folder = Folder()
    for version in [1, 2, 10] { folder.add("momentum", version, bytes: "{\"v\": \(version)}") }
    folder.add("trend", 1)
    folder.alias("momentum", "champion", "2\n")
    folder.alias("momentum", "live", "champion\n")
    return folder
  }

  @Test func `a version, an alias, an alias of an alias and latest are found`() throws {
    #expect(try folder.resolve("models:momentum@1").title == "momentum@1")
    let champion = try folder.resolve("models:momentum@champion")
    #expect(champion.version == 2 && champion.path == "/graphs/models/momentum/2/m.json" && champion.reference == "momentum@champion")
    #expect(champion.follows == ["/graphs/models/momentum/aliases/champion"])
    let live = try folder.resolve("models:momentum@live")
    #expect(live.version == 2 && live.follows.count == 2)
    let latest = try folder.resolve("models:momentum@latest")
    #expect(latest.version == 10 && latest.follows == ["/graphs/models/momentum/11"])
    #expect(folder.folders.names() == ["momentum", "trend"])
    #expect(folder.folders.versions(of: "momentum") == [1, 2, 10])
    #expect(folder.folders.aliases(of: "momentum") == ["champion", "live"])
  }

  @Test(arguments: [
    ("models:momentun@1", "model.unknown-model", "did you mean momentum?"),
    ("models:momentum@3", "model.unknown-version", "it has: 10, 2, 1"),
    ("models:momentum@champoin", "model.unknown-alias", "did you mean champion?"),
    ("models:momentum", "model.bad-reference", "@latest for the newest version"),
    ("models:momentum@", "model.bad-reference", "@latest for the newest version"),
    ("models:momentum@03", "model.bad-reference", "or an alias"),
    ("models:momentum@-1", "model.bad-reference", "or an alias"),
    ("models:momentum@9999999999999999999", "model.bad-reference", "or an alias"),
    ("models:../momentum@1", "model.bad-reference", "a name is no path"),
    ("models:momentum/1@1", "model.bad-reference", "a name is no path"),
    ("models:momentum@../champion", "model.bad-reference", "a name is no path"),
    ("models:@1", "model.bad-reference", "models:momentum@3"),
    ("models:Momentum@1", "model.bad-reference", "models:momentum@3"),
  ])
  func `what cannot be found has a code and a remedy`(_ text: String, _ code: String, _ help: String) throws {
    let mistake = try #require(folder.mistake(text))
    #expect(mistake.code == code)
    #expect(mistake.help.contains { $0.contains(help) }, "\(mistake)")
  }

  @Test func `aliases that lead in a circle, far, nowhere or to nonsense are told`() throws {
    var folder = folder
    folder.alias("momentum", "a", "b")
    folder.alias("momentum", "b", "a")
    for step in 0..<12 { folder.alias("momentum", "s\(step)", "s\(step + 1)") }
    folder.alias("momentum", "gone", "77")
    folder.alias("momentum", "odd", "../../etc/passwd")
    folder.alias("momentum", "empty", "")
    folder.alias("momentum", "long", String(repeating: "1", count: 10_000))
    folder.alias("momentum", "self", "latest")
    let codes = [
      "a": "model.alias-loop", "s0": "model.alias-loop", "gone": "model.unknown-version", "odd": "model.bad-alias", "empty": "model.bad-alias", "long": "model.bad-alias", "self": "model.bad-alias",
    ]
    for (alias, code) in codes {
      let mistake = try #require(folder.mistake("models:momentum@\(alias)"), "\(alias)")
      #expect(mistake.code == code, "\(alias)")
      #expect(!mistake.help.isEmpty)
    }
  }

  @Test(arguments: [
    ("", "manifest.empty"),
    ("[1, 2]", "model.bad-card"),
    ("format: x\nfile: m.json\n", "model.bad-card"),
    ("format: x\nfile: ../m.json\nsha256: \(String(repeating: "a", count: 64))\n", "model.bad-card"),
    ("format: x\nfile: /etc/passwd\nsha256: \(String(repeating: "a", count: 64))\n", "model.bad-card"),
    ("format: x\nfile: m.json\nsha256: \(String(repeating: "A", count: 64))\n", "model.bad-card"),
    ("format: x\nfile: m.json\nsha256: \(String(repeating: "a", count: 64))\n", "model.hash-mismatch"),
    ("format: x\nfile: gone.json\nsha256: \(String(repeating: "a", count: 64))\n", "model.no-file"),
    ("format: x\nfile: m.json\nsha256: 1\nfiel: 3\ncolumns: [a, a]\nmetrics: { auc: high }\n", "model.bad-card"),
    (String(repeating: "[", count: 5_000), "manifest.too-deep"),
    (
      "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
      "manifest.alias-expansion"
    ),
    (String(repeating: "# much\n", count: 60_000), "model.too-large"),
  ])
  func `a model yaml that will not do is told with its place`(_ card: String, _ code: String) throws {
    var folder = Folder()
    folder.add("bad", 1, card: card)
    let mistake = try #require(folder.mistake("models:bad@1"))
    #expect(mistake.code == code, "\(mistake)")
    #expect(!mistake.help.isEmpty, "\(mistake)")
    if code.hasPrefix("manifest.") || code == "model.bad-card" { #expect(mistake.place?.file == "/graphs/models/bad/1/model.yaml") }
  }

  @Test func `every mistake of a model yaml comes at once`() throws {
    var folder = Folder()
    folder.add("bad", 1, card: "format: x\nfile: m.json\nsha256: 1\nfiel: 3\ncolumns: [a, a]\nmetrics: { auc: high }\n")
    do throws(GantryError) {
      _ = try folder.folders.resolve(ModelReference("bad@1"))
      Issue.record("it was taken")
    } catch {
      #expect(error.diagnostics.map { $0.place?.line } == [4, 3, 5, 6])
    }
  }

  @Test func `a packed file is refused, whatever it is called`() throws {
    var folder = Folder()
    folder.files["/graphs/models/bomb/1/m.json"] = [0x50, 0x4B, 0x03, 0x04, 0, 0]
    folder.files["/graphs/models/bomb/1/model.yaml"] = Array("format: x\nfile: m.json\nsha256: \(String(repeating: "a", count: 64))\n".utf8)
    #expect(folder.mistake("models:bomb@1")?.code == "model.archive")
  }
}
