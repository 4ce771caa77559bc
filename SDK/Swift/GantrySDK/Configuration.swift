import CGantry

/// The typed parameters and inputs of one instance, as the host checked them.
/// Borrowed: what is needed is copied.
public struct Configuration: ~Copyable {
  public let raw: UnsafePointer<gantry_config>

  init(_ raw: UnsafePointer<gantry_config>) { self.raw = raw }

  /// The value at `index`, the position of the parameter in the descriptor.
  public func value(_ index: Int) -> gantry_value {
    precondition(index >= 0 && index < Int(raw.pointee.value_count))
    return raw.pointee.values[index]
  }

  public func isSet(_ index: Int) -> Bool { value(index).is_set != 0 }
  public func bool(_ index: Int) -> Bool { value(index).integer != 0 }
  /// An integer, a duration in nanoseconds, a choice's index or an instrument's id.
  public func integer(_ index: Int) -> Int64 { value(index).integer }
  public func number(_ index: Int) -> Double { value(index).number }
  public func text(_ index: Int) -> TextView { TextView(value(index).text) }
  public func decimal(_ index: Int) -> Decimal {
    Decimal(mantissa: value(index).integer, digits: value(index).digits)
  }
  /// The bytes of an artifact, valid until configure returns.
  public func artifact(_ index: Int) -> UnsafeRawBufferPointer {
    let bytes = value(index).bytes
    return UnsafeRawBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : Int(bytes.length))
  }
  /// The number of entries of a list.
  public func count(_ index: Int) -> Int { Int(value(index).count) }
  public func text(_ index: Int, at position: Int) -> TextView {
    precondition(position >= 0 && position < count(index))
    return TextView(value(index).texts[position])
  }
  public func number(_ index: Int, at position: Int) -> Double {
    precondition(position >= 0 && position < count(index))
    return value(index).numbers[position]
  }

  public var isLive: Bool { raw.pointee.clock == 2 }
  public var node: TextView { TextView(raw.pointee.node) }
  public var graph: TextView { TextView(raw.pointee.graph) }
  public var instrumentCount: Int { Int(raw.pointee.instrument_count) }
  public var inputCount: Int { Int(raw.pointee.input_count) }

  /// Edge `index`, in the order of `from`.
  public func input(_ index: Int) -> gantry_input {
    precondition(index >= 0 && index < inputCount)
    return raw.pointee.inputs[index]
  }

  /// The schema of the first edge into `port`, or nil when nothing is connected there.
  public func schema(ofPort port: Int) -> Schema? {
    for index in 0..<inputCount where Int(input(index).port) == port { return Schema(input(index).schema) }
    return nil
  }

  /// Names the columns of a features output.
  public func setColumns(_ port: Int, _ names: [Text]) throws(Failure) {
    let views = UnsafeMutablePointer<gantry_string>.allocate(capacity: max(names.count, 1))
    var copies: [UnsafeMutablePointer<UInt8>] = []
    for (index, name) in names.enumerated() {
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(name.bytes.count, 1))
      for (offset, byte) in name.bytes.enumerated() { copy[offset] = byte }
      copies.append(copy)
      views[index] = gantry_string(
        data: UnsafeRawPointer(copy).assumingMemoryBound(to: CChar.self), length: UInt64(name.bytes.count))
    }
    let status = raw.pointee.set_columns(raw, UInt32(port), views, UInt64(names.count))
    for copy in copies { copy.deallocate() }
    views.deallocate()
    if status != 0 { throw Failure(status, "the host refused the names of the output columns") }
  }
}

/// An exact decimal number: `mantissa` * 10^-`digits`.
public struct Decimal: Equatable, Sendable {
  public var mantissa: Int64
  public var digits: UInt32

  public init(mantissa: Int64, digits: UInt32) {
    self.mantissa = mantissa
    self.digits = digits
  }

  /// The same value with `digits` digits, or nil when that would lose something or overflow.
  public func scaled(to digits: UInt32) -> Int64? {
    var value = mantissa
    var have = self.digits
    while have < digits {
      let (next, overflow) = value.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      value = next
      have += 1
    }
    while have > digits {
      if value % 10 != 0 { return nil }
      value /= 10
      have -= 1
    }
    return value
  }
}
