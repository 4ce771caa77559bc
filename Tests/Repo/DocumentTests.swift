import Foundation
import Testing

@Suite struct DocumentTests {
  @Test func `links in the documents lead somewhere`() throws {
    for file in Repository.tracked("*.md") {
      let folder = (file as NSString).deletingLastPathComponent
      for (target, line) in Markdown(try Repository.text(file)).links {
        if target.hasPrefix("http") || target.hasPrefix("#") { continue }
        let path = target.split(separator: "#").first.map(String.init) ?? target
        let full = "\(Repository.root)/\(folder.isEmpty ? "" : folder + "/")\(path)"
        #expect(FileManager.default.fileExists(atPath: full), "\(file):\(line): \(target)")
      }
    }
  }

  @Test func `make targets named in the documents exist`() throws {
    let makefile = try Repository.text("Makefile")
    for file in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SDK/PLUGIN_GUIDE.md"] {
      for match in try Repository.text(file).matches(of: /make ([a-z-]+)`/) {
        #expect(makefile.contains("\n\(match.output.1):"), "\(file): make \(match.output.1)")
      }
    }
  }

  /// Blocks marked `sh run` are commands that work in a checkout as they stand; `sh run data` ones need
  /// the market data.
  @Test(arguments: ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
  func `commands in the documents work`(file: String) throws {
    let data = ProcessInfo.processInfo.environment["GANTRY_DATA"] ?? "\(Repository.root)/../shared/data"
    let hasData = FileManager.default.fileExists(atPath: "\(data)/lean/forex/oanda/tick/eurusd")
    let folder = try TemporaryFolder()
    for block in Markdown(try Repository.text(file)).blocks where block.language == "sh" && block.label.hasPrefix("run") {
      if block.label.hasSuffix("data"), !hasData {
        print("skipped \(file):\(block.line): there is no market data in \(data)")
        continue
      }
      let text = block.text.replacing("../shared/data", with: data).replacing(".build/release/gantry", with: "gantry")
      let result = try shell(text, environment: ["XDG_STATE_HOME": folder.path, "GANTRY_RUNTIME_DIR": folder.path + "/sockets"])
      #expect(result.status == 0, "\(file):\(block.line)\n\(result.output)")
    }
  }

  @Test func `the README shows what the quickstart really comes to`() throws {
    let shown = try #require(Markdown(try Repository.text("README.md")).blocks.first { $0.label == "quickstart" })
    let result = try shell("gantry run manifests/quickstart.yaml --no-run-folder 2>/dev/null")
    try #require(result.status == 0, "\(result.output)")
    let lines = result.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    for line in shown.text.split(separator: "\n") where line.contains("order hash") || line.contains("net profit") {
      #expect(lines.contains(line.trimmingCharacters(in: .whitespaces)))
    }
  }
}
