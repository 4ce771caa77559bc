import CGantry
import COnnxRuntime
import GantrySDK

/// `onnx`: a model in the ONNX format, run by ONNX Runtime through its C API.
///
/// Guarantees: for each row of features one prediction with the numbers that Python's onnxruntime
/// gives for that row alone, except where `on_missing` and `on_nan` say otherwise. Rows are run one by one
/// in blocks too: the bits of a matrix product depend on how many rows it has, and a chain's outputs
/// must not depend on the size of a block. The library, the model, its inputs and outputs are
/// checked in configure, which ends with one run on zeros.
///
/// Nothing is allocated here per event; what the library does inside a run is its own affair.
struct Onnx: Plugin {
  static var descriptor: Descriptor {
    Descriptor(
      id: "onnx", version: "1.0.0", kind: .model,
      summary: "an ONNX model, run by ONNX Runtime",
      determinism: .cpu, needs: .library,
      inputs: [Port("features", .features, help: "rows that have at least the columns that the model takes")],
      outputs: [Port("predictions", .prediction, help: "one for each row: value, probability and label as the model's outputs say")],
      parameters: [
        Parameter("artifact", .artifact, required: true, help: "the model: an .onnx file with its weights inside"),
        Parameter("library", .path, help: "libonnxruntime.so.1.x, its folder, or a Python environment with onnxruntime; left out: the first that is found"),
        Parameter("columns", .texts, help: "the columns of a model with one input, in the order it was trained on; left out: its metadata's `columns`, or all"),
        Parameter("inputs", .texts, help: "for models with several inputs: INPUT=COLUMN, again for each further column; left out: columns of the inputs' names"),
        Parameter("window", .integer, default: "1", minimum: 1, maximum: 65_536, unit: "rows", help: "how many rows of an instrument the model looks at"),
        Parameter("layout", .choice, default: "auto", choices: ["auto", "window_first", "columns_first"], help: "the axes of a window: [1, window, columns] or [1, columns, window]"),
        Parameter("value", .text, help: "the output that is the prediction's value: NAME or NAME[INDEX]"),
        Parameter("probability", .text, help: "the output that is its probability"),
        Parameter("label", .text, help: "the output that is its class"),
        Parameter(
          "on_missing", .choice, default: "emit", choices: ["emit", "skip", "pass"],
          help: "a row with a number that is not finite, or a window not yet full: a prediction of NaN, none, or (rows only) run it"),
        Parameter("on_nan", .choice, default: "error", choices: ["error", "emit", "skip"], help: "a model that says NaN or infinity: an error of the node, a prediction of NaN, or none"),
        Parameter("intra_threads", .integer, default: "1", minimum: 1, maximum: 64, unit: "threads", help: "threads within an operator; 1 runs all on the lane"),
        Parameter("inter_threads", .integer, default: "1", minimum: 1, maximum: 64, unit: "threads", help: "operators side by side"),
        Parameter("horizon", .duration, default: "0s", minimum: 0, help: "how far ahead the model looks"),
        Parameter("cache", .integer, default: "0", minimum: 0, maximum: 1_048_576, unit: "rows", help: "rows whose predictions are remembered; 0: none. Not with a window"),
        Parameter("version", .text, help: "the model's version, for predictions to name; left out: that of its metadata, or a hash of the file"),
      ])
  }

  static var abilities: Abilities { .state }
  static var stateSchema: (name: StaticString, version: UInt32) { ("gantry.onnx.window", 1) }
  /// More than this is no model for a lane; protobuf itself ends at 2 GB.
  static var artifactBytesMax: Int { 1 << 30 }

  private enum OnMissing: Int64 { case emit, skip, pass }
  private enum OnNaN: Int64 { case error, emit, skip }

  private let host: Host
  private var runtime: OnnxRuntime?
  private var session: Session?
  private var evaluator: Evaluator?
  private var window: Window?
  private var cache: PredictionCache?
  /// The gathered row and where its numbers come from.
  private var row: UnsafeMutablePointer<Double>?
  private var columns: UnsafeMutablePointer<Int>?
  private var columnCount = 0
  private var value: OutputPlan.Place?
  private var probability: OutputPlan.Place?
  private var label: OutputPlan.Place?
  private var onMissing = OnMissing.emit
  private var onNaN = OnNaN.error
  private var horizonNs: Int64 = 0
  private var model: UInt32 = 0
  private var missingRows: UInt32 = 0
  private var nanRows: UInt32 = 0
  private var cacheHits: UInt32 = 0
  private var cacheMisses: UInt32 = 0
  /// What a session with threads is made of at start; nil without threads.
  private var modelBytes: UnsafeMutableRawBufferPointer?
  private var file: Text = ""
  private var intraThreads = 1
  private var interThreads = 1

  init(host: Host) { self.host = host }

  mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {
    file = Text(configuration.text(0))
    let bytes = configuration.artifact(0)
    if bytes.count == 0 { throw Failure.invalid("\(file): the file is empty; export the model again") }
    if bytes.count > Onnx.artifactBytesMax {
      throw Failure.invalid("\(file): \(bytes.count) bytes are more than \(Onnx.artifactBytesMax), the most this plugin loads; quantise the model or make it smaller")
    }
    guard let schema = configuration.schema(ofPort: 0) else {
      throw Failure.invalid("nothing is connected to features; give the node a `from` that offers columns")
    }
    let runtime = try OnnxRuntime(library: Text(configuration.text(1)), host: host)
    self.runtime = runtime
    // Threads are for start: here all runs on the caller's.
    let session = try Session(runtime, bytes, file: file, intraThreads: 1, interThreads: 1)
    self.session = session
    intraThreads = Int(configuration.integer(11))
    interThreads = Int(configuration.integer(12))
    if intraThreads > 1 || interThreads > 1 {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
      copy.copyMemory(from: bytes)
      modelBytes = copy
    }
    do throws(Failure) {
      try plan(configuration, runtime, session, schema)
    } catch {
      throw Failure(error.status, "\(file): \(error.text)")
    }
    var version = Text(configuration.text(15))
    if version.bytes.isEmpty { version = session.modelVersion > 0 ? "\(session.modelVersion)" : Onnx.hash(bytes) }
    model = host.modelReference(ofParameter: 0, orName: Onnx.stem(file), version: version)
    missingRows = host.defineMetric("missing_rows", counter: true, unit: "rows", help: "rows that were not run: a number was not finite, or the window not full")
    nanRows = host.defineMetric("nan_rows", counter: true, unit: "rows", help: "rows of which the model said NaN or infinity")
    if cache != nil {
      cacheHits = host.defineMetric("cache_hits", counter: true, unit: "rows", help: "rows whose prediction was remembered")
      cacheMisses = host.defineMetric("cache_misses", counter: true, unit: "rows", help: "rows that were run")
    }
  }

  private mutating func plan(_ configuration: borrowing Configuration, _ runtime: OnnxRuntime, _ session: Session, _ schema: Schema) throws(Failure) {
    var names: [Text]?
    if configuration.isSet(2) {
      var given: [Text] = []
      for index in 0..<configuration.count(2) { given.append(Text(configuration.text(2, at: index))) }
      names = given
    }
    var assignments: [Text] = []
    for index in 0..<configuration.count(3) { assignments.append(Text(configuration.text(3, at: index))) }
    let length = Int(configuration.integer(4))
    let inputs = try InputPlan(session, schema, columns: names, assignments: assignments, window: length, layout: InputPlan.Layout(rawValue: configuration.integer(5)) ?? .auto)
    columnCount = inputs.columns.count
    let columns = UnsafeMutablePointer<Int>.allocate(capacity: max(columnCount, 1))
    for (index, column) in inputs.columns.enumerated() { columns[index] = column }
    self.columns = columns
    row = UnsafeMutablePointer<Double>.allocate(capacity: max(columnCount, 1))
    row?.initialize(repeating: 0, count: max(columnCount, 1))
    if inputs.takesWindow {
      window = try Window(length: length, width: columnCount, instruments: configuration.instrumentCount, columnsHash: Onnx.hash(inputs.columnNames))
    }

    let probe = try Evaluator(runtime, session: session.session, inputs: inputs.inputs, outputs: [])
    defer { probe.destroy() }
    let outputs = try OutputPlan(
      try probe.probe(runtime, session.outputs), value: Text(configuration.text(6)), probability: Text(configuration.text(7)), label: Text(configuration.text(8)))
    var fetched: [Int] = []
    var tensors: [(name: Text, element: Int32, shape: [Int64])] = []
    func fetch(_ place: OutputPlan.Place?) -> OutputPlan.Place? {
      guard var place else { return nil }
      let output = outputs.outputs[place.output]
      if let known = fetched.firstIndex(of: place.output) {
        place.output = known
      } else {
        fetched.append(place.output)
        tensors.append((output.slot.name, output.slot.element, output.shape ?? []))
        place.output = fetched.count - 1
      }
      return place
    }
    value = fetch(outputs.value)
    probability = fetch(outputs.probability)
    label = fetch(outputs.label)
    evaluator = try Evaluator(runtime, session: session.session, inputs: inputs.inputs, outputs: tensors)

    onMissing = OnMissing(rawValue: configuration.integer(9)) ?? .emit
    onNaN = OnNaN(rawValue: configuration.integer(10)) ?? .error
    horizonNs = configuration.integer(13)
    let entries = Int(configuration.integer(14))
    if entries > 0 {
      if window != nil { throw Failure.invalid("cache: a prediction from a window depends on earlier rows, so it cannot be remembered by its row; leave out `cache`") }
      if entries * columnCount > Window.numbersMax { throw Failure.invalid("cache: \(entries) rows of \(columnCount) columns are more than \(Window.numbersMax) numbers; remember fewer rows") }
      cache = PredictionCache(entries: entries, width: columnCount)
    }
  }

  mutating func start() throws(Failure) {
    guard let modelBytes, let runtime else { return }
    let threaded = try Session(runtime, UnsafeRawBufferPointer(modelBytes), file: file, intraThreads: intraThreads, interThreads: interThreads)
    session?.release()
    session = threaded
    evaluator?.session = threaded.session
  }

  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {
    let row = self.row.unsafelyUnwrapped
    let columns = self.columns.unsafelyUnwrapped
    let knownBefore = cache?.hits ?? 0
    let computedBefore = cache?.misses ?? 0
    var missing = 0
    var withoutNumber = 0
    defer {
      if missing > 0 { host.updateMetric(missingRows, Double(missing)) }
      if withoutNumber > 0 { host.updateMetric(nanRows, Double(withoutNumber)) }
      if let cache {
        if cache.hits > knownBefore { host.updateMetric(cacheHits, Double(cache.hits &- knownBefore)) }
        if cache.misses > computedBefore { host.updateMetric(cacheMisses, Double(cache.misses &- computedBefore)) }
      }
    }
    for index in 0..<batch.count {
      // First of all: a row that is offered again must not be in the window yet.
      guard let prediction = outputs.reserve(0, cause: index, as: gantry_prediction.self) else {
        outputs.setConsumed(index)
        throw Failure.full
      }
      let source = batch.columns(index)
      var isFinite = true
      for column in 0..<columnCount {
        let number = source[columns[column]]
        row[column] = number
        if !number.isFinite { isFinite = false }
      }
      var answer: PredictionCache.Answer?
      if isFinite || onMissing == .pass {
        do throws(Failure) {
          answer = try self.answer(row, instrument: batch.header(index).pointee.instrument)
        } catch {
          outputs.setConsumed(index)
          withoutNumber &+= 1
          throw error
        }
      }
      if answer == nil {
        missing &+= 1
        if onMissing == .skip { continue }
      }
      var said = answer ?? PredictionCache.Answer(value: .nan, probability: .nan, label: -1)
      if answer != nil, !said.value.isFinite || probability != nil && !said.probability.isFinite {
        withoutNumber &+= 1
        if onNaN == .skip { continue }
        if onNaN == .error {
          outputs.setConsumed(index)
          throw Failure(-1, "\(file): the model says NaN or infinity of a row\(isFinite ? " of finite numbers" as Text : ""); look at the row with `gantry tap`, or set on_nan: emit or skip")
        }
        said = PredictionCache.Answer(value: .nan, probability: .nan, label: -1)
      }
      prediction.pointee.value = said.value
      prediction.pointee.probability = said.probability
      prediction.pointee.label = said.label
      prediction.pointee.horizon_ns = horizonNs
      prediction.pointee.model = model
      outputs.commit(0)
    }
  }

  /// What the model says of the row; nil while its window is not full.
  @inline(__always)
  private mutating func answer(_ row: UnsafeMutablePointer<Double>, instrument: UInt32) throws(Failure) -> PredictionCache.Answer? {
    if let window, !window.push(row, instrument: instrument) { return nil }
    if let known = cache?.find(row) { return known }
    guard let evaluator else { throw Failure.bug("the model is not configured") }
    evaluator.fill(row, window: window, instrument: instrument)
    if let status = evaluator.run() {
      let reason = runtime?.message(status) ?? ""
      throw Failure(-1, "\(file): the model cannot be run on this row: \(reason)")
    }
    var answer = PredictionCache.Answer(value: .nan, probability: .nan, label: -1)
    if let probability { answer.probability = evaluator.number(probability.output, probability.index) }
    if let label {
      let number = evaluator.integer(label.output, label.index)
      guard let narrow = Int32(exactly: number), narrow >= 0 else {
        throw Failure(-1, "\(file): the model's class is \(number), and a label is from 0 to 2147483647; train with classes 0, 1, ..., or leave out `label`")
      }
      answer.label = narrow
    }
    if let value {
      answer.value = evaluator.number(value.output, value.index)
    } else {
      answer.value = probability != nil ? answer.probability : Double(answer.label)
    }
    if cache != nil, answer.value.isFinite { cache?.put(row, answer) }
    return answer
  }

  mutating func stop() throws(Failure) {
    // With threads: they end here.
    if modelBytes != nil {
      session?.release()
      session = nil
      evaluator?.session = nil
    }
  }

  mutating func destroy() {
    evaluator?.destroy()
    session?.release()
    window?.destroy()
    cache?.destroy()
    row?.deallocate()
    columns?.deallocate()
    modelBytes?.deallocate()
    modelBytes = nil
    evaluator = nil
    session = nil
    window = nil
    cache = nil
    row = nil
    columns = nil
  }

  // MARK: gantry.state/1

  func stateBound() -> Int { window?.stateBound ?? 0 }

  func saveState(_ writer: borrowing StateWriter) throws(Failure) { try window?.save(writer) }

  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {
    guard version == 1 else { throw Failure.unsupported("the saved window has version \(version); this plugin reads 1") }
    guard let window else {
      if reader.remaining > 0 { throw Failure.unsupported("the saved state is of a model with a window, and this one has none") }
      return
    }
    if reader.remaining == 0 { throw Failure.unsupported("the saved state is of a model without a window; this one needs rows to begin with") }
    try window.load(&reader)
  }

  // MARK: names

  /// The file's name without folder and ending.
  private static func stem(_ path: Text) -> Text {
    var name = path.bytes[...]
    if let slash = name.lastIndex(of: 47) { name = name[(slash + 1)...] }
    if let dot = name.lastIndex(of: 46), dot > name.startIndex { name = name[..<dot] }
    return Text(bytes: [UInt8](name))
  }

  /// FNV-1a of 64 bits, as 16 hexadecimal digits.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> Text {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    var digits: [UInt8] = []
    for shift in 0..<16 {
      let digit = UInt8(truncatingIfNeeded: hash &>> UInt64(60 - 4 * shift)) & 15
      digits.append(digit < 10 ? 48 + digit : 87 + digit)
    }
    return Text(bytes: digits)
  }

  private static func hash(_ names: [Text]) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for name in names {
      for byte in name.bytes + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    return hash
  }
}

@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Onnx.self, request)
}
