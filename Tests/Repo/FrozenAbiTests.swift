import Foundation
import Testing

/// A plugin built against a frozen copy of the headers goes on loading.
@Suite struct FrozenAbiTests {
  static let frozen = "\(Repository.root)/Tests/Fixtures/abi-0.1"

  @Test func `what the frozen headers pin is still true`() throws {
    let then = try shell("\(Repository.scripts)/abi-lock.sh --print", environment: ["INCLUDE_DIR": "\(Self.frozen)/include"])
    try #require(then.status == 0, "\(then.output)")
    let now = Set(try Repository.text("SDK/C/include/gantry/abi.lock").split(separator: "\n"))
    for line in then.output.split(separator: "\n") {
      // A struct may have grown at its end; its fields may not have moved.
      if line.hasPrefix("struct "), !now.contains(line) {
        let size = { (line: Substring) in Int(line.split(separator: " ")[3]) ?? 0 }
        let name = line.split(separator: " ")[1]
        let grown = now.first { $0.hasPrefix("struct \(name) ") }
        #expect(grown.map { size($0) > size(line) } == true, "\(line)")
      } else {
        #expect(now.contains(line), "\(line)")
      }
    }
  }

  @Test func `a plugin built against the frozen headers runs in a graph`() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "frozen.yaml",
      """
      graph: frozen
      clock: replay
      plugins: { path: [.] }
      instruments:
        EURUSD: { tick: 0.00001, lot: 1, base: EUR, quote: USD, contract: 1, session: fx }
      nodes:
        ticks: { plugin: synthetic, params: { count: 1000 } }
        count: { plugin: frozen, from: ticks }

      """)
    let result = try shell(
      """
      cc -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -I '\(Self.frozen)/include' \
        -Wl,--version-script="$GANTRY/SDK/C/plugin.map" -o libfrozen.so '\(Self.frozen)/frozen.c'
      gantry run frozen.yaml --no-run-folder
      """, in: folder.path)
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output.contains("counted 1000 quotes over ABI 0.1"), "\(result.output)")
  }
}
