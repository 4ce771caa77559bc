import GantrySDK

/// A model evaluated by the library that made it.
struct LibraryEngine {
  private enum Kind {
    case xgboost(XGBoostLibrary)
    case lightgbm(LightGBMLibrary)
  }

  private var kind: Kind
  /// Where the library adds nothing to a sum: what is added to it.
  private let margin: Double
  private let columns: UnsafeMutablePointer<Int>
  private let columnCount: Int
  /// The columns are neighbours in the model's order, so a row need not be copied.
  private let isInPlace: Bool
  private let outputCount: Int

  /// - Parameters:
  ///   - margin: the parameter `base_margin`, or nil
  ///   - host: opens the library
  ///   - name: becomes, for people, the library's file and, where it says so, its version
  init(
    _ model: TreeModel, _ bytes: UnsafeRawBufferPointer, columnOf: [Int], place: Text, rowsMax: Int, margin: Double?, host: Host, name: inout Text
  ) throws(Failure) {
    switch model.library {
    case .xgboost:
      if margin != nil { throw Failure.invalid("base_margin with XGBoost's library is not possible; use engine: own, or leave it out") }
      kind = .xgboost(try XGBoostLibrary(model, bytes, place: place, rowsMax: rowsMax, host: host, name: &name))
    case .lightgbm:
      kind = .lightgbm(try LightGBMLibrary(model, bytes, place: place, rowsMax: rowsMax, host: host, name: &name))
    }
    self.margin = margin ?? 0
    columnCount = columnOf.count
    outputCount = model.outputCount
    columns = .allocate(capacity: max(columnCount, 1))
    var isInPlace = true
    for (index, column) in columnOf.enumerated() {
      columns[index] = column
      if column != columnOf[0] + index { isInPlace = false }
    }
    self.isInPlace = isInPlace
  }

  func deallocate() {
    columns.deallocate()
    switch kind {
    case .xgboost(let library): library.deallocate()
    case .lightgbm(let library): library.deallocate()
    }
  }

  /// The sums of `count` rows, `stride` bytes apart: all outputs of the first row, then of the next.
  mutating func predict(_ values: UnsafePointer<Double>, stride: Int, count: Int, _ result: UnsafeMutablePointer<Double>) throws(Failure) {
    func row(_ index: Int) -> UnsafePointer<Double> { (UnsafeRawPointer(values) + index &* stride).assumingMemoryBound(to: Double.self) }
    switch kind {
    case .xgboost(var library):
      for index in 0..<count {
        let source = row(index)
        let target = library.row(index)
        for column in 0..<columnCount { target[column] = Float(source[columns[column]]) }
      }
      try library.predict(count: count, result)
      kind = .xgboost(library)
    case .lightgbm(let library) where count == 1 && isInPlace: try library.predict(row: values + columns[0], result)
    case .lightgbm(let library):
      for index in 0..<count {
        let source = row(index)
        let target = library.row(index)
        for column in 0..<columnCount { target[column] = source[columns[column]] }
      }
      try library.predict(count: count, result)
    }
    if margin != 0 { for index in 0..<count &* outputCount { result[index] += margin } }
  }
}
