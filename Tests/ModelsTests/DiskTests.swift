import GantryBase
import GantryManifest
import GantryModels
import Glibc
import Testing

/// The models folder of a real file system: links, sizes, adding, aliases.
@Suite final class DiskTests {
  let root: String
  var models: String { root + "/models" }
  var folders: ModelFolders { ModelFolders([models]) }

  init() throws {
    var template = Array("/tmp/gantry-models-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = system("rm -rf '\(root)'") }

  private func write(_ text: String, _ name: String) throws -> String {
    let path = "\(root)/\(name)"
    let file = try #require(fopen(path, "we"))
    fputs(text, file)
    fclose(file)
    return path
  }

  private func add(_ text: String, name: String = "momentum", version: Int? = nil) throws -> Model {
    try ModelWriter(folder: models).add(write(text, "m.json"), name: name, version: version, .init(format: "gantry.linear/1"))
  }

  private func mistake(_ text: String) -> Diagnostic? {
    do throws(GantryError) {
      _ = try folders.resolve(ModelReference(text))
      return nil
    } catch { return error.diagnostics.first }
  }

  @Test func `adding gives versions 1, 2, 3, never writes over one, and leaves nothing else behind`() throws {
    #expect(try add("one").version == 1)
    #expect(try add("two").version == 2)
    #expect(throws: GantryError.self) { try self.add("other", version: 2) }
    #expect(try add("seven", version: 7).version == 7)
    #expect(try add("eight").version == 8)
    #expect(try folders.resolve(ModelReference("momentum@2")).card.sha256 == ModelDigest.sha256(Array("two".utf8)))
    #expect(ManifestFiles.disk.names("\(models)/momentum", 100) == ["1", "2", "7", "8"])
  }

  @Test func `many who add at once get a number each`() async throws {
    let path = try write("model", "m.json")
    let folder = models
    let versions = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<12 { group.addTask { try ModelWriter(folder: folder).add(path, name: "busy", .init(format: "x")).version } }
      var versions: [Int] = []
      for try await version in group { versions.append(version) }
      return versions.sorted()
    }
    #expect(versions == Array(1...12))
    #expect(folders.versions(of: "busy") == versions)
  }

  @Test func `a reader of an alias that moves sees the one version or the other`() async throws {
    for text in ["one", "two"] { _ = try add(text) }
    let writer = ModelWriter(folder: models)
    try writer.alias("champion", of: "momentum", to: 1)
    let folders = folders
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { for round in 0..<100 { try writer.alias("champion", of: "momentum", to: round % 2 + 1) } }
      group.addTask {
        for _ in 0..<200 {
          let version = try folders.resolve(ModelReference("momentum@champion")).version
          #expect(version == 1 || version == 2)
        }
      }
      try await group.waitForAll()
    }
    #expect(ManifestFiles.disk.names("\(models)/momentum/aliases", 100) == ["champion"])
  }

  @Test func `links that lead out of a version are refused, for the file, its folder, model yaml and aliases`() throws {
    _ = try add("one")
    let secret = try write("one", "secret.json")
    let version = "\(models)/momentum/1"
    unlink("\(version)/m.json")
    symlink(secret, "\(version)/m.json")
    #expect(mistake("momentum@1")?.code == "model.outside")
    _ = try add("two")
    unlink("\(models)/momentum/2/model.yaml")
    symlink(secret, "\(models)/momentum/2/model.yaml")
    #expect(mistake("momentum@2")?.code == "model.outside")
    _ = try add("three")
    _ = system("mv '\(models)/momentum/3' '\(root)/elsewhere'")
    symlink("\(root)/elsewhere", "\(models)/momentum/3")
    #expect(mistake("momentum@3")?.code == "model.outside")
    _ = try add("four")
    mkdir("\(models)/momentum/aliases", 0o755)
    symlink(secret, "\(models)/momentum/aliases/champion")
    #expect(mistake("momentum@champion")?.code == "model.outside")
    // A link in a circle leads nowhere.
    symlink("\(models)/momentum/aliases/loop", "\(models)/momentum/aliases/loop")
    #expect(mistake("momentum@loop")?.code == "model.unknown-alias")
    // The folder of models itself may be a link.
    symlink(models, "\(root)/other")
    #expect(try ModelFolders(["\(root)/other"]).resolve(ModelReference("momentum@4")).version == 4)
  }

  @Test func `a file of two gigabytes is refused before it is read, and so is a packed one`() throws {
    let path = "\(root)/big.json"
    let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    #expect(ftruncate(descriptor, 2 << 30) == 0)
    close(descriptor)
    let packed = try write("PK\u{3}\u{4}", "bomb.json")
    for (file, code) in [(path, "model.too-large"), (packed, "model.archive"), ("\(root)/none.json", "model.no-file"), (root, "model.no-file")] {
      do throws(GantryError) {
        _ = try ModelWriter(folder: models).add(file, name: "big", .init(format: "x"))
        Issue.record("\(file) was taken")
      } catch {
        #expect(error.diagnostics.first?.code == code)
        #expect(error.diagnostics.first?.help.isEmpty == false)
      }
    }
    #expect(folders.names().isEmpty)
    _ = try add("one")
    truncate("\(models)/momentum/1/m.json", 2 << 30)
    #expect(mistake("momentum@1")?.code == "model.too-large")
  }

  @Test func `further files of a model are copied, hashed and looked at`() throws {
    let (main, part) = (try write("main", "m.onnx"), try write("weights", "m.bin"))
    let model = try ModelWriter(folder: models).add(main, also: [part], name: "net", .init(format: "onnx"))
    #expect(model.card.also == ["m.bin": ModelDigest.sha256(Array("weights".utf8))])
    #expect(model.card.digest != model.card.sha256)
    #expect(try folders.resolve(ModelReference("net@1")).card == model.card)
    let file = try #require(fopen("\(models)/net/1/m.bin", "we"))
    fputs("Weights", file)
    fclose(file)
    #expect(mistake("net@1")?.code == "model.hash-mismatch")
  }
}
