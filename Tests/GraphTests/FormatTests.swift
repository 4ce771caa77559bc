import Foundation
import GantryBase
import GantryGraph
import GantryManifest
import Testing

/// `manifests/GRAPH_FORMAT.md` is true.
@Suite struct FormatTests {
  static let root = BrokenGraphTests.folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let text = (try? String(contentsOf: root.appending(path: "manifests/GRAPH_FORMAT.md"), encoding: .utf8)) ?? ""

  @Test func `the table of codes has every code, once, and no other`() {
    let rows = Self.text.split(separator: "\n").compactMap { line -> String? in
      guard line.hasPrefix("| `graph.") || line.hasPrefix("| `manifest.") else { return nil }
      return line.dropFirst(3).split(separator: "`").first.map(String.init)
    }
    #expect(rows.sorted() == BrokenGraphTests.codes.sorted())
  }

  @Test func `every code in the sources is one of the lists`() throws {
    for module in ["Host/Graph", "Host/Manifest"] {
      let folder = Self.root.appending(path: module)
      for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) where file.pathExtension == "swift" {
        let source = try String(contentsOf: file, encoding: .utf8)
        for match in source.matches(of: /"((graph|manifest)\.[a-z0-9-]+)"/) {
          #expect(BrokenGraphTests.codes.contains(String(match.1)), "\(file.lastPathComponent)")
        }
      }
    }
  }

  @Test func `a warning in the table is a warning`() throws {
    for line in Self.text.split(separator: "\n") where line.contains("| warning: ") {
      let code = try #require(line.dropFirst(3).split(separator: "`").first)
      let golden = try String(contentsOf: BrokenGraphTests.folder.appending(path: "\(code).txt"), encoding: .utf8)
      #expect(golden.contains("warning[\(code)]"), "\(code)")
      #expect(!golden.contains("error[\(code)]"), "\(code)")
    }
  }

  @Test func `the keys of the sources are in the text`() throws {
    let schema = try #require(JSONSerialization.jsonObject(with: Data(GraphSchema.json(Catalog.all).utf8)) as? [String: Any])
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    func keys(_ object: [String: Any]?) -> [String] { (object?["properties"] as? [String: Any]).map { Array($0.keys) } ?? [] }
    for key in keys(schema) + keys(definitions["node"]) + keys(definitions["instrument"]) + keys(definitions["test"]) {
      #expect(Self.text.contains("`\(key)`") || Self.text.contains("\(key):"), "\(key)")
    }
  }

  @Test func `the first example is a good graph`() throws {
    let example = try #require(Self.text.split(separator: "```yaml\n").dropFirst().first?.split(separator: "```").first)
    let (graph, diagnostics) = Catalog.build(
      String(example).replacing("linear@^0.1", with: "linear@^1.2").replacing("models/ema_cross.json", with: "models/momentum.json"))
    #expect(graph != nil)
    #expect(diagnostics.map { $0.rendered() } == [])
  }
}
