/// Remembers some numbers for each of the rows it saw last, so that they need not be computed again.
///
/// Rows are compared bit by bit, never by their hash alone, and what is given back has the bits that were put
/// in. Fixed memory, allocated once; a look is a hash of the row and at most `ways` comparisons. That is some
/// 2 ns a column (8 ns for 4, 30 for 16): worth it for models that take microseconds and rows that come again,
/// and for no model of a few columns that is added up.
public struct RowCache {
  /// Rows whose hash leads to the same place, of which the oldest gives way.
  public static var ways: Int { 4 }

  /// Numbers in a row.
  public let width: Int
  /// Numbers that are remembered of it.
  public let count: Int
  /// How many rows there is room for.
  public let capacity: Int
  /// How many rows were found and were not, since the start.
  public private(set) var hits: UInt64 = 0
  public private(set) var misses: UInt64 = 0
  private let sets: Int
  private let rows: UnsafeMutablePointer<UInt64>
  private let numbers: UnsafeMutablePointer<Double>
  /// For each set how many rows were ever put into it.
  private let puts: UnsafeMutablePointer<UInt64>
  /// Where the row that was looked for last belongs.
  private var set = 0

  /// Room for `entries` rows of `width` numbers, rounded up to `ways` times a power of two, with `count` numbers
  /// to remember of each. Not for the lane: it allocates.
  public init(entries: Int, width: Int, count: Int) {
    self.width = width
    self.count = count
    var sets = 1
    while sets * RowCache.ways < entries { sets *= 2 }
    self.sets = sets
    capacity = sets * RowCache.ways
    rows = .allocate(capacity: max(capacity * width, 1))
    rows.initialize(repeating: 0, count: max(capacity * width, 1))
    numbers = .allocate(capacity: max(capacity * count, 1))
    numbers.initialize(repeating: 0, count: max(capacity * count, 1))
    puts = .allocate(capacity: sets)
    puts.initialize(repeating: 0, count: sets)
  }

  public func destroy() {
    rows.deallocate()
    numbers.deallocate()
    puts.deallocate()
  }

  /// What was put in for this row, valid until the next `put`; or nil, and then `put` is next.
  public mutating func find(_ row: UnsafePointer<Double>) -> UnsafePointer<Double>? {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for column in 0..<width {
      // Both halves of the product: round numbers differ in their highest bits only.
      let product = (hash ^ row[column].bitPattern).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
      hash = product.high ^ product.low
    }
    set = Int(truncatingIfNeeded: hash & UInt64(sets &- 1))
    let filled = min(Int(truncatingIfNeeded: puts[set]), RowCache.ways)
    for way in 0..<filled {
      let place = set &* RowCache.ways &+ way
      let known = rows + place &* width
      var column = 0
      while column < width, known[column] == row[column].bitPattern { column &+= 1 }
      if column == width {
        hits &+= 1
        return UnsafePointer(numbers + place &* count)
      }
    }
    misses &+= 1
    return nil
  }

  /// Remembers `count` numbers for the row that `find` did not know.
  public mutating func put(_ row: UnsafePointer<Double>, _ values: UnsafePointer<Double>) {
    let place = set &* RowCache.ways &+ Int(truncatingIfNeeded: puts[set] % UInt64(RowCache.ways))
    for column in 0..<width { rows[place &* width &+ column] = row[column].bitPattern }
    for index in 0..<count { numbers[place &* count &+ index] = values[index] }
    puts[set] &+= 1
  }
}
