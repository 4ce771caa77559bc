import Foundation
import Testing

@Suite struct OperatingTests {
  /// The blocks marked `sh session` of the guide are one session, in an empty folder.
  @Test func `the operator's guide works as it stands`() throws {
    let folder = try TemporaryFolder()
    let blocks = Markdown(try Repository.text("manifests/OPERATING.md")).blocks.filter { $0.language == "sh" && $0.label == "session" }
    #expect(blocks.count > 8)
    let lines = blocks.map { "echo '## line \($0.line)'\n\($0.text)" }.joined()
    // Whatever happens, the host of the session does not outlive it: it is of the shell's process group.
    let script = "trap 'for job in $(jobs -p); do kill -9 $job; done' EXIT\n" + lines
    let result = try shell(script, in: folder.path, seconds: 240, environment: ["GANTRY_RUNTIME_DIR": folder.path + "/sockets"])
    let log = (try? String(contentsOfFile: folder.path + "/trading.log", encoding: .utf8)) ?? ""
    #expect(result.status == 0, "\(result.output)\n\(log)")
    for word in [
      "trading is halted", "orders pass again", "reverted", "committed", "the audit log is whole", "with hour@1 -> trees@1.0.0", "the file is cut off",
      "not swapped: the candidate failed on", "errors in probation, the limit is 1", "us in probation, the limit is 0.1 us",
      "the plugin onnx reads those", "plugin trees 1.0.0 -> onnx 1.0.0",
    ] {
      #expect(result.output.contains(word), "\(word)\n\(result.output)")
    }
    #expect(log.contains("is resumed"), "\(log)")
  }
}
