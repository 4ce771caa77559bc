import CGantry
import GantryBase
import GantryGraph
import GantryModels

#if canImport(Glibc)
  import Glibc
#endif

/// An artifact that a node was configured with: its bytes are journaled.
public struct ArtifactUse: Sendable, Equatable {
  public var node: Int
  public var parameter: String
  public var path: String
  /// The model that it comes from, where the graph names one.
  public var model: Model?
  public var bytes: [UInt8]
}

/// The memory behind one `gantry_config`: built for one call of configure, freed after it.
final class ConfigMemory {
  let config: UnsafeMutablePointer<gantry_config>
  /// Columns that the plugin named, by output port.
  private(set) var columns: [Int: [String]] = [:]
  private var owned: [UnsafeMutableRawPointer] = []
  private let outputs: [PortDescription]

  init(graph: Graph, node: Int, inputs: [PortSchema], artifacts: inout [ArtifactUse]) throws(GantryError) {
    config = .allocate(capacity: 1)
    config.initialize(to: gantry_config())
    let graphNode = graph.nodes[node]
    outputs = graphNode.plugin.outputs
    config.pointee.size = UInt32(MemoryLayout<gantry_config>.size)
    config.pointee.clock = graph.clock == .live ? 2 : 1
    config.pointee.graph = text(graph.name)
    config.pointee.node = text(graphNode.name)
    config.pointee.instrument_count = UInt32(graph.instruments.count)
    config.pointee.values = try values(graphNode, node: node, artifacts: &artifacts)
    config.pointee.value_count = UInt32(graphNode.parameters.count)
    config.pointee.inputs = edges(graph, graphNode, inputs)
    config.pointee.input_count = UInt32(graphNode.inputs.count)
    config.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    config.pointee.set_columns = { config, port, names, count in
      guard let context = config?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<ConfigMemory>.fromOpaque(context)._withUnsafeGuaranteedRef {
        $0.setColumns(Int(port), names, count)
      }
    }
  }

  func deallocate() {
    for pointer in owned { pointer.deallocate() }
    owned = []
    config.deallocate()
  }

  private func setColumns(_ port: Int, _ names: UnsafePointer<gantry_string>?, _ count: UInt64) -> gantry_status {
    guard port < outputs.count, outputs[port].type == .features else { return GANTRY_MISUSE }
    guard count <= 4096 else { return GANTRY_FULL }
    var list: [String] = []
    for index in 0..<Int(count) {
      guard let name = names.flatMap({ swiftText($0[index], limit: 256) }), !name.isEmpty, !list.contains(name)
      else { return GANTRY_INVALID }
      list.append(name)
    }
    columns[port] = list
    return GANTRY_OK
  }

  private func allocate<Value>(_ count: Int, of type: Value.Type) -> UnsafeMutablePointer<Value> {
    let pointer = UnsafeMutablePointer<Value>.allocate(capacity: max(count, 1))
    owned.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  private func text(_ value: String) -> gantry_string {
    let result = permanentText(value)
    if let data = result.data { owned.append(UnsafeMutableRawPointer(mutating: data)) }
    return result
  }

  private func edges(_ graph: Graph, _ node: GraphNode, _ schemas: [PortSchema]) -> UnsafePointer<gantry_input> {
    let list = allocate(node.inputs.count, of: gantry_input.self)
    var edgeNumbers: [Int: UInt32] = [:]
    for (index, edge) in node.inputs.enumerated() {
      let schema = allocate(1, of: gantry_schema.self)
      let names = allocate(schemas[index].columns.count, of: gantry_string.self)
      for (position, column) in schemas[index].columns.enumerated() { (names + position).initialize(to: text(column)) }
      schema.initialize(
        to: gantry_schema(
          size: UInt32(MemoryLayout<gantry_schema>.size), type: schemas[index].type.rawValue,
          stride: UInt32(schemas[index].stride), column_count: UInt32(schemas[index].columns.count),
          columns: UnsafePointer(names), fingerprint: schemas[index].fingerprint))
      let number = edgeNumbers[edge.toPort, default: 0]
      edgeNumbers[edge.toPort] = number + 1
      let from = graph.nodes[edge.fromNode]
      (list + index).initialize(
        to: gantry_input(
          size: UInt32(MemoryLayout<gantry_input>.size), port: UInt32(edge.toPort), edge: number,
          is_feedback: edge.isFeedback ? 1 : 0, from_node: text(from.name),
          from_port: text(from.plugin.outputs[edge.fromPort].name), schema: UnsafePointer(schema)))
    }
    return UnsafePointer(list)
  }

  private func values(
    _ node: GraphNode, node index: Int, artifacts: inout [ArtifactUse]
  ) throws(GantryError) -> UnsafePointer<gantry_value> {
    let list = allocate(node.parameters.count, of: gantry_value.self)
    for (position, value) in node.parameters.enumerated() {
      var raw = gantry_value()
      raw.size = UInt32(MemoryLayout<gantry_value>.size)
      raw.type = node.plugin.parameters[position].kind.rawValue
      raw.is_set = 1
      switch value {
      case .unset: raw.is_set = 0
      case .bool(let on): raw.integer = on ? 1 : 0
      case .integer(let number):
        raw.integer = number
        raw.number = Double(number)
      case .number(let number): raw.number = number
      case .decimal(let mantissa, let digits):
        raw.integer = mantissa
        raw.digits = digits
        raw.number = Double(mantissa) / pow10(digits)
      case .durationNs(let ns):
        raw.integer = ns
        raw.number = Double(ns) / 1e9
      case .text(let value), .secret(let value), .path(let value): raw.text = text(value)
      case .choice(let choice, let name):
        raw.integer = Int64(choice)
        raw.text = text(name)
      case .artifact(let path):
        let bytes = try readFile(path, limit: 2 << 30, at: node.parameterPlaces.indices.contains(position) ? node.parameterPlaces[position] : nil)
        if let model = node.models[position], ModelDigest.sha256(bytes) != model.card.sha256 {
          throw GantryError(
            ModelCode.changed.rawValue, "\(path) of \(model.title) was changed after it had been checked",
            at: node.parameterPlaces.indices.contains(position) ? node.parameterPlaces[position] : nil,
            help: ["a version never changes: put the file back, or add the new one with `gantry model add`"])
        }
        raw.text = text(path)
        let copy = allocate(bytes.count, of: UInt8.self)
        copy.initialize(from: bytes, count: bytes.count)
        raw.bytes = gantry_bytes(data: UnsafePointer(copy), length: UInt64(bytes.count))
        artifacts.append(
          ArtifactUse(node: index, parameter: node.plugin.parameters[position].name, path: path, model: node.models[position], bytes: bytes))
      case .instrument(let id, let symbol):
        raw.integer = Int64(id)
        raw.text = text(symbol)
      case .texts(let values):
        let texts = allocate(values.count, of: gantry_string.self)
        for (number, value) in values.enumerated() { (texts + number).initialize(to: text(value)) }
        raw.texts = UnsafePointer(texts)
        raw.count = UInt64(values.count)
      case .numbers(let values):
        let numbers = allocate(values.count, of: Double.self)
        numbers.initialize(from: values, count: values.count)
        raw.numbers = UnsafePointer(numbers)
        raw.count = UInt64(values.count)
      }
      (list + position).initialize(to: raw)
    }
    return UnsafePointer(list)
  }

  private func pow10(_ digits: UInt32) -> Double {
    var result = 1.0
    for _ in 0..<digits { result *= 10 }
    return result
  }
}

/// The bytes of a regular file, at most `limit` of them.
public func readFile(_ path: String, limit: Int, at place: Place? = nil) throws(GantryError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    throw GantryError("runtime.no-file", "cannot open \(path): \(String(cString: strerror(errno)))", at: place)
  }
  defer { close(descriptor) }
  var info = stat()
  guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
    throw GantryError("runtime.no-file", "\(path) is not a regular file", at: place)
  }
  guard info.st_size <= limit else {
    throw GantryError(
      "runtime.file-too-large", "\(path) has \(info.st_size) bytes, more than the \(limit) that are taken", at: place)
  }
  let size = Int(info.st_size)
  var failure: Int32 = 0
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while count < size {
      let got = read(descriptor, buffer.baseAddress! + count, size - count)
      if got < 0 {
        if errno == EINTR { continue }
        failure = errno
        return
      }
      if got == 0 { return }
      count += got
    }
  }
  if failure != 0 {
    throw GantryError("runtime.no-file", "cannot read \(path): \(String(cString: strerror(failure)))", at: place)
  }
  return bytes
}
