import GantrySDK

/// The last rows of each instrument, for models that look at a sequence.
///
/// Fixed memory: `length` rows of `width` numbers for each instrument, and for events without one.
struct Window {
  static var numbersMax: Int { 8 << 20 }

  let length: Int
  let width: Int
  let instruments: Int
  /// Tells windows of other columns apart.
  let columnsHash: UInt64
  private let rows: UnsafeMutablePointer<Double>
  /// How many rows there are, up to `length`, and where the next one goes.
  private let counts: UnsafeMutablePointer<Int>
  private let nexts: UnsafeMutablePointer<Int>

  init(length: Int, width: Int, instruments: Int, columnsHash: UInt64) throws(Failure) {
    let slots = instruments + 1
    guard length * width <= Window.numbersMax / slots else {
      throw Failure.invalid(
        "a window of \(length) rows of \(width) columns for \(instruments) instruments is more than \(Window.numbersMax) numbers; make it shorter, or split the instruments between nodes")
    }
    self.length = length
    self.width = width
    self.instruments = instruments
    self.columnsHash = columnsHash
    rows = .allocate(capacity: max(slots * length * width, 1))
    rows.initialize(repeating: 0, count: slots * length * width)
    counts = .allocate(capacity: slots)
    counts.initialize(repeating: 0, count: slots)
    nexts = .allocate(capacity: slots)
    nexts.initialize(repeating: 0, count: slots)
  }

  func destroy() {
    rows.deallocate()
    counts.deallocate()
    nexts.deallocate()
  }

  @inline(__always)
  private func slot(_ instrument: UInt32) -> Int { Int(instrument) <= instruments ? Int(instrument) : 0 }

  /// Adds a row; true when the window is full.
  func push(_ row: UnsafePointer<Double>, instrument: UInt32) -> Bool {
    let slot = slot(instrument)
    (rows + (slot &* length &+ nexts[slot]) &* width).update(from: row, count: width)
    nexts[slot] = nexts[slot] &+ 1 == length ? 0 : nexts[slot] &+ 1
    if counts[slot] < length { counts[slot] &+= 1 }
    return counts[slot] == length
  }

  /// Row `age` of a full window, the oldest first.
  @inline(__always)
  func row(_ age: Int, instrument: UInt32) -> UnsafePointer<Double> {
    let slot = slot(instrument)
    var place = nexts[slot] &+ age
    if place >= length { place &-= length }
    return UnsafePointer(rows + (slot &* length &+ place) &* width)
  }

  // MARK: state

  var stateBound: Int { 32 + (instruments + 1) * (8 + length * width * 8) }

  func save(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(columnsHash)
    try writer.write(UInt64(width))
    try writer.write(UInt64(instruments))
    for slot in 0...instruments {
      try writer.write(UInt64(counts[slot]))
      var place = nexts[slot] - counts[slot]
      if place < 0 { place += length }
      for _ in 0..<counts[slot] {
        let row = rows + (slot * length + place) * width
        for column in 0..<width { try writer.write(row[column]) }
        place = place + 1 == length ? 0 : place + 1
      }
    }
  }

  /// Takes over a state of a window of any length: of a longer one the newest rows.
  func load(_ reader: inout StateReader) throws(Failure) {
    guard try reader.read(as: UInt64.self) == columnsHash, try reader.read(as: UInt64.self) == UInt64(width) else {
      throw Failure.unsupported("the saved window has other columns")
    }
    guard try reader.read(as: UInt64.self) == UInt64(instruments) else { throw Failure.unsupported("the saved window is of other instruments") }
    for slot in 0...instruments {
      let count = try reader.read(as: UInt64.self)
      guard count <= UInt64(Window.numbersMax), count * UInt64(width) * 8 <= UInt64(reader.remaining) else { throw Failure.invalid("the saved state ends too early") }
      counts[slot] = 0
      nexts[slot] = 0
      for _ in 0..<count {
        let row = rows + (slot * length + nexts[slot]) * width
        for column in 0..<width { row[column] = try reader.read(as: Double.self) }
        nexts[slot] = nexts[slot] + 1 == length ? 0 : nexts[slot] + 1
        if counts[slot] < length { counts[slot] += 1 }
      }
    }
  }
}
