import CGantry
import GantrySDK

/// `trees`: gradient-boosted trees of XGBoost (JSON, UBJSON) and LightGBM (text).
///
/// Guarantees: for each row of features one prediction, equal to the library's to 1e-6. Missing values
/// are NaN, and go where the model learnt to send them; with `on_missing` a row that has some gives a
/// prediction of NaN, or none. A row for which the model gives no finite number fails. The own evaluator gives the same bits on every machine, one row at a time
/// or in blocks, and allocates nothing on the lane.
struct Trees: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "trees", version: "1.0.0", kind: .model,
      summary: "gradient-boosted trees of XGBoost and LightGBM",
      determinism: .cpu, flags: .stateless, mayNeed: .library,
      inputs: [Port("features", .features, help: "rows that have at least the model's columns; NaN is a missing value")],
      outputs: [Port("predictions", .prediction, help: "one for each row")],
      parameters: [
        Parameter("artifact", .artifact, required: true, help: "the model: XGBoost's JSON or UBJSON, or LightGBM's text, told apart by their content"),
        Parameter(
          "engine", .choice, default: "auto", choices: ["auto", "own", "library"],
          help: "who evaluates the trees: this plugin, the library that made them (grant: [library]), or the library where this plugin cannot"),
        Parameter(
          "library", .path, help: "libxgboost.so or lib_lightgbm.so, or a Python environment that has it; without it VIRTUAL_ENV and the system are searched"),
        Parameter("columns", .texts, help: "the names of the model's features in the order of training, where the file has none or others"),
        Parameter("iterations", .integer, default: "0", minimum: 0, help: "rounds of boosting that count; 0: the best ones where early stopping found them, else all"),
        Parameter(
          "base_margin", .number, help: "what sums begin with, in place of XGBoost's base score; LightGBM's begin with 0"),
        Parameter("up_class", .integer, minimum: 0, help: "of several classes, the one that is a rise: its probability is the prediction's"),
        Parameter("down_class", .integer, minimum: 0, help: "of several classes, the one that is a fall: value is p(up_class) - p(down_class)"),
        Parameter("target", .integer, default: "0", minimum: 0, help: "of a regression with several targets, the one to predict"),
        Parameter(
          "on_missing", .choice, default: "predict", choices: ["predict", "emit", "skip"],
          help: "what a row with a missing value gives: the model's answer, a prediction of NaN, or none"),
        Parameter("horizon", .duration, default: "0s", minimum: 0, help: "how far ahead the model looks; 0: unstated"),
        Parameter(
          "cache", .integer, default: "0", minimum: 0, maximum: 1_048_576, unit: "rows",
          help: "rows whose sums are remembered; 0: none. Rows are then walked one by one, so it pays only where most rows repeat bit by bit and the model has hundreds of trees"),
      ])
  }

  private enum Engine: Int64 { case auto = 0, own, library }
  private enum OnMissing: Int64 { case predict = 0, emit, skip }

  private let host: Host
  private var floats: Evaluator<Float>?
  private var doubles: Evaluator<Double>?
  private var library: LibraryEngine?
  private var form = PredictionForm(objective: .identity, outputCount: 1)
  /// The columns that the model reads, for `on_missing`.
  private var columns: UnsafeMutablePointer<Int>?
  private var columnCount = 0
  private var sums: UnsafeMutablePointer<Double>?
  private var onMissing = OnMissing.predict
  private var horizonNs: Int64 = 0
  /// For the text of a failure.
  private var file: Text = ""
  private var model: UInt32 = 0
  private var missingRows: UInt32 = 0
  private var memory: SumMemory?

  private static var tileRows: Int { Evaluator<Double>.tileRows }

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    let bytes = configuration.artifact(0)
    file = Text(configuration.text(0))
    var model = try ModelFile.read(bytes, file: file)
    guard let schema = configuration.schema(ofPort: 0) else {
      throw Failure.invalid("nothing is connected to features; give the node a `from` that offers columns")
    }
    var named: [Text] = []
    if configuration.isSet(3) { for index in 0..<configuration.count(3) { named.append(Text(configuration.text(3, at: index))) } }
    let columnOf = try ColumnMap.columns(of: model, named: named, in: schema, file: file)
    try setIterations(&model, configuration)
    let margin = configuration.isSet(5) ? configuration.number(5) : nil
    if let margin, !margin.isFinite { throw Failure.invalid("base_margin must be a finite number") }
    form = try PredictionForm(model, configuration)
    onMissing = OnMissing(rawValue: configuration.integer(9)) ?? .predict
    horizonNs = configuration.integer(10)

    columnCount = columnOf.count
    let columns = UnsafeMutablePointer<Int>.allocate(capacity: max(columnCount, 1))
    for (index, column) in columnOf.enumerated() { columns[index] = column }
    self.columns = columns
    sums = .allocate(capacity: Trees.tileRows * model.outputCount)
    let engine = Engine(rawValue: configuration.integer(1)) ?? .auto
    if engine == .own, let uncovered = model.uncovered {
      throw Failure.invalid("\(file): the own evaluator does not cover \(uncovered); use engine: library, or auto")
    }
    if engine == .library || model.uncovered != nil {
      var name: Text = ""
      library = try LibraryEngine(
        model, bytes, columnOf: columnOf, place: configuration.isSet(2) ? Text(configuration.text(2)) : "", rowsMax: Trees.tileRows, margin: margin,
        host: host, name: &name)
      if let uncovered = model.uncovered { host.log(.info, "the own evaluator does not cover \(uncovered); the library evaluates the model: \(name)") }
    } else {
      if let margin { for index in model.base.indices { model.base[index] = margin } }
      switch model.library {
      case .xgboost: floats = Evaluator<Float>(model, columnOf: columnOf)
      case .lightgbm: doubles = Evaluator<Double>(model, columnOf: columnOf)
      }
    }
    self.model = host.modelReference(ofParameter: 0, orName: ModelFile.name(file), version: ModelFile.version(bytes))
    missingRows = host.defineMetric("missing_rows", counter: true, unit: "rows", help: "rows with a missing value, where on_missing is not predict")
    let entries = Int(configuration.integer(11))
    if entries > 0 { memory = try SumMemory(entries: entries, columns: columns, columnCount: columnCount, sums: model.outputCount, host: host) }
  }

  private func setIterations(_ model: inout TreeModel, _ configuration: borrowing Configuration) throws(Failure) {
    let wanted = Int(configuration.integer(4))
    if model.iterationEnds.isEmpty {
      // Only the library knows this model's rounds.
      if wanted > 0 { model.bestIterations = wanted }
      return
    }
    if wanted > model.iterationEnds.count {
      throw Failure.invalid("iterations is \(wanted), but the model has \(model.iterationEnds.count) rounds of boosting")
    }
    let count = wanted > 0 ? wanted : model.bestIterations ?? model.iterationEnds.count
    model.keep(iterations: count)
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let sums = self.sums.unsafelyUnwrapped
    var row = 0
    while row < batch.count {
      let count = min(Trees.tileRows, batch.count &- row)
      do throws(Failure) {
        try predict(batch, row, count, sums)
      } catch {
        outputs.setConsumed(row)
        throw error
      }
      for offset in 0..<count { try emit(batch, row &+ offset, sums + offset &* form.outputCount, outputs) }
      row &+= count
    }
  }

  /// The sums of `count` rows from `first` on, remembered or computed.
  @inline(__always)
  private mutating func predict(_ batch: borrowing Batch, _ first: Int, _ count: Int, _ sums: UnsafeMutablePointer<Double>) throws(Failure) {
    guard memory != nil else { return try compute(batch, first, count, sums) }
    try recall(batch, first, count, sums)
  }

  /// The same row by row, with what is remembered. Sums of one row have the bits that they have in a block.
  private mutating func recall(_ batch: borrowing Batch, _ first: Int, _ count: Int, _ sums: UnsafeMutablePointer<Double>) throws(Failure) {
    defer { memory?.tell(host) }
    for offset in 0..<count {
      let target = sums + offset &* form.outputCount
      if memory?.find(batch.columns(first &+ offset), target) == true { continue }
      try compute(batch, first &+ offset, 1, target)
      memory?.put(target)
    }
  }

  @inline(__always)
  private mutating func compute(_ batch: borrowing Batch, _ first: Int, _ count: Int, _ sums: UnsafeMutablePointer<Double>) throws(Failure) {
    let stride = count > 1 ? UnsafeRawPointer(batch.columns(first &+ 1)) - UnsafeRawPointer(batch.columns(first)) : 0
    if let floats {
      if count == 1 { floats.predict(batch.columns(first), sums) } else { floats.predict(batch.columns(first), stride: stride, count: count, sums) }
    } else if let doubles {
      if count == 1 { doubles.predict(batch.columns(first), sums) } else { doubles.predict(batch.columns(first), stride: stride, count: count, sums) }
    } else {
      try library?.predict(batch.columns(first), stride: stride, count: count, sums)
    }
  }

  @inline(__always)
  private func emit(_ batch: borrowing Batch, _ row: Int, _ sums: UnsafeMutablePointer<Double>, _ outputs: borrowing Outputs) throws(Failure) {
    let isRefused = onMissing != .predict && hasMissing(batch.columns(row))
    if isRefused {
      host.updateMetric(missingRows, 1)
      if onMissing == .skip { return }
    }
    guard let prediction = outputs.reserve(0, cause: row, as: gantry_prediction.self) else {
      outputs.setConsumed(row)
      throw Failure.full
    }
    if isRefused {
      prediction.pointee.value = .nan
      prediction.pointee.probability = .nan
      prediction.pointee.label = -1
    } else {
      guard form.write(sums, to: prediction) else {
        outputs.setConsumed(row)
        throw .overflow("\(file): the model gives NaN or infinity for a row; look at the row with `gantry tap`, and train or write the model again")
      }
    }
    prediction.pointee.horizon_ns = horizonNs
    prediction.pointee.model = model
    outputs.commit(0)
  }

  @inline(__always)
  private func hasMissing(_ values: UnsafePointer<Double>) -> Bool {
    let columns = self.columns.unsafelyUnwrapped
    for index in 0..<columnCount where values[columns[index]].isNaN { return true }
    return false
  }

  mutating func destroy() {
    floats?.deallocate()
    floats = nil
    doubles?.deallocate()
    doubles = nil
    library?.deallocate()
    library = nil
    columns?.deallocate()
    columns = nil
    sums?.deallocate()
    sums = nil
    memory?.destroy()
    memory = nil
  }
}

extension PredictionForm {
  /// The form that the graph's parameters ask for.
  init(_ model: TreeModel, _ configuration: borrowing Configuration) throws(Failure) {
    self.init(objective: model.objective, outputCount: model.outputCount)
    if configuration.isSet(6) { upClass = Int(configuration.integer(6)) }
    if configuration.isSet(7) { downClass = Int(configuration.integer(7)) }
    target = Int(configuration.integer(8))
    if upClass >= 0 || downClass >= 0 {
      guard model.objective.hasSeveralClasses else { throw Failure.invalid("up_class and down_class are for models of several classes; this one has none") }
      guard upClass >= 0 else { throw Failure.invalid("down_class without up_class; give both") }
      guard max(upClass, downClass) < model.outputCount else {
        throw Failure.invalid("the model has the classes 0 to \(model.outputCount - 1), but up_class or down_class is \(max(upClass, downClass))")
      }
    }
    if target > 0 {
      guard !model.objective.hasSeveralClasses, target < model.outputCount else {
        throw Failure.invalid("target is \(target), but the model has \(model.objective.hasSeveralClasses ? 1 : model.outputCount) targets, from 0 on")
      }
    }
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Trees.self, request)
}
