import CGantry

/// The host's functions for one instance. A copy of two pointers; valid until the instance ends.
public struct Host: @unchecked Sendable {  // the tables are constant, and the host guards its calls
  @usableFromInline let table: UnsafePointer<gantry_host>
  @usableFromInline let node: OpaquePointer

  init(_ table: UnsafePointer<gantry_host>, _ node: OpaquePointer) {
    self.table = table
    self.node = node
  }

  public enum Severity: UInt32 { case trace = 0, debug, info, warning, error }

  /// `host->log`
  public func log(_ severity: Severity, _ text: Text) {
    text.withABI { table.pointee.log(node, severity.rawValue, $0) }
  }
  /// `host->now`
  @inline(__always) public var now: Int64 { table.pointee.now(node) }
  /// `host->random`
  @inline(__always) public func random() -> UInt64 { table.pointee.random(node) }
  /// A double in 0..<1, of 53 random bits.
  @inline(__always) public func uniform() -> Double { Double(random() >> 11) * 0x1p-53 }
  /// `host->next_id`
  @inline(__always) public func nextID() -> UInt64 { table.pointee.next_id(node) }
  /// `host->set_timer`
  public func setTimer(at dueNs: Int64, tag: UInt64) throws(Failure) {
    let status = table.pointee.set_timer(node, dueNs, tag)
    if status != 0 { throw Failure(status, "the host refused a timer") }
  }
  /// `host->cancel_timer`; false when there was none.
  public func cancelTimer(tag: UInt64) -> Bool { table.pointee.cancel_timer(node, tag) == 0 }
  /// `host->instrument`
  public func instrument(_ id: UInt32) -> gantry_instrument? {
    var instrument = gantry_instrument()
    instrument.size = UInt32(MemoryLayout<gantry_instrument>.size)
    return table.pointee.instrument(node, id, &instrument) == 0 ? instrument : nil
  }
  /// `host->currency`
  public func currency(_ index: UInt32) -> gantry_currency? {
    var currency = gantry_currency()
    currency.size = UInt32(MemoryLayout<gantry_currency>.size)
    return table.pointee.currency(node, index, &currency) == 0 ? currency : nil
  }
  /// `host->model_ref`
  public func modelReference(name: Text, version: Text) -> UInt32 {
    name.withABI { name in version.withABI { table.pointee.model_ref(node, name, $0) } }
  }
  /// `host->define_metric`
  public func defineMetric(
    _ name: StaticString, counter: Bool = false, unit: StaticString = "", help: StaticString
  ) -> UInt32 {
    table.pointee.define_metric(node, counter ? 1 : 2, name.abi, unit.abi, help.abi)
  }
  /// `host->update_metric`
  @inline(__always)
  public func updateMetric(_ metric: UInt32, _ value: Double) { table.pointee.update_metric(node, metric, value) }

  /// `host->get_extension` for `gantry.chain/1`
  public var chain: ChainNotes? {
    guard let raw = table.pointee.get_extension(node, ("gantry.chain/1" as StaticString).abi) else { return nil }
    return ChainNotes(table: raw.assumingMemoryBound(to: gantry_chain_host.self), node: node)
  }

  func fail(_ failure: Failure) -> gantry_status {
    failure.text.withABI { table.pointee.fail(node, failure.status, failure.retryable ? 1 : 0, $0) }
  }
}

/// `gantry.chain/1`: notes on the current hop.
public struct ChainNotes: @unchecked Sendable {  // constant tables of the host
  let table: UnsafePointer<gantry_chain_host>
  let node: OpaquePointer

  @inline(__always)
  public func note(cause: Int, _ key: StaticString, _ value: StaticString) {
    table.pointee.note(node, UInt32(truncatingIfNeeded: cause), key.abi, value.abi)
  }
}
