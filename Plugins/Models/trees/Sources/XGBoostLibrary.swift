import GantrySDK

/// XGBoost's C API (`xgboost/c_api.h`): predictions for rows in memory, on one thread.
struct XGBoostLibrary {
  private typealias Handle = UnsafeMutableRawPointer
  private typealias PredictFunction =
    @convention(c) (
      Handle?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, Handle?, UnsafeMutablePointer<UnsafePointer<UInt64>?>?, UnsafeMutablePointer<UInt64>?,
      UnsafeMutablePointer<UnsafePointer<Float>?>?
    ) -> Int32

  private let booster: Handle
  private let predictRows: PredictFunction
  private let freeBooster: @convention(c) (Handle?) -> Int32
  private let lastError: @convention(c) () -> UnsafePointer<CChar>?
  private let outputCount: Int
  private let columnCount: Int
  private let matrix: UnsafeMutablePointer<Float>
  /// The request of a call, ended by 0: from the row count on it is written anew.
  private var values: LaneText
  private let settings: UnsafeMutablePointer<CChar>

  /// - Parameter name: becomes the library's file and version, for people
  init(_ model: TreeModel, _ bytes: UnsafeRawBufferPointer, place: Text, rowsMax: Int, host: Host, name: inout Text) throws(Failure) {
    let library = try TreeLibrary(.xgboost, place: place, host: host)
    let path = library.path
    func function<Function>(_ name: StaticString, as type: Function.Type) throws(Failure) -> Function {
      unsafeBitCast(try library.function(name), to: type)
    }
    predictRows = try function("XGBoosterPredictFromDense", as: PredictFunction.self)
    freeBooster = try function("XGBoosterFree", as: (@convention(c) (Handle?) -> Int32).self)
    lastError = try function("XGBGetLastError", as: (@convention(c) () -> UnsafePointer<CChar>?).self)
    let lastError = self.lastError
    func reason() -> Text { lastError().map { firstLine(Text(cString: $0)) } ?? "no reason given" }

    var major: Int32 = 0
    var minor: Int32 = 0
    var patch: Int32 = 0
    try function("XGBoostVersion", as: (@convention(c) (UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?) -> Void).self)(
      &major, &minor, &patch)
    let version: Text = "\(Int(major)).\(Int(minor)).\(Int(patch))"
    name = "\(path), XGBoost \(version)"
    if model.version.count >= 2, (model.version[0], model.version[1]) > (Int(major), Int(minor)) {
      throw Failure.invalid(
        "the model was written by XGBoost \(model.version[0]).\(model.version[1]), but \(path) is XGBoost \(version), which may read it wrongly; install the newer one: pip install --upgrade xgboost-cpu"
      )
    }

    var made: Handle?
    let create = try function("XGBoosterCreate", as: (@convention(c) (UnsafePointer<Handle?>?, UInt64, UnsafeMutablePointer<Handle?>?) -> Int32).self)
    guard create(nil, 0, &made) == 0, let booster = made else { throw Failure.invalid("\(path) made no booster: \(reason())") }
    self.booster = booster
    let load = try function("XGBoosterLoadModelFromBuffer", as: (@convention(c) (Handle?, UnsafeRawPointer?, UInt64) -> Int32).self)
    let set = try function("XGBoosterSetParam", as: (@convention(c) (Handle?, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Int32).self)
    guard load(booster, bytes.baseAddress, UInt64(bytes.count)) == 0, ("nthread" as Text).withCString({ name in ("1" as Text).withCString { set(booster, name, $0) } }) == 0 else {
      let text = reason()
      _ = freeBooster(booster)
      throw Failure.invalid("\(path) (XGBoost \(version)) cannot read the model: \(text)")
    }

    outputCount = model.outputCount
    columnCount = model.featureCount
    matrix = .allocate(capacity: rowsMax * columnCount)
    values = LaneText(capacity: 160)
    let rounds = model.iterationEnds.isEmpty ? model.bestIterations ?? 0 : model.iterationEnds.count
    let type = model.isRawSumKnown ? 1 : 0
    let text: Text = "{\"type\":\(type),\"iteration_begin\":0,\"iteration_end\":\(rounds),\"missing\":NaN,\"strict_shape\":false,\"cache_id\":0}"
    settings = .allocate(capacity: text.bytes.count + 1)
    for (index, byte) in text.bytes.enumerated() { settings[index] = CChar(bitPattern: byte) }
    settings[text.bytes.count] = 0
  }

  func deallocate() {
    _ = freeBooster(booster)
    matrix.deallocate()
    settings.deallocate()
    values.destroy()
  }

  /// Where row `index` is put before a call: its columns in the model's order.
  func row(_ index: Int) -> UnsafeMutablePointer<Float> { matrix + index &* columnCount }

  /// The sums of the rows put into the matrix.
  mutating func predict(count: Int, _ result: UnsafeMutablePointer<Double>) throws(Failure) {
    values.clear()
    values.append("{\"data\":[")
    values.append(UInt64(UInt(bitPattern: matrix)))
    values.append(",true],\"shape\":[")
    values.append(UInt64(count))
    values.append(",")
    values.append(UInt64(columnCount))
    values.append("],\"typestr\":\"<f4\",\"version\":3}")
    values.end(byte: 0)
    var shape: UnsafePointer<UInt64>?
    var dimensions: UInt64 = 0
    var answers: UnsafePointer<Float>?
    let request = values.bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
    guard predictRows(booster, request, settings, nil, &shape, &dimensions, &answers) == 0, let answers, let shape else {
      throw Failure.bug("XGBoost: \(lastError().map { firstLine(Text(cString: $0)) } ?? "no reason given")")
    }
    var total = 1
    for index in 0..<Int(dimensions) { total *= Int(shape[index]) }
    guard total == count &* outputCount else { throw Failure.bug("XGBoost gave \(total) numbers for \(count) rows of \(outputCount)") }
    for index in 0..<total { result[index] = Double(answers[index]) }
  }
}

/// The first line of an error's text; XGBoost appends a stack trace.
func firstLine(_ text: Text) -> Text {
  var line: Text = ""
  for byte in text.bytes {
    if byte == 10 || line.bytes.count == 400 { break }
    line.bytes.append(byte)
  }
  return line
}
