import BrokenPlugins
import CLinux
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
      for _ in 0..<10 { try run() }
      let mappings = try mappingCount()
      // The allocator takes 4 MB for another thread's arena now and then; what runs leave grows in every window.
      var grown: [Int64] = []
      for _ in 0..<4 {
        let bytes = residentBytes()
        for _ in 0..<50 { try run() }
        grown.append(residentBytes() - bytes)
        if grown.last! < 2 << 20 { break }
      }
      #expect(grown.min()! < 2 << 20, "each 50 runs left \(grown) bytes")
      #expect(try mappingCount() <= mappings + 4)
    }
  }
}

/// Without what the allocator keeps of memory that was freed.
private func residentBytes() -> Int64 {
  typealias Trim = @convention(c) (Int) -> Int32
  if let trim = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(trim, to: Trim.self)(0) }
  return Int64(clinux_resident_bytes())
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
