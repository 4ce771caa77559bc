import GantrySDK

/// What the slots of a row hold. A split that sends missing values to the left compares a slot in
/// which they are minus infinity, one that sends them to the right a slot in which they are plus
/// infinity: so the walk itself need not know what is missing. Each feature has as many slots as its
/// splits have ways to treat missing values.
struct RowRules {
  /// How a column's number becomes a slot's; sorted so in the row.
  enum Form: Int {
    /// As it is, for trees that look at missing values themselves.
    case raw = 0
    /// NaN is plus infinity.
    case high
    /// NaN is minus infinity.
    case low
    /// LightGBM, missing type none: NaN is 0.
    case zeroed
    /// LightGBM, missing type zero: 0 and NaN are plus, minus infinity.
    case zeroHigh
    case zeroLow

    static var count: Int { 6 }
  }

  /// LightGBM's kZeroThreshold, a float: what is not farther from 0 is 0, before anything else.
  static var zeroRange: Double { Double(1e-35 as Float) }

  /// The column of each slot but the first; slots with the same form lie together.
  private let columns: UnsafeMutablePointer<Int32>
  /// Slots from 1 on: the number of those whose form is at most i.
  private let ends: UnsafeMutablePointer<Int>
  /// Slot 0 is minus infinity.
  let slotCount: Int
  /// What is not farther from 0 is 0; negative for XGBoost, which takes numbers as they are.
  private let zeroRange: Double

  /// - Parameter places: for each form and feature whether there is a slot; its number is put there
  init(_ places: inout [Int32], library: TreeModel.Library, featureCount: Int, columnOf: [Int]) {
    zeroRange = library == .lightgbm ? RowRules.zeroRange : -1
    var count = 0
    for place in places where place >= 0 { count += 1 }
    columns = .allocate(capacity: max(count, 1))
    ends = .allocate(capacity: Form.count)
    slotCount = count + 1
    var slot = 0
    for form in 0..<Form.count {
      for feature in 0..<featureCount where places[form * featureCount + feature] >= 0 {
        columns[slot] = Int32(columnOf[feature])
        slot += 1
        places[form * featureCount + feature] = Int32(slot)
      }
      ends[form] = slot
    }
  }

  func deallocate() {
    columns.deallocate()
    ends.deallocate()
  }

  /// How a numeric split's missing values are put into its slot.
  static func form(_ node: TreeModel.Node) -> Form {
    switch node.missing {
    case .none: .zeroed
    case .zero: node.missingGoesLeft ? .zeroLow : .zeroHigh
    case .nan: node.missingGoesLeft ? .low : .high
    }
  }

  /// Fills `row` from the columns of one event.
  @inline(__always)
  func fill<Scalar: BinaryFloatingPoint & BitwiseCopyable>(_ row: UnsafeMutablePointer<Scalar>, from values: UnsafePointer<Double>) {
    row[0] = -.infinity
    var index = 0
    while index < ends[0] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value.magnitude <= zeroRange ? 0 : value)
      index &+= 1
    }
    while index < ends[1] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value == value ? (value.magnitude <= zeroRange ? 0 : value) : .infinity)
      index &+= 1
    }
    while index < ends[2] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value == value ? (value.magnitude <= zeroRange ? 0 : value) : -.infinity)
      index &+= 1
    }
    while index < ends[3] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value.magnitude > RowRules.zeroRange ? value : 0)
      index &+= 1
    }
    while index < ends[4] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value.magnitude > RowRules.zeroRange ? value : .infinity)
      index &+= 1
    }
    while index < ends[5] {
      let value = values[Int(columns[index])]
      row[index &+ 1] = Scalar(value.magnitude > RowRules.zeroRange ? value : -.infinity)
      index &+= 1
    }
  }
}
