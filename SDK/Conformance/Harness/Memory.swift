import CGantry
import Glibc

/// Memory that lives as long as one harness: texts and tables that a plugin may keep pointers to.
final class Keep {
  private var blocks: [UnsafeMutableRawPointer] = []

  func array<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
    let start = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
    start.initialize(from: elements, count: elements.count)
    blocks.append(UnsafeMutableRawPointer(start))
    return start
  }

  func string(_ text: String) -> gantry_string {
    let bytes = Array(text.utf8)
    let start = UnsafeRawPointer(array(bytes)).assumingMemoryBound(to: CChar.self)
    return gantry_string(data: start, length: UInt64(bytes.count))
  }

  func bytes(_ bytes: [UInt8]) -> gantry_bytes {
    gantry_bytes(data: array(bytes), length: UInt64(bytes.count))
  }

  deinit { for block in blocks { free(block) } }
}

extension String {
  /// The text of the ABI; what is not UTF-8 is replaced.
  init(_ text: gantry_string) {
    let bytes = UnsafeRawBufferPointer(start: text.data, count: text.data == nil ? 0 : Int(text.length))
    self = String(decoding: bytes, as: UTF8.self)
  }
}

/// A block with canary bytes on both sides, poisoned while nobody may use it.
final class GuardedBlock {
  static let fence = 64
  static let canary: UInt8 = 0xC7
  static let poison: UInt8 = 0xA5
  let count: Int
  private let raw: UnsafeMutableRawPointer

  var start: UnsafeMutableRawPointer { raw + Self.fence }

  init(count: Int) {
    self.count = count
    raw = .allocate(byteCount: count + 2 * Self.fence, alignment: 64)
    raw.initializeMemory(as: UInt8.self, repeating: Self.canary, count: count + 2 * Self.fence)
    setPoison()
  }

  func setPoison() { memset(start, Int32(Self.poison), count) }

  var isPoisoned: Bool { Self.isAll(start, count, Self.poison) }

  var hasCanaries: Bool { Self.isAll(raw, Self.fence, Self.canary) && Self.isAll(start + count, Self.fence, Self.canary) }

  /// Whether all bytes are the same: the first one, and each its neighbour's equal.
  private static func isAll(_ start: UnsafeMutableRawPointer, _ count: Int, _ byte: UInt8) -> Bool {
    count == 0 || (start.load(as: UInt8.self) == byte && memcmp(start, start + 1, count - 1) == 0)
  }

  deinit { raw.deallocate() }
}

/// Lends `count` bytes that end where a page begins that cannot be read.
func withPageEnd<Result>(_ count: Int, _ body: (UnsafeMutableRawPointer) -> Result) throws -> Result {
  let page = sysconf(Int32(_SC_PAGESIZE))
  let length = (count + page - 1) / page * page + page
  guard let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start != MAP_FAILED else {
    throw HarnessError("no memory")
  }
  defer { munmap(start, length) }
  mprotect(start + (length - page), page, PROT_NONE)
  return body(start + (length - page - count))
}

func readFile(_ path: String) throws -> [UInt8] {
  guard let file = fopen(path, "rb") else {
    throw HarnessError("cannot read \(path): \(String(cString: strerror(errno)))")
  }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = fread(&chunk, 1, chunk.count, file)
    if count == 0 { return bytes }
    bytes += chunk[0..<count]
  }
}
