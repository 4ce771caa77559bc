import Foundation
import Testing

/// Follows SDK/PLUGIN_GUIDE.md to the letter, in an empty folder: files are the blocks whose label is
/// a file name, commands those labelled `run`, and what they must print stands in the `text` block
/// behind them.
@Suite struct PluginGuideTests {
  @Test func `the guide's plugins build and run in a graph`() throws {
    let folder = try TemporaryFolder()
    let guide = Markdown(try Repository.text("SDK/PLUGIN_GUIDE.md"))
    var output = ""
    var commands = 0
    for block in guide.blocks {
      if block.language == "sh", block.label == "run" {
        let result = try shell(block.text, in: folder.path)
        try #require(result.status == 0, "SDK/PLUGIN_GUIDE.md:\(block.line)\n\(result.output)")
        output = result.output
        commands += 1
      } else if block.language == "text", block.label == "printed" {
        for line in block.text.split(separator: "\n") where line != "..." {
          #expect(output.contains(line), "SDK/PLUGIN_GUIDE.md:\(block.line): \(line)\n\(output)")
        }
      } else if !block.label.isEmpty {
        try folder.write(block.label, block.text)
      }
    }
    #expect(commands >= 6)
  }

  @Test(arguments: ["swift", "c"])
  func `a copy of the template builds and runs`(name: String) throws {
    let folder = try TemporaryFolder()
    let result = try shell("cp -r \"$GANTRY/SDK/Templates/\(name)/.\" . && make GANTRY=\"$GANTRY\" && gantry run example.yaml", in: folder.path)
    #expect(result.status == 0, "\(result.output)")
  }
}
