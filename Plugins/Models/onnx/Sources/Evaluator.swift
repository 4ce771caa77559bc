import COnnxRuntime
import GantrySDK

/// A session with its tensors laid out: nothing is allocated here per run.
///
/// The tensors are over memory of this value; the library writes outputs where they are read.
struct Evaluator {
  /// One tensor's memory and how it is filled or read.
  private struct Tensor {
    var data: UnsafeMutableRawPointer
    var element: Int32
    var count: Int
    var offset = 0
    var width = 0
    var takesWindow = false
    var isColumnsFirst = false
  }

  let api: UnsafePointer<ort_api>
  var session: OpaquePointer?
  private let inputCount: Int
  private let outputCount: Int
  private let tensors: UnsafeMutablePointer<Tensor>
  private let values: UnsafeMutablePointer<OpaquePointer?>
  private let names: UnsafeMutablePointer<UnsafePointer<CChar>?>

  /// - Parameter outputs: names, elements and shapes of the outputs that are fetched
  init(_ runtime: OnnxRuntime, session: OpaquePointer?, inputs: [InputPlan.Input], outputs: [(name: Text, element: Int32, shape: [Int64])]) throws(Failure) {
    api = runtime.api
    self.session = session
    inputCount = inputs.count
    outputCount = outputs.count
    let count = inputs.count + outputs.count
    tensors = .allocate(capacity: count)
    values = .allocate(capacity: count)
    values.initialize(repeating: nil, count: count)
    names = .allocate(capacity: count)
    for (index, input) in inputs.enumerated() {
      tensors[index] = Evaluator.tensor(input.element, input.shape)
      tensors[index].offset = input.offset
      tensors[index].width = input.width
      tensors[index].takesWindow = input.takesWindow
      tensors[index].isColumnsFirst = input.isColumnsFirst
      names[index] = Evaluator.copy(input.name)
    }
    for (index, output) in outputs.enumerated() {
      tensors[inputs.count + index] = Evaluator.tensor(output.element, output.shape)
      names[inputs.count + index] = Evaluator.copy(output.name)
    }
    var memory: OpaquePointer?
    do throws(Failure) {
      try runtime.check("describe memory", ort_create_cpu_memory(api, 0, 0, &memory))
      for index in 0..<count {
        let shape = index < inputs.count ? inputs[index].shape : outputs[index - inputs.count].shape
        let tensor = tensors[index]
        try runtime.check(
          "make a tensor",
          ort_create_tensor(api, memory, tensor.data, tensor.count * Evaluator.size(tensor.element), shape, shape.count, tensor.element, values + index))
      }
    } catch {
      if let memory { ort_release_memory(api, memory) }
      destroy()
      throw error
    }
    ort_release_memory(api, memory)
  }

  func destroy() {
    for index in 0..<(inputCount + outputCount) {
      if let value = values[index] { ort_release_value(api, value) }
      tensors[index].data.deallocate()
      names[index]?.deallocate()
    }
    tensors.deallocate()
    values.deallocate()
    names.deallocate()
  }

  /// Fills the inputs from a gathered row, or from the rows of the window.
  func fill(_ row: UnsafePointer<Double>, window: Window?, instrument: UInt32) {
    for index in 0..<inputCount {
      let tensor = tensors[index]
      guard tensor.takesWindow, let window else {
        for column in 0..<tensor.width { store(row[tensor.offset &+ column], tensor, column) }
        continue
      }
      for age in 0..<window.length {
        let past = window.row(age, instrument: instrument) + tensor.offset
        if tensor.isColumnsFirst {
          for column in 0..<tensor.width { store(past[column], tensor, column &* window.length &+ age) }
        } else {
          for column in 0..<tensor.width { store(past[column], tensor, age &* tensor.width &+ column) }
        }
      }
    }
  }

  @inline(__always)
  private func store(_ number: Double, _ tensor: Tensor, _ index: Int) {
    if tensor.element == ORT_ELEMENT_FLOAT {
      tensor.data.assumingMemoryBound(to: Float.self)[index] = Float(number)
    } else {
      tensor.data.assumingMemoryBound(to: Double.self)[index] = number
    }
  }

  /// Runs the model on what was filled in; a status is the caller's to release.
  @inline(__always)
  func run() -> OpaquePointer? {
    ort_run(api, session, nil, names, values, inputCount, names + inputCount, outputCount, values + inputCount)
  }

  /// One number of an output that was fetched.
  @inline(__always)
  func number(_ output: Int, _ index: Int) -> Double {
    let tensor = tensors[inputCount &+ output]
    switch tensor.element {
    case ORT_ELEMENT_FLOAT: return Double(tensor.data.assumingMemoryBound(to: Float.self)[index])
    case ORT_ELEMENT_DOUBLE: return tensor.data.assumingMemoryBound(to: Double.self)[index]
    default: return Double(integer(output, index))
    }
  }

  @inline(__always)
  func integer(_ output: Int, _ index: Int) -> Int64 {
    let tensor = tensors[inputCount &+ output]
    switch tensor.element {
    case ORT_ELEMENT_INT64: return tensor.data.assumingMemoryBound(to: Int64.self)[index]
    case ORT_ELEMENT_INT32: return Int64(tensor.data.assumingMemoryBound(to: Int32.self)[index])
    default: return Int64(tensor.data.assumingMemoryBound(to: UInt8.self)[index])
    }
  }

  /// Runs the model once on zeros and says what comes out of each output that is a tensor.
  func probe(_ runtime: OnnxRuntime, _ slots: [Session.Slot]) throws(Failure) -> [OutputPlan.Output] {
    var outputs: [OutputPlan.Output] = []
    for slot in slots { outputs.append(OutputPlan.Output(slot: slot, shape: nil)) }
    for (index, slot) in slots.enumerated() where slot.kind == ORT_KIND_TENSOR {
      let name = Evaluator.copy(slot.name)
      defer { name.deallocate() }
      var asked: UnsafePointer<CChar>? = name
      var value: OpaquePointer?
      if let reason = runtime.message(ort_run(api, session, nil, names, values, inputCount, &asked, 1, &value)) {
        throw Failure.invalid("the model cannot be run on a row of zeros: \(reason); run it in Python with onnxruntime on such a row, and export it again")
      }
      defer { if let value { ort_release_value(api, value) } }
      var tensor: OpaquePointer?
      try runtime.check("describe an output", ort_shape_of_value(api, value, &tensor))
      defer { ort_release_shape(api, tensor) }
      let (element, shape) = try Session.shape(runtime, tensor)
      outputs[index].slot.element = element
      outputs[index].shape = shape
    }
    return outputs
  }

  private static func tensor(_ element: Int32, _ shape: [Int64]) -> Tensor {
    var count = 1
    for dimension in shape { count *= Int(dimension) }
    let bytes = max(count * size(element), 8)
    let data = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    data.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return Tensor(data: data, element: element, count: count)
  }

  private static func size(_ element: Int32) -> Int {
    switch element {
    case ORT_ELEMENT_DOUBLE, ORT_ELEMENT_INT64: 8
    case ORT_ELEMENT_BOOL: 1
    default: 4
    }
  }

  private static func copy(_ text: Text) -> UnsafePointer<CChar> {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.bytes.count + 1)
    for (index, byte) in text.bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
    copy[text.bytes.count] = 0
    return UnsafePointer(copy)
  }
}
