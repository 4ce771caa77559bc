import Foundation
import GantryBase
import GantryGraph
import Testing

/// The pictures of the design's graph, in `Tests/Fixtures/Drawings`; `GANTRY_UPDATE_GOLDENS=1` rewrites them.
@Suite struct DrawingTests {
  static let folder = BrokenGraphTests.folder.deletingLastPathComponent().appending(path: "Drawings")

  @Test(arguments: GraphDrawing.Format.allCases) func `a graph is drawn as agreed`(format: GraphDrawing.Format) throws {
    for lanes in [false, true] {
      let text = lanes ? Catalog.momentum.replacing("queue: {", with: "lane: slow, queue: {") : Catalog.momentum
      let drawn = GraphDrawing.draw(try graph(text), as: format)
      let golden = Self.folder.appending(path: (lanes ? "lanes." : "momentum.") + format.rawValue)
      if BrokenGraphTests.isUpdating {
        try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
        try drawn.write(to: golden, atomically: true, encoding: .utf8)
      } else {
        #expect(try drawn == String(contentsOf: golden, encoding: .utf8))
      }
    }
  }

  @Test func `names in pictures are quoted`() throws {
    var odd = try graph(Catalog.momentum)
    odd.name = "a \"b\"\\\n"
    #expect(GraphDrawing.dot(odd).hasPrefix("digraph \"a \\\"b\\\"\\\\\\n\" {"))
  }
}
