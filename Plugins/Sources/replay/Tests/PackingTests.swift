import CGantry
import PluginHarness
import Testing

struct PackingTests {
  static let text = "time,bid,ask\n" + (0..<2000).map { "\(1_700_000_000 + $0),1.\(10_000 + $0 % 977),1.2\n" }.joined()

  static let packings: [(name: String, pack: @Sendable ([UInt8]) -> [UInt8])] = [
    ("plain", { $0 }),
    ("gzip", { Pack.gzip($0) }),
    ("gzip, two members", { Pack.gzip(Array($0[..<1000])) + Pack.gzip(Array($0[1000...])) }),
    ("zip", { Pack.zip([("q.csv", $0)]) }),
    ("zip, stored, with a comment", { Pack.zip([("folder/", []), ("folder/q.csv", $0)], stored: true, comment: "PK\u{5}\u{6} by hand") }),
    ("lz4", { Pack.lz4($0) }),
    ("lz4, two frames", { Pack.lz4(Array($0[..<1000])) + Pack.lz4(Array($0[1000...])) }),
  ]

  @Test(arguments: packings.indices)
  func `a packed file gives the events of the plain one, whatever its name`(_ index: Int) throws {
    let folder = try Folder()
    let plain = try replay(try folder.write("plain/q.txt", Self.text)).pullAll().map(\.bytes)
    try #require(plain.count == 2000)
    let file = try folder.write("q.dat", Self.packings[index].pack(Array(Self.text.utf8)))
    #expect(try replay(file).pullAll().map(\.bytes) == plain, "\(Self.packings[index].name)")
  }

  @Test(arguments: packings.indices.dropFirst())
  func `a cut-off or damaged file is refused, and never crashes`(_ index: Int) throws {
    let seed = UInt64.random(in: 1...1_000_000)
    print("seed \(seed)")
    var random = Seeded(seed)
    let folder = try Folder()
    let packed = Self.packings[index].pack(Array(Self.text.utf8))
    for _ in 0..<20 {
      let cut = Int.random(in: 4..<packed.count, using: &random)
      let isTwo = Self.packings[index].name.contains("two")
      do {
        let count = try replay(try folder.write("cut", Array(packed[..<cut]))).pullAll().count
        #expect(isTwo && count < 100, "cut at \(cut)")
      } catch let failure as PluginFailure {
        #expect(failure.text.contains("/cut"), "\(failure.text)")
      }
      var damaged = packed
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        damaged[Int.random(in: 4..<packed.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
      }
      do {
        _ = try replay(try folder.write("damaged", damaged)).pullAll()
      } catch let failure as PluginFailure {
        #expect(!failure.text.isEmpty)
      }
    }
  }

  @Test func `a wrong checksum in a zip is refused`() throws {
    var packed = Pack.zip([("q.csv", Array(Self.text.utf8))], stored: true)
    packed[200] ^= 1
    let folder = try Folder()
    let file = try folder.write("q.zip", packed)
    #expect(try failure { _ = try replay(file).pullAll() }.text == "\(file) is damaged: its checksum does not match; fetch it again")
  }

  @Test func `the members of a zip are read in name order`() throws {
    let first = Array("time,bid,ask\n1,1,2\n".utf8)
    let second = Array("time,ask,bid\n2,4,3\n".utf8)
    let folder = try Folder()
    let file = try folder.write("q.zip", Pack.zip([("b.csv", second), ("a.csv", first)]))
    #expect(try replay(file, ["time_format": "s"]).pullAll().map(\.tick.bid) == [1, 3])
  }

  @Test func `what unpacks to hundreds of times its size is refused`() throws {
    let folder = try Folder()
    let bomb = [UInt8](repeating: UInt8(ascii: "\n"), count: 70_000_000)
    let expected = "unpacks to more than 250 times its size, which no market data does; unpack it by hand if it is wanted"
    // LZ4 packs nothing better than 255 times, so it needs no such limit.
    for packed in [Pack.gzip(bomb), Pack.zip([("q.csv", bomb)])] {
      let file = try folder.write("bomb", packed)
      #expect(try failure { _ = try replay(file).pullAll() }.text == "\(file) \(expected)")
    }
  }

  @Test func `packings that are not read are named`() throws {
    let folder = try Folder()
    for (name, magic) in [("zstd", [0x28, 0xb5, 0x2f, 0xfd]), ("bzip2", [0x42, 0x5a, 0x68, 0x39]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a])]
      as [(String, [UInt8])]
    {
      let file = try folder.write("q", magic + [0, 0, 0])
      let failure = try failure { _ = try replay(file) }
      #expect(failure.text == "\(file) is packed with \(name); replay reads plain text, gzip, zip and lz4: pack it again")
      #expect(failure.status == -6)
    }
  }

  @Test func `a missing file, an empty folder and a zip without files are refused when the run starts`() throws {
    let folder = try Folder()
    let missing = folder.path + "/nothing.csv"
    #expect(
      try failure { _ = try replay(missing) }.text
        == "path: cannot read \(missing): No such file or directory; a relative path starts at the graph file's folder")
    #expect(try failure { _ = try replay(folder.path) }.text == "path: there are no files in the folder \(folder.path)")
    let file = try folder.write("q.zip", Pack.zip([]))
    #expect(try failure { _ = try replay(file) }.text == "\(file) is a zip archive with no file in it")
  }
}
