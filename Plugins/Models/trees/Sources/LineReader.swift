import GantrySDK

/// The lines of a text file, one after the other. What it throws names the file and the line.
struct LineReader {
  private let bytes: UnsafeRawBufferPointer
  private let file: Text
  private var start = 0
  private var end = 0
  private var position = 0
  /// 1-based.
  private(set) var line = 0
  private(set) var isAtEnd = false

  init(_ bytes: UnsafeRawBufferPointer, file: Text) {
    self.bytes = bytes
    self.file = file
  }

  func failure(_ line: Int, _ text: Text) -> Failure { Failure.invalid("\(file):\(line): \(text)") }

  /// Goes to the next line; false behind the last one.
  mutating func next() -> Bool {
    line += 1
    guard position < bytes.count else {
      start = bytes.count
      end = bytes.count
      isAtEnd = true
      return false
    }
    start = position
    while position < bytes.count, bytes[position] != 10 { position += 1 }
    end = position
    if end > start, bytes[end - 1] == 13 { end -= 1 }
    position += 1
    return true
  }

  func begins(with text: StaticString) -> Bool {
    guard end - start >= text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount where bytes[start + index] != text.utf8Start[index] { return false }
    return true
  }

  /// What stands behind `key=`, or nil on other lines.
  func value(of key: StaticString) -> UnsafeRawBufferPointer? {
    let length = key.utf8CodeUnitCount
    guard end - start > length, begins(with: key), bytes[start + length] == 61 else { return nil }
    return UnsafeRawBufferPointer(rebasing: bytes[start + length + 1..<end])
  }

  func words(_ value: UnsafeRawBufferPointer) -> [Text] {
    var words: [Text] = []
    var word: Text = ""
    for byte in value {
      if byte != 32 {
        word.bytes.append(byte)
      } else if !word.bytes.isEmpty {
        words.append(word)
        word = ""
      }
    }
    if !word.bytes.isEmpty { words.append(word) }
    return words
  }

  func count(_ value: UnsafeRawBufferPointer, _ what: StaticString, _ range: ClosedRange<Int>) throws(Failure) -> Int {
    let text = Text(bytes: [UInt8](value))
    guard let count = NumberText.count(text, maximum: range.upperBound), count >= range.lowerBound else {
      throw failure(line, "\(what) is \"\(shortened(text))\"; it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return count
  }

  /// Numbers with spaces between them.
  func numbers(_ value: UnsafeRawBufferPointer, _ what: StaticString, into numbers: inout [Double]) throws(Failure) {
    numbers.removeAll(keepingCapacity: true)
    var position = 0
    while true {
      while position < value.count, value[position] == 32 { position += 1 }
      if position == value.count { return }
      guard let number = NumberText.parse(value, &position), position == value.count || value[position] == 32 else {
        throw failure(line, "entry \(numbers.count) of \(what) is no number; the file is damaged, so write it again")
      }
      numbers.append(number)
    }
  }
}
