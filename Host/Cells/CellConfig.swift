import CGantry
import GantryBase

/// The argument of configure and the values of gantry.params-live/1, as bytes and back.
enum CellConfig {
  static func encode(_ config: UnsafePointer<gantry_config>) -> [UInt8] {
    var writer = CellWriter()
    let value = config.pointee
    writer.add(value.clock)
    writer.add(value.graph)
    writer.add(value.node)
    writer.add(value.instrument_count)
    add(value.values, value.value_count, &writer)
    writer.add(value.input_count)
    for index in 0..<Int(value.input_count) {
      let input = value.inputs[index]
      let schema = input.schema.pointee
      writer.add(input.port)
      writer.add(input.edge)
      writer.add(input.is_feedback)
      writer.add(input.from_node)
      writer.add(input.from_port)
      writer.add(schema.type)
      writer.add(schema.stride)
      writer.add(schema.fingerprint)
      writer.add(schema.column_count)
      for column in 0..<Int(schema.column_count) { writer.add(schema.columns[column]) }
    }
    return writer.bytes
  }

  static func encode(_ values: UnsafePointer<gantry_value>?, _ count: UInt32) -> [UInt8] {
    var writer = CellWriter()
    add(values, count, &writer)
    return writer.bytes
  }

  private static func add(_ values: UnsafePointer<gantry_value>?, _ count: UInt32, _ writer: inout CellWriter) {
    writer.add(count)
    for index in 0..<Int(count) {
      guard let value = values?[index] else { continue }
      writer.add(value.type)
      writer.add(value.is_set)
      writer.add(value.digits)
      writer.add(value.integer)
      writer.add(value.number)
      writer.add(value.text)
      writer.add(value.bytes.data, value.bytes.length)
      writer.add(value.count)
      let texts = value.type == GANTRY_PARAM_TEXTS ? value.texts : nil
      let numbers = value.type == GANTRY_PARAM_NUMBERS ? value.numbers : nil
      for place in 0..<Int(value.count) {
        if let texts { writer.add(texts[place]) }
        if let numbers { writer.add(numbers[place]) }
      }
    }
  }
}

/// The ABI's structures, rebuilt from bytes in the cell. Its memory lives as long as it does.
final class CellStructures {
  private var owned: [UnsafeMutableRawPointer] = []

  deinit { for pointer in owned { pointer.deallocate() } }

  func array<Value>(_ count: Int, of type: Value.Type) -> UnsafeMutablePointer<Value> {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<Value>.stride, alignment: max(MemoryLayout<Value>.alignment, 8))
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1) * MemoryLayout<Value>.stride)
    owned.append(memory)
    return memory.assumingMemoryBound(to: type)
  }

  func bytes(_ value: [UInt8]) -> gantry_bytes {
    let memory = array(value.count, of: UInt8.self)
    memory.update(from: value, count: value.count)
    return gantry_bytes(data: UnsafePointer(memory), length: UInt64(value.count))
  }

  func text(_ value: [UInt8]) -> gantry_string {
    guard !value.isEmpty else { return gantry_string(data: nil, length: 0) }
    let copy = bytes(value)
    return gantry_string(data: UnsafeRawPointer(copy.data!).assumingMemoryBound(to: CChar.self), length: copy.length)
  }

  func text(_ value: String) -> gantry_string { text(Array(value.utf8)) }

  /// The values of a message; nil when it is damaged.
  func values(_ reader: inout CellReader) -> (pointer: UnsafePointer<gantry_value>, count: UInt32)? {
    let count = reader.number(UInt32.self)
    guard count <= 65_536 else { return nil }
    let list = array(Int(count), of: gantry_value.self)
    for index in 0..<Int(count) {
      var value = gantry_value()
      value.size = UInt32(MemoryLayout<gantry_value>.size)
      value.type = reader.number()
      value.is_set = reader.number()
      value.digits = reader.number()
      value.integer = reader.number()
      value.number = reader.double()
      value.text = text(reader.raw())
      let raw = reader.raw()
      if !raw.isEmpty { value.bytes = bytes(raw) }
      value.count = reader.number()
      guard value.count <= 1 << 24, !reader.isDamaged else { return nil }
      if value.type == GANTRY_PARAM_TEXTS {
        let texts = array(Int(value.count), of: gantry_string.self)
        for place in 0..<Int(value.count) { texts[place] = text(reader.raw()) }
        value.texts = UnsafePointer(texts)
      } else if value.type == GANTRY_PARAM_NUMBERS {
        let numbers = array(Int(value.count), of: Double.self)
        for place in 0..<Int(value.count) { numbers[place] = reader.double() }
        value.numbers = UnsafePointer(numbers)
      }
      list[index] = value
    }
    return reader.isDamaged ? nil : (UnsafePointer(list), count)
  }

  /// The whole argument of configure but for `context` and `set_columns`; nil when it is damaged.
  func config(_ bytes: [UInt8]) -> UnsafeMutablePointer<gantry_config>? {
    var reader = CellReader(bytes)
    let config = array(1, of: gantry_config.self)
    config.pointee.size = UInt32(MemoryLayout<gantry_config>.size)
    config.pointee.clock = reader.number()
    config.pointee.graph = text(reader.raw())
    config.pointee.node = text(reader.raw())
    config.pointee.instrument_count = reader.number()
    guard let values = values(&reader) else { return nil }
    config.pointee.values = values.pointer
    config.pointee.value_count = values.count
    let count = reader.number(UInt32.self)
    guard count <= 65_536, !reader.isDamaged else { return nil }
    let inputs = array(Int(count), of: gantry_input.self)
    for index in 0..<Int(count) {
      inputs[index].size = UInt32(MemoryLayout<gantry_input>.size)
      inputs[index].port = reader.number()
      inputs[index].edge = reader.number()
      inputs[index].is_feedback = reader.number()
      inputs[index].from_node = text(reader.raw())
      inputs[index].from_port = text(reader.raw())
      let schema = array(1, of: gantry_schema.self)
      schema.pointee.size = UInt32(MemoryLayout<gantry_schema>.size)
      schema.pointee.type = reader.number()
      schema.pointee.stride = reader.number()
      schema.pointee.fingerprint = reader.number()
      let columns = reader.number(UInt32.self)
      guard columns <= 65_536, !reader.isDamaged else { return nil }
      let names = array(Int(columns), of: gantry_string.self)
      for column in 0..<Int(columns) { names[column] = text(reader.raw()) }
      schema.pointee.column_count = columns
      schema.pointee.columns = UnsafePointer(names)
      inputs[index].schema = UnsafePointer(schema)
    }
    config.pointee.inputs = UnsafePointer(inputs)
    config.pointee.input_count = count
    return reader.isDamaged ? nil : config
  }
}
