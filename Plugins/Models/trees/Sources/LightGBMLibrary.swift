import GantrySDK

/// LightGBM's C API (`LightGBM/c_api.h`): its fast path for one row, and blocks, on one thread.
struct LightGBMLibrary {
  private typealias Handle = UnsafeMutableRawPointer
  private typealias PredictFunction =
    @convention(c) (
      Handle?, UnsafeRawPointer?, Int32, Int32, Int32, Int32, Int32, Int32, Int32, UnsafePointer<CChar>?, UnsafeMutablePointer<Int64>?,
      UnsafeMutablePointer<Double>?
    ) -> Int32
  private typealias FastFunction = @convention(c) (Handle?, UnsafeRawPointer?, UnsafeMutablePointer<Int64>?, UnsafeMutablePointer<Double>?) -> Int32

  /// C_API_DTYPE_FLOAT64, and what predictions are asked for.
  private static var float64: Int32 { 1 }
  private static var normal: Int32 { 0 }
  private static var rawScore: Int32 { 1 }

  private let booster: Handle
  private let fast: Handle
  private let predictRow: FastFunction
  private let predictRows: PredictFunction
  private let freeBooster: @convention(c) (Handle?) -> Int32
  private let freeFast: @convention(c) (Handle?) -> Int32
  private let lastError: @convention(c) () -> UnsafePointer<CChar>?
  private let outputCount: Int
  private let columnCount: Int
  private let rounds: Int32
  private let predictType: Int32
  private let divisor: Double
  private let matrix: UnsafeMutablePointer<Double>
  private let settings: UnsafeMutablePointer<CChar>

  /// - Parameter name: becomes the library's file, for people
  init(_ model: TreeModel, _ bytes: UnsafeRawBufferPointer, place: Text, rowsMax: Int, host: Host, name: inout Text) throws(Failure) {
    let library = try TreeLibrary(.lightgbm, place: place, host: host)
    let path = library.path
    name = path
    func function<Function>(_ name: StaticString, as type: Function.Type) throws(Failure) -> Function {
      unsafeBitCast(try library.function(name), to: type)
    }
    predictRows = try function("LGBM_BoosterPredictForMat", as: PredictFunction.self)
    predictRow = try function("LGBM_BoosterPredictForMatSingleRowFast", as: FastFunction.self)
    freeBooster = try function("LGBM_BoosterFree", as: (@convention(c) (Handle?) -> Int32).self)
    freeFast = try function("LGBM_FastConfigFree", as: (@convention(c) (Handle?) -> Int32).self)
    lastError = try function("LGBM_GetLastError", as: (@convention(c) () -> UnsafePointer<CChar>?).self)
    let load = try function(
      "LGBM_BoosterLoadModelFromString", as: (@convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Handle?>?) -> Int32).self)
    let start = try function(
      "LGBM_BoosterPredictForMatSingleRowFastInit",
      as: (@convention(c) (Handle?, Int32, Int32, Int32, Int32, Int32, UnsafePointer<CChar>?, UnsafeMutablePointer<Handle?>?) -> Int32).self)
    let lastError = self.lastError
    func reason() -> Text { lastError().map { firstLine(Text(cString: $0)) } ?? "no reason given" }

    outputCount = model.outputCount
    columnCount = model.featureCount
    rounds = Int32(model.iterationEnds.count)
    predictType = model.isRawSumKnown ? Self.rawScore : Self.normal
    // A random forest's raw score is its sum.
    divisor = model.isAveraged && model.isRawSumKnown ? Double(max(1, model.iterationEnds.count)) : 1
    var made: Handle?
    var loaded: Int32 = 0
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for index in 0..<bytes.count { text[index] = CChar(bitPattern: bytes[index]) }
    text[bytes.count] = 0
    let status = load(text, &loaded, &made)
    text.deallocate()
    guard status == 0, let booster = made else { throw Failure.invalid("\(path) cannot read the model: \(reason()); install the version that wrote it: pip install --upgrade lightgbm") }
    self.booster = booster
    settings = .allocate(capacity: 32)
    for (index, byte) in ("num_threads=1" as Text).bytes.enumerated() { settings[index] = CChar(bitPattern: byte) }
    settings[13] = 0
    var config: Handle?
    guard start(booster, predictType, 0, rounds, Self.float64, Int32(columnCount), settings, &config) == 0, let config else {
      let text = reason()
      _ = freeBooster(booster)
      settings.deallocate()
      throw Failure.invalid("\(path) does not take the model: \(text)")
    }
    fast = config
    matrix = .allocate(capacity: rowsMax * columnCount)
  }

  func deallocate() {
    _ = freeFast(fast)
    _ = freeBooster(booster)
    matrix.deallocate()
    settings.deallocate()
  }

  /// Where row `index` is put before a call: its columns in the model's order.
  func row(_ index: Int) -> UnsafeMutablePointer<Double> { matrix + index &* columnCount }

  /// The sums of the rows put into the matrix.
  func predict(count: Int, _ result: UnsafeMutablePointer<Double>) throws(Failure) {
    if count == 1 { return try predict(row: matrix, result) }
    var length: Int64 = 0
    let status = predictRows(booster, matrix, Self.float64, Int32(count), Int32(columnCount), 1, predictType, 0, rounds, settings, &length, result)
    try check(status, length, count, result)
  }

  /// The sums of one row, its columns in the model's order.
  func predict(row: UnsafePointer<Double>, _ result: UnsafeMutablePointer<Double>) throws(Failure) {
    var length: Int64 = 0
    try check(predictRow(fast, row, &length, result), length, 1, result)
  }

  @inline(__always)
  private func check(_ status: Int32, _ length: Int64, _ count: Int, _ result: UnsafeMutablePointer<Double>) throws(Failure) {
    guard status == 0, length == Int64(count &* outputCount) else {
      throw Failure.bug("LightGBM: \(lastError().map { firstLine(Text(cString: $0)) } ?? "no reason given")")
    }
    if divisor != 1 { for index in 0..<Int(length) { result[index] /= divisor } }
  }
}
