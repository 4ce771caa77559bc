import CGantry

/// Remembers what a pure model said of the rows it saw last, so that the same row is not computed again.
///
/// For a model whose prediction depends on the bits of its row and on nothing else (stateless, and
/// `exact` or `cpu`): a remembered prediction then has the bits that computing it again would give, so
/// the cache changes no output, is not part of a state, and need not be known to a replay. Rows are
/// compared bit by bit, never by their hash alone. The instrument does not count, as the model does
/// not see it.
///
/// Fixed memory, allocated once; a look is a hash of the row and at most `ways` comparisons. That
/// is some 2 ns a column (8 ns for 4, 30 for 16): worth it for models that take microseconds and rows
/// that come again, and for no model of a few columns that is added up.
public struct PredictionCache {
  /// What is remembered of a row.
  public struct Answer {
    public var value: Double
    public var probability: Double
    public var label: Int32

    public init(value: Double, probability: Double, label: Int32) {
      self.value = value
      self.probability = probability
      self.label = label
    }
  }

  /// Rows whose hash leads to the same place, of which the oldest gives way.
  public static var ways: Int { 4 }

  /// Numbers in a row.
  public let width: Int
  /// How many rows there is room for.
  public let capacity: Int
  /// How many rows were found and were not, since the start.
  public private(set) var hits: UInt64 = 0
  public private(set) var misses: UInt64 = 0
  private let sets: Int
  private let rows: UnsafeMutablePointer<UInt64>
  private let answers: UnsafeMutablePointer<Answer>
  /// For each set how many rows were ever put into it.
  private let puts: UnsafeMutablePointer<UInt64>
  /// Where the row that was looked for last belongs.
  private var set = 0

  /// Room for `entries` rows, rounded up to `ways` times a power of two. Not for the lane: it allocates.
  public init(entries: Int, width: Int) {
    self.width = width
    var sets = 1
    while sets * PredictionCache.ways < entries { sets *= 2 }
    self.sets = sets
    capacity = sets * PredictionCache.ways
    rows = .allocate(capacity: max(capacity * width, 1))
    rows.initialize(repeating: 0, count: max(capacity * width, 1))
    answers = .allocate(capacity: capacity)
    answers.initialize(repeating: Answer(value: 0, probability: 0, label: 0), count: capacity)
    puts = .allocate(capacity: sets)
    puts.initialize(repeating: 0, count: sets)
  }

  public func destroy() {
    rows.deallocate()
    answers.deallocate()
    puts.deallocate()
  }

  /// What was said of this row, or nil; then `put` is next.
  public mutating func find(_ row: UnsafePointer<Double>) -> Answer? {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for column in 0..<width {
      hash = (hash ^ row[column].bitPattern) &* 0xD6E8_FEB8_6659_FD93
      hash ^= hash &>> 32
    }
    set = Int(truncatingIfNeeded: hash & UInt64(sets &- 1))
    let filled = min(Int(truncatingIfNeeded: puts[set]), PredictionCache.ways)
    for way in 0..<filled {
      let place = set &* PredictionCache.ways &+ way
      let known = rows + place &* width
      var column = 0
      while column < width, known[column] == row[column].bitPattern { column &+= 1 }
      if column == width {
        hits &+= 1
        return answers[place]
      }
    }
    misses &+= 1
    return nil
  }

  /// Remembers the answer to the row that `find` did not know.
  public mutating func put(_ row: UnsafePointer<Double>, _ answer: Answer) {
    let place = set &* PredictionCache.ways &+ Int(truncatingIfNeeded: puts[set] % UInt64(PredictionCache.ways))
    for column in 0..<width { rows[place &* width &+ column] = row[column].bitPattern }
    answers[place] = answer
    puts[set] &+= 1
  }
}
