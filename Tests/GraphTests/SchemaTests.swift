import Foundation
import GantryBase
import GantryGraph
import Testing

@Suite struct SchemaTests {
  /// Whether python3 can check a schema here.
  static let python: Bool = (try? run(["-c", "import jsonschema, yaml"]).status == 0) ?? false

  static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }

  @Test func `the same plugins give the same text in any order`() {
    #expect(GraphSchema.json(Catalog.all) == GraphSchema.json(Catalog.all.reversed()))
  }

  @Test func `the schema is JSON`() throws {
    let object = try JSONSerialization.jsonObject(with: Data(GraphSchema.json(Catalog.all).utf8)) as? [String: Any]
    #expect(object?["$defs"] != nil)
    #expect(try JSONSerialization.jsonObject(with: Data(GraphSchema.json([]).utf8)) is [String: Any])
  }

  @Test(.enabled(if: python, "python3 with jsonschema and yaml is not here"))
  func `the schema takes good graphs and refuses broken ones`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "gantry-schema-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try GraphSchema.json(Catalog.all).write(to: folder.appending(path: "schema.json"), atomically: true, encoding: .utf8)
    let good = [
      Catalog.momentum, OverlayTests.text,
      EdgeTests.nodes(
        """
        ticks: { plugin: replay@^0.1, for_each: instruments, params: { path: "data/${each}", instrument: "${each}" } }
        notify: { plugin: log, from: { events: [ticks] }, on_error: { fallback: other }, queue: { lossy: true } }
        """),
    ]
    let bad = [
      ("graph: a\n", "'nodes' is a required property"),
      (Catalog.momentum.replacing("clock: replay", with: "clock: rplay"), "'rplay' is not one of"),
      (Catalog.momentum.replacing("format: lean", with: "format: laen"), "'laen'"),
      (Catalog.momentum.replacing("format: lean", with: "fromat: lean"), "'fromat' was unexpected"),
      (Catalog.momentum.replacing("path: data/eurusd, ", with: ""), "'path' is a required property"),
      (Catalog.momentum.replacing("max_drawdown: 5%", with: "max_drawdown: 5"), "5"),
      (Catalog.momentum.replacing("isolate: none", with: "isolated: none"), "'isolated' was unexpected"),
      (Catalog.momentum.replacing("[network, secrets]", with: "[network, secrts]"), "secrts"),
    ]
    for (index, text) in (good + bad.map(\.0)).enumerated() {
      try text.write(to: folder.appending(path: "\(index).yaml"), atomically: true, encoding: .utf8)
    }
    let script = """
      import json, sys, yaml, jsonschema
      folder, count = sys.argv[1], int(sys.argv[2])
      schema = json.load(open(folder + "/schema.json"))
      jsonschema.Draft202012Validator.check_schema(schema)
      validator = jsonschema.Draft202012Validator(schema)
      def leaves(error):
          yield error
          for inner in error.context or []:
              yield from leaves(inner)
      for index in range(count):
          errors = list(validator.iter_errors(yaml.safe_load(open(f"{folder}/{index}.yaml"))))
          print(index, "|".join(e.message.replace("\\n", " ") for error in errors for e in leaves(error)) or "good")
      """
    let (status, output) = try Self.run(["-c", script, folder.path, String(good.count + bad.count)])
    #expect(status == 0, "\(output)")
    let lines = output.split(separator: "\n")
    try #require(lines.count == good.count + bad.count, "\(output)")
    for index in good.indices { #expect(lines[index] == "\(index) good") }
    for (index, expected) in bad.enumerated() {
      #expect(lines[good.count + index].contains(expected.1))
      #expect(!lines[good.count + index].hasSuffix(" good"))
    }
  }
}
