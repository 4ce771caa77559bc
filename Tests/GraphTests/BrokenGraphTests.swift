import Foundation
import GantryBase
import GantryGraph
import GantryManifest
import Testing

/// One broken graph for each diagnostic code, in `Tests/Fixtures/BrokenGraphs`, and beside it the text
/// that `gantry check` prints for it. `GANTRY_UPDATE_GOLDENS=1 swift test` rewrites the texts.
///
/// Comments at the top of a fixture say how it is built: `# profile: NAME`, `# set: NODE.PARAM=VALUE`.
@Suite struct BrokenGraphTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/BrokenGraphs")
  static let isUpdating = ProcessInfo.processInfo.environment["GANTRY_UPDATE_GOLDENS"] == "1"

  static let codes =
    GraphCode.allCases.map(\.rawValue) + ManifestCode.allCases.map(\.rawValue)
  /// In the name of all that the loader refuses.
  static let loaderCodes = ["loader.no-entry"]

  /// What no text file can hold, or should.
  static let generated: [String: [UInt8]] = [
    "graph.too-many": Array("graph: broken\nnodes:\n".utf8) + (0..<250).flatMap { Array("  n\($0): { plugin: synthetic, x: 1 }\n".utf8) },
    "manifest.bad-character": Array("graph: a\u{1B}[31mb\n".utf8),
    "manifest.not-utf8": Array("graph: gr".utf8) + [0xF6] + Array("sse\n".utf8),
    "manifest.too-deep": Array("graph: ".utf8) + [UInt8](repeating: 0x5B, count: 200),
    "manifest.too-large": [UInt8](repeating: 0x20, count: ManifestLimits.bytes + 1),
    "manifest.too-many-nodes": Array("graph: broken\nnodes:\n".utf8)
      + (0..<1000).flatMap { _ in Array(("  - [" + String(repeating: "1,", count: 120) + "]\n").utf8) },
  ]

  @Test(arguments: codes + loaderCodes) func `the diagnostic looks as agreed`(code: String) throws {
    // Only running out of memory raises it.
    guard code != "manifest.cannot-read" else { return }
    var options = GraphOptions(files: Catalog.files)
    let bytes: [UInt8]
    if let generated = Self.generated[code] {
      bytes = generated
    } else {
      let text = try String(contentsOf: Self.folder.appending(path: code + ".yaml"), encoding: .utf8)
      bytes = Array(text.utf8)
      for line in text.split(separator: "\n").prefix(while: { $0.hasPrefix("#") }) {
        if line.hasPrefix("# profile: ") { options.profile = String(line.dropFirst(11)) }
        if line.hasPrefix("# set: ") { options.sets.append(String(line.dropFirst(7))) }
      }
    }
    let (graph, diagnostics) = GraphBuilder.build(file: "graphs/\(code).yaml", bytes: bytes, catalog: Catalog.answer, options: options)
    #expect(diagnostics.contains { $0.code == code })
    #expect((graph == nil) == diagnostics.contains { $0.severity == .error })
    #expect(diagnostics.allSatisfy { $0.place != nil })
    // Of a hundred like mistakes the last ones do.
    let shown = code == "graph.too-many" ? diagnostics.suffix(2) : diagnostics[...]
    let text = shown.map { $0.rendered() + "\n" }.joined()
    let golden = Self.folder.appending(path: code + ".txt")
    if Self.isUpdating {
      try text.write(to: golden, atomically: true, encoding: .utf8)
    } else {
      #expect(try text == String(contentsOf: golden, encoding: .utf8))
    }
  }

  @Test func `every broken graph belongs to a code`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    for file in files {
      let code = file.split(separator: ".").dropLast().joined(separator: ".")
      #expect((Self.codes + Self.loaderCodes).contains(code), "\(file)")
    }
  }
}
