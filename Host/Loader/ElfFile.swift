/// The parts of a 64-bit little-endian ELF file that decide whether it may be mapped, read from
/// its bytes without mapping anything. Every access is checked, so damaged files are refused, not
/// followed.
public struct ElfFile: Sendable {
  /// Why bytes are not a file this host can map.
  public enum Refusal: Error, Equatable, Sendable {
    case notELF
    /// What the file is for, e.g. "aarch64".
    case otherMachine(String)
    case notSharedObject(String)
    /// What is missing, in words.
    case truncated(String)
  }

  public struct Symbol: Sendable, Equatable {
    public var name: String
    public var isDefined: Bool
    /// STB_GNU_UNIQUE: shared by all copies in the process, and never unmapped.
    public var isUnique: Bool
    public var isFunction: Bool
  }

  public private(set) var needed: [String] = []
  public private(set) var soname: String?
  /// DT_RUNPATH and DT_RPATH, split at colons.
  public private(set) var runPaths: [String] = []
  public private(set) var symbols: [Symbol] = []
  /// Bytes of all loadable segments in memory.
  public private(set) var mappedBytes: UInt64 = 0
  /// DF_1_NODELETE: the file asks never to be unmapped.
  public private(set) var isNoDelete = false

  public func exports(_ name: String) -> Bool { symbols.contains { $0.name == name && $0.isDefined } }
  public var imports: [String] { symbols.filter { !$0.isDefined && !$0.name.isEmpty }.map(\.name) }

  public init(_ bytes: [UInt8]) throws(Refusal) {
    let reader = ElfReader(bytes: bytes)
    guard bytes.count >= 4, bytes[0] == 0x7F, bytes[1] == 0x45, bytes[2] == 0x4C, bytes[3] == 0x46 else {
      throw .notELF
    }
    guard bytes.count >= 64 else { throw .truncated("the ELF header has 64 bytes, the file \(bytes.count)") }
    let machine = reader.u16(18) ?? 0
    guard bytes[4] == 2, bytes[5] == 1, machine == Self.hostMachine else {
      throw .otherMachine(Self.name(machine, is64: bytes[4] == 2, isLittleEndian: bytes[5] == 1))
    }
    let type = reader.u16(16) ?? 0
    guard type == 3 else {
      throw .notSharedObject([1: "an object file (.o); link it with -shared", 2: "an executable", 4: "a core dump"][type] ?? "of ELF type \(type)")
    }
    let segments = try Self.segments(reader)
    for segment in segments where segment.type == 1 {
      mappedBytes += (segment.memorySize + 4095) & ~4095
    }
    guard let dynamic = segments.first(where: { $0.type == 2 }) else { throw .notSharedObject("without a dynamic section") }
    try readDynamic(reader, dynamic, segments)
  }

  private struct Segment {
    var type: UInt32
    var offset: UInt64
    var address: UInt64
    var fileSize: UInt64
    var memorySize: UInt64
  }

  private static func segments(_ reader: ElfReader) throws(Refusal) -> [Segment] {
    let size = UInt64(reader.bytes.count)
    guard let offset = reader.u64(32), let entrySize = reader.u16(54), let count = reader.u16(56), entrySize >= 56 || count == 0 else {
      throw .truncated("the program headers cannot be read")
    }
    guard offset <= size, UInt64(count) * UInt64(entrySize) <= size - offset else {
      throw .truncated("\(count) program headers at \(offset) reach beyond the file's \(size) bytes")
    }
    var segments: [Segment] = []
    for index in 0..<Int(count) {
      let start = Int(offset) + index * Int(entrySize)
      let segment = Segment(
        type: reader.u32(start) ?? 0, offset: reader.u64(start + 8) ?? 0, address: reader.u64(start + 16) ?? 0,
        fileSize: reader.u64(start + 32) ?? 0, memorySize: reader.u64(start + 40) ?? 0)
      if segment.type == 1 || segment.type == 2 {
        guard segment.offset <= size, segment.fileSize <= size - segment.offset else {
          throw .truncated("segment \(index) ends at \(segment.offset &+ segment.fileSize), the file has \(size) bytes")
        }
        guard segment.memorySize <= 1 << 40, segment.fileSize <= segment.memorySize else {
          throw .truncated("segment \(index) claims \(segment.memorySize) bytes of memory for \(segment.fileSize) of the file")
        }
      }
      segments.append(segment)
    }
    return segments
  }

  private mutating func readDynamic(_ reader: ElfReader, _ dynamic: Segment, _ segments: [Segment]) throws(Refusal) {
    func fileOffset(_ address: UInt64) -> Int? {
      for segment in segments where segment.type == 1 && address >= segment.address && address - segment.address < segment.fileSize {
        return Int(segment.offset + (address - segment.address))
      }
      return nil
    }
    var entries: [(tag: UInt64, value: UInt64)] = []
    for start in stride(from: Int(dynamic.offset), to: Int(dynamic.offset + dynamic.fileSize) - 15, by: 16) {
      let tag = reader.u64(start) ?? 0
      if tag == 0 { break }
      entries.append((tag, reader.u64(start + 8) ?? 0))
    }
    func value(_ tag: UInt64) -> UInt64? { entries.first { $0.tag == tag }?.value }
    guard let strings = value(5).flatMap(fileOffset), let stringsSize = value(10),
      stringsSize <= UInt64(reader.bytes.count - strings)
    else { throw .truncated("the dynamic string table is missing or reaches beyond the file") }
    let table = strings..<(strings + Int(stringsSize))

    for entry in entries {
      switch entry.tag {
      case 1: needed.append(reader.text(table, entry.value))
      case 14: soname = reader.text(table, entry.value)
      case 15, 29: runPaths += reader.text(table, entry.value).split(separator: ":").map(String.init)
      case 0x6FFF_FFFB:
        isNoDelete = entry.value & 0x8 != 0
        if entry.value & 0x0800_0000 != 0 { throw .notSharedObject("a position-independent executable") }
      default: break
      }
    }
    guard let start = value(6).flatMap(fileOffset) else { throw .truncated("the dynamic symbol table is missing") }
    let count =
      Self.symbolCount(reader, hash: value(4).flatMap(fileOffset), gnuHash: value(0x6FFF_FEF5).flatMap(fileOffset))
      ?? max(0, (strings - start) / 24)
    for index in 0..<count {
      let symbol = start + index * 24
      guard let name = reader.u32(symbol), let info = reader.u8(symbol + 4), let section = reader.u16(symbol + 6) else {
        throw .truncated("symbol \(index) lies beyond the file")
      }
      symbols.append(
        Symbol(
          name: reader.text(table, UInt64(name)), isDefined: section != 0 && info >> 4 != 0, isUnique: info >> 4 == 10,
          isFunction: info & 0xF == 2 || info & 0xF == 10))
    }
  }

  /// The number of dynamic symbols: it stands in the old hash table; the GNU one has to be walked.
  private static func symbolCount(_ reader: ElfReader, hash: Int?, gnuHash: Int?) -> Int? {
    if let hash, let count = reader.u32(hash + 4) { return Int(min(count, 1 << 20)) }
    guard let gnuHash, let buckets = reader.u32(gnuHash), let first = reader.u32(gnuHash + 4),
      let blooms = reader.u32(gnuHash + 8), buckets < 1 << 20, blooms < 1 << 20
    else { return nil }
    let bucketStart = gnuHash + 16 + Int(blooms) * 8
    let chainStart = bucketStart + Int(buckets) * 4
    var last = 0
    for index in 0..<Int(buckets) { last = max(last, Int(reader.u32(bucketStart + index * 4) ?? 0)) }
    guard last >= Int(first) else { return Int(first) }
    while let entry = reader.u32(chainStart + (last - Int(first)) * 4), entry & 1 == 0 { last += 1 }
    return last + 1
  }

  static var hostMachine: UInt16 {
    #if arch(x86_64)
      62
    #elseif arch(arm64)
      183
    #else
      0
    #endif
  }

  static func name(_ machine: UInt16, is64: Bool = true, isLittleEndian: Bool = true) -> String {
    let names: [UInt16: String] = [3: "x86", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"]
    var name = names[machine] ?? "machine \(machine)"
    if !is64, machine != 3, machine != 40 { name += ", 32 bit" }
    if !isLittleEndian { name += ", big-endian" }
    return name
  }
}

/// Bounds-checked little-endian reads.
struct ElfReader {
  let bytes: [UInt8]

  func u8(_ offset: Int) -> UInt8? { offset >= 0 && offset < bytes.count ? bytes[offset] : nil }
  func u16(_ offset: Int) -> UInt16? { load(offset) }
  func u32(_ offset: Int) -> UInt32? { load(offset) }
  func u64(_ offset: Int) -> UInt64? { load(offset) }

  private func load<Value: FixedWidthInteger>(_ offset: Int) -> Value? {
    let size = MemoryLayout<Value>.size
    guard offset >= 0, offset <= bytes.count - size else { return nil }
    var value: Value = 0
    for index in (0..<size).reversed() { value = value << 8 | Value(truncatingIfNeeded: bytes[offset + index]) }
    return value
  }

  /// A terminated text inside `table`; empty when its offset lies outside.
  func text(_ table: Range<Int>, _ offset: UInt64) -> String {
    guard offset < UInt64(table.count) else { return "" }
    let tail = bytes[(table.lowerBound + Int(offset))..<table.upperBound]
    return String(decoding: tail.prefix { $0 != 0 }, as: UTF8.self)
  }
}
