import GantryBase
import GantryManifest
import Testing

@Suite struct ParserTests {
  @Test func `every key and scalar knows its place`() throws {
    let (tree, diagnostics) = ManifestParser.parse(bytes: Array("graph: größe\nnodes:\n  a: { plugin: x, list: [1, 'two'] }\n".utf8), file: "g.yaml")
    #expect(diagnostics == [])
    let root = try #require(tree)
    #expect(root["graph"]?.place == Place(file: "g.yaml", line: 1, column: 8, length: 5, excerpt: "graph: größe"))
    let list = try #require(root["nodes"]?["a"]?["list"])
    #expect(list.sequence?.map(\.text) == ["1", "two"])
    #expect(list.sequence?[1].place.column == 29)
    #expect(list.sequence?[1].place.length == 5)
    #expect(root["nodes"]?.entries?[0].key.place == Place(file: "g.yaml", line: 3, column: 3, length: 1, excerpt: "  a: { plugin: x, list: [1, 'two'] }"))
  }
}
