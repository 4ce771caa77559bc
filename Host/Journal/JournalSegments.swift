import GantryBase
import Glibc

/// The segments that a journal's folder holds, from 1 without a gap.
struct JournalSegments {
  let directory: String
  /// How many there are to read.
  private(set) var count: Int
  /// Bytes of one more file, begun when the writer was killed while it went from one segment to
  /// the next: nothing stands in it yet.
  private(set) var emptyTailBytes = 0
  private(set) var hasEmptyTail = false

  static func path(_ directory: String, _ number: Int) -> String {
    directory + "/" + JournalFormat.segmentName(number)
  }

  func path(_ number: Int) -> String { Self.path(directory, number) }

  init(directory: String) throws(GantryError) {
    self.directory = directory
    let numbers = try Self.numbers(directory)
    count = numbers.count
    guard let last = numbers.last else {
      throw GantryError(
        "journal.not-found", "\(directory) holds no journal.",
        help: ["a journal is a folder with \(JournalFormat.segmentName(1)) in it, usually run/<name>/journal"])
    }
    for (index, number) in numbers.enumerated() where number != index + 1 {
      throw SegmentCursor.damaged(path(index + 1), 0, "the file is missing, and segment \(last) is there")
    }
    if count > 1, try isEmpty(last), try !isEnded(last - 1) {
      emptyTailBytes = try JournalSource(path: path(last)).count
      hasEmptyTail = true
      count -= 1
    }
  }

  /// The segment has no frame behind its header, if it has a header at all.
  private func isEmpty(_ number: Int) throws(GantryError) -> Bool {
    let source = try JournalSource(path: path(number))
    return source.count <= JournalFormat.segmentHeaderBytes
  }

  /// The segment ends with something that looks like an end mark; its reader checks it.
  private func isEnded(_ number: Int) throws(GantryError) -> Bool {
    let source = try JournalSource(path: path(number))
    guard source.count >= JournalFormat.frameHeaderBytes else { return false }
    let bytes = try source.bytes(at: source.count - JournalFormat.frameHeaderBytes, count: 4)
    return bytes.withUnsafeBytes { $0.baseAddress!.number(UInt32.self, at: 0) } == JournalFormat.endMagic
  }

  private static func numbers(_ directory: String) throws(GantryError) -> [Int] {
    guard let folder = opendir(directory) else {
      if errno == ENOENT || errno == ENOTDIR {
        throw GantryError("journal.not-found", "\(directory) is no folder.", help: ["give the folder of a run's journal"])
      }
      throw journalFailure("journal.read-failed", "cannot read the folder \(directory)", errno)
    }
    defer { closedir(folder) }
    var numbers: [Int] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) { String(cString: $0) }
      }
      if let number = JournalFormat.segmentNumber(name) { numbers.append(number) }
    }
    return numbers.sorted()
  }
}
