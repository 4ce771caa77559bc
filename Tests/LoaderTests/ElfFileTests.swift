import Glibc
import Testing

@testable import GantryLoader

@Suite struct ElfFileTests {
  @Test func `the C library is read like any other shared object`() throws {
    let path = try #require(ProcessMap.objects().map(\.path).first { $0.hasSuffix("libc.so.6") })
    let file = try ElfFile(FileBytes.read(path))
    #expect(file.soname == "libc.so.6")
    #expect(file.exports("malloc"))
    #expect(!file.exports("gantry_plugin_entry"))
    #expect(file.needed.contains { $0.hasPrefix("ld-linux") })
    #expect(file.mappedBytes > 1 << 20)
  }

  @Test func `damaged files are refused or read, never followed out of bounds`() throws {
    let path = try #require(ProcessMap.objects().map(\.path).first { $0.hasSuffix("libdl.so.2") || $0.hasSuffix("libm.so.6") })
    let bytes = try FileBytes.read(path)
    let seed: UInt64 = 20_261_122
    var random = SplitMix(state: seed)
    for _ in 0..<200 {
      var damaged = bytes
      for _ in 0..<(1 + random.next() % 16) {
        // The headers and the dynamic section are where damage matters.
        let limit = random.next() % 2 == 0 ? UInt64(512) : UInt64(bytes.count)
        damaged[Int(random.next() % limit)] = UInt8(truncatingIfNeeded: random.next())
      }
      _ = try? ElfFile(damaged)
    }
  }

  @Test func `an executable is no plugin`() throws {
    do {
      _ = try ElfFile(FileBytes.read("/bin/sh"))
      Issue.record("/bin/sh should be refused")
    } catch let refusal as ElfFile.Refusal {
      guard case .notSharedObject = refusal else {
        Issue.record("refused for another reason: \(refusal)")
        return
      }
    }
  }
}

/// splitmix64
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
