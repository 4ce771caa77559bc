import BrokenPlugins
import GantryBase
@testable import GantryRuntime
import Glibc
import Testing

/// What a run leaves behind in its process: nothing.
@Suite struct RunMemoryTests {
  /// In a process of its own, where no other test allocates.
  @Test func `50 runs in one process leave the resident size and the mappings flat`() async {
    await #expect(processExitsWith: .success) {
      let folder = try Fixture.temporaryFolder()
      let graph = try Bench.load(
        Bench.yaml(
          """
          s: { plugin: beat, params: { count: 5000 } }
          f: { plugin: indicators, from: s, params: { columns: [ema_10, ema_20] } }
          t: { plugin: trail, from: [s] }
          """))
      func run() throws {
        let outcome = try Bench.run(graph) { options in
          options.captures = []
          options.traceEvery = 16
          options.folder = "\(folder)/run"
        }
        removeFolder("\(folder)/run")
        #expect(outcome.diagnostics.isEmpty)
        #expect(outcome.summary?.events == 5000)
      }
      giveBackLargeBlocks()
      for _ in 0..<10 { try run() }
      let bytes = try residentBytes()
      let mappings = try mappingCount()
      for _ in 0..<50 { try run() }
      let grown = try residentBytes() - bytes
      #expect(grown < 1 << 20, "50 runs left \(grown) bytes")
      #expect(try mappingCount() <= mappings + 4)
    }
  }
}

/// By default the allocator learns from the first large block to keep such blocks; here it gives each
/// one back when it is freed.
private func giveBackLargeBlocks() {
  typealias Option = @convention(c) (Int32, Int32) -> Int32
  let mmapThreshold: Int32 = -3
  if let option = dlsym(nil, "mallopt") { _ = unsafeBitCast(option, to: Option.self)(mmapThreshold, 128 << 10) }
}

/// Anonymous memory. (Pages of files come and go with the machine's page cache; a mapping that was
/// forgotten shows in the number of mappings.)
private func residentBytes() throws -> Int64 {
  let file = try #require(fopen("/proc/self/status", "r"))
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if text.hasPrefix("RssAnon:") { return try #require(Int64(text.filter(\.isNumber))) * 1024 }
  }
  return 0
}

private func mappingCount() throws -> Int {
  let file = try #require(fopen("/proc/self/maps", "r"))
  defer { fclose(file) }
  var count = 0
  while true {
    let byte = getc(file)
    if byte == EOF { return count }
    if byte == 10 { count += 1 }
  }
}

private func removeFolder(_ path: String) {
  guard let folder = opendir(path) else { return }
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name == "." || name == ".." { continue }
    if entry.pointee.d_type == UInt8(DT_DIR) { removeFolder("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
  }
  closedir(folder)
  rmdir(path)
}
