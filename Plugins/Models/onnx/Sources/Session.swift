import COnnxRuntime
import GantrySDK

/// A model that ONNX Runtime has read and optimised, with what it says of itself.
///
/// `release` frees it; nothing else does.
struct Session {
  /// One input or output as the model declares it.
  struct Slot {
    var name: Text
    /// An ORT_KIND_; the rest is for tensors.
    var kind: Int32
    /// An ORT_ELEMENT_.
    var element: Int32
    /// -1 where it is dynamic.
    var shape: [Int64]
    /// The names of dynamic dimensions, empty where they have none.
    var symbols: [Text]

    /// The shape as text: `float [batch, 4]`.
    var text: Text {
      if kind == ORT_KIND_SEQUENCE { return "a sequence" }
      if kind == ORT_KIND_MAP { return "a map" }
      if kind != ORT_KIND_TENSOR { return "no tensor" }
      var text: Text = "\(elementName(element)) ["
      for (index, dimension) in shape.enumerated() {
        if index > 0 { text = "\(text), " }
        if dimension >= 0 {
          text = "\(text)\(dimension)"
        } else {
          text = symbols[index].bytes.isEmpty ? "\(text)?" : "\(text)\(symbols[index])"
        }
      }
      return "\(text)]"
    }
  }

  let runtime: OnnxRuntime
  private(set) var inputs: [Slot] = []
  private(set) var outputs: [Slot] = []
  /// The model's own version number; 0 where it has none.
  private(set) var modelVersion: Int64 = 0
  /// Names of columns in the model's metadata, under the key `columns`; nil where it has none.
  private(set) var columns: [Text]?
  private var environment: OpaquePointer?
  private(set) var session: OpaquePointer?

  /// Reads a model. With one thread of each kind none is made: everything runs on the caller's.
  init(_ runtime: OnnxRuntime, _ model: UnsafeRawBufferPointer, file: Text, intraThreads: Int, interThreads: Int) throws(Failure) {
    self.runtime = runtime
    do throws(Failure) {
      try open(model, file: file, intraThreads: intraThreads, interThreads: interThreads)
      try describe()
    } catch {
      release()
      throw error
    }
  }

  mutating func release() {
    if let session { ort_release_session(runtime.api, session) }
    if let environment { ort_release_env(runtime.api, environment) }
    session = nil
    environment = nil
  }

  private mutating func open(_ model: UnsafeRawBufferPointer, file: Text, intraThreads: Int, interThreads: Int) throws(Failure) {
    let api = runtime.api
    try runtime.check("begin", ort_create_env(api, 4, "gantry", &environment))
    var options: OpaquePointer?
    try runtime.check("make options", ort_create_options(api, &options))
    defer { ort_release_options(api, options) }
    try runtime.check("limit its threads", ort_set_intra_threads(api, options, Int32(intraThreads)))
    try runtime.check("limit its threads", ort_set_inter_threads(api, options, Int32(interThreads)))
    try runtime.check("set its mode", ort_set_execution_mode(api, options, interThreads > 1 ? 1 : 0))
    // Threads that wait sleep: a lane's cores are not theirs to burn.
    try runtime.check("let threads sleep", ort_add_config(api, options, "session.intra_op.allow_spinning", "0"))
    try runtime.check("let threads sleep", ort_add_config(api, options, "session.inter_op.allow_spinning", "0"))
    if let reason = runtime.message(ort_create_session(api, environment, model.baseAddress, model.count, options, &session)) {
      throw Failure.invalid("\(file): ONNX Runtime \(runtime.version) refuses the model: \(reason); \(remedy(for: reason))")
    }
  }

  private func remedy(for reason: Text) -> Text {
    if reason.contains("is not a registered function/op") || reason.contains("No opset import for domain") || reason.contains("custom op") {
      return "it has operators of its own, which are not loaded: export it with standard operators only, or run it with the `python` plugin"
    }
    if reason.contains("opset") || reason.contains("IR version") {
      return "it was written for a newer ONNX: update with `python3 -m pip install --upgrade onnxruntime`, or export it with a lower target_opset"
    }
    if reason.contains("protobuf") || reason.contains("does not have a graph") || reason.contains("No graph was found") {
      return "the file is damaged, cut off or no ONNX model: export it again, and compare its size and hash"
    }
    if reason.contains("external") || reason.contains("model_path") {
      return "its weights are in files beside it: save it in one file with onnx.save(model, path, save_as_external_data=False)"
    }
    return "check it in Python with onnx.checker.check_model, and export it again"
  }

  private mutating func describe() throws(Failure) {
    let api = runtime.api
    var allocator: OpaquePointer?
    try runtime.check("give its allocator", ort_default_allocator(api, &allocator))
    guard let allocator else { throw Failure.bug("ONNX Runtime gave no allocator") }
    var count = 0
    try runtime.check("count inputs", ort_input_count(api, session, &count))
    for index in 0..<count {
      var name: UnsafeMutablePointer<CChar>?
      var type: OpaquePointer?
      try runtime.check("name an input", ort_input_name(api, session, index, allocator, &name))
      try runtime.check("describe an input", ort_input_type(api, session, index, &type))
      inputs.append(try slot(runtime.take(name, allocator), type))
    }
    try runtime.check("count outputs", ort_output_count(api, session, &count))
    for index in 0..<count {
      var name: UnsafeMutablePointer<CChar>?
      var type: OpaquePointer?
      try runtime.check("name an output", ort_output_name(api, session, index, allocator, &name))
      try runtime.check("describe an output", ort_output_type(api, session, index, &type))
      outputs.append(try slot(runtime.take(name, allocator), type))
    }
    try readMetadata(allocator)
  }

  /// Takes over `type`.
  private func slot(_ name: Text, _ type: OpaquePointer?) throws(Failure) -> Slot {
    let api = runtime.api
    defer { if let type { ort_release_type(api, type) } }
    var slot = Slot(name: name, kind: 0, element: 0, shape: [], symbols: [])
    try runtime.check("describe a type", ort_kind_of_type(api, type, &slot.kind))
    if slot.kind != ORT_KIND_TENSOR { return slot }
    var tensor: OpaquePointer?
    try runtime.check("describe a tensor", ort_tensor_of_type(api, type, &tensor))
    (slot.element, slot.shape) = try Session.shape(runtime, tensor)
    var symbols = [UnsafePointer<CChar>?](repeating: nil, count: max(slot.shape.count, 1))
    try runtime.check("name dimensions", ort_symbols_of(api, tensor, &symbols, slot.shape.count))
    for index in 0..<slot.shape.count { slot.symbols.append(symbols[index].map { Text(cString: $0) } ?? "") }
    return slot
  }

  static func shape(_ runtime: OnnxRuntime, _ tensor: OpaquePointer?) throws(Failure) -> (element: Int32, shape: [Int64]) {
    var element: Int32 = 0
    var rank = 0
    try runtime.check("describe a tensor", ort_element_of(runtime.api, tensor, &element))
    try runtime.check("describe a tensor", ort_rank_of(runtime.api, tensor, &rank))
    var shape = [Int64](repeating: 0, count: max(rank, 1))
    try runtime.check("describe a tensor", ort_dimensions_of(runtime.api, tensor, &shape, rank))
    shape.removeLast(shape.count - rank)
    return (element, shape)
  }

  private mutating func readMetadata(_ allocator: OpaquePointer) throws(Failure) {
    let api = runtime.api
    var metadata: OpaquePointer?
    try runtime.check("read metadata", ort_session_metadata(api, session, &metadata))
    defer { ort_release_metadata(api, metadata) }
    try runtime.check("read the version", ort_metadata_version(api, metadata, &modelVersion))
    var value: UnsafeMutablePointer<CChar>?
    try runtime.check("read metadata", ort_metadata_entry(api, metadata, allocator, "columns", &value))
    if value != nil { columns = runtime.take(value, allocator).split(on: 44) }
  }
}

/// An element type in numpy's words.
func elementName(_ element: Int32) -> Text {
  switch element {
  case ORT_ELEMENT_FLOAT: "float"
  case ORT_ELEMENT_DOUBLE: "double"
  case ORT_ELEMENT_INT32: "int32"
  case ORT_ELEMENT_INT64: "int64"
  case ORT_ELEMENT_STRING: "string"
  case ORT_ELEMENT_BOOL: "bool"
  case 2: "uint8"
  case 3: "int8"
  case 10: "float16"
  case 16: "bfloat16"
  default: "type \(Int(element))"
  }
}

extension Text {
  func contains(_ part: StaticString) -> Bool {
    let count = part.utf8CodeUnitCount
    guard bytes.count >= count else { return false }
    for start in 0...(bytes.count - count) {
      var index = 0
      while index < count, bytes[start + index] == part.utf8Start[index] { index += 1 }
      if index == count { return true }
    }
    return false
  }

  /// The parts between separators, without blanks around them; empty ones are left out.
  func split(on separator: UInt8) -> [Text] {
    var parts: [Text] = []
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == separator {
      var part = bytes[start..<index]
      while part.first == 32 { part.removeFirst() }
      while part.last == 32 { part.removeLast() }
      if !part.isEmpty { parts.append(Text(bytes: [UInt8](part))) }
      start = index + 1
    }
    return parts
  }
}

/// Names with commas between them; of a long list the first ones.
func list(_ names: [Text]) -> Text {
  if names.isEmpty { return "none" }
  var text: Text = ""
  for (index, name) in names.enumerated() {
    if index == 24 { return "\(text) and \(names.count - index) more" }
    text = index == 0 ? name : "\(text), \(name)"
  }
  return text
}
