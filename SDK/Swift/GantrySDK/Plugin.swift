import CGantry

/// What a plugin author writes: one type that conforms to this, and one entry line.
///
///     struct Doubler: Plugin {
///       static var descriptor: Descriptor { ... }
///       init(host: Host) {}
///       mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) { ... }
///     }
///     @c(gantry_plugin_entry)
///     public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
///       exportPlugin(Doubler.self, request)
///     }
///
/// Everything but the descriptor and `init` has a default. The threads and states are those of
/// the C function that each method names (`gantry/plugin.h`).
public protocol Plugin {
  static var descriptor: Descriptor { get }
  /// The optional abilities this type implements.
  static var abilities: Abilities { get }

  /// `create`
  init(host: Host)
  /// `configure`
  mutating func configure(_ configuration: borrowing Configuration) throws(Failure)
  /// `start`
  mutating func start() throws(Failure)
  /// `on_batch`. No allocation, no locks, nothing that blocks.
  mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure)
  /// `on_timer`
  mutating func onTimer(tag: UInt64, dueNs: Int64, _ outputs: borrowing Outputs) throws(Failure)
  /// `flush`
  mutating func flush(_ outputs: borrowing Outputs) throws(Failure)
  /// `stop`
  mutating func stop() throws(Failure)
  /// Called once before the instance is freed: release unmanaged memory here.
  mutating func destroy()

  /// `gantry.pull/1`: hands over up to `max` events; false after the last one.
  mutating func pull(max: Int, _ outputs: borrowing Outputs) throws(Failure) -> PullResult
  /// `gantry.pull/1`: what is being read. Used with `Abilities.cursor`.
  func cursor() -> (contentHash: UInt64, row: UInt64)

  /// `gantry.state/1`: the layout's name and version.
  static var stateSchema: (name: StaticString, version: UInt32) { get }
  /// `gantry.state/1`: an upper bound of what `saveState` writes.
  func stateBound() -> Int
  /// `gantry.state/1`: writes everything remembered from events.
  func saveState(_ writer: borrowing StateWriter) throws(Failure)
  /// `gantry.state/1`: takes over a state; any bytes may come.
  mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure)

  /// `gantry.params-live/1`
  mutating func apply(_ values: LiveValues) throws(Failure)
}

public enum PullResult { case more, again, end }

/// The optional abilities of a plugin type.
public struct Abilities: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static var pull: Abilities { Abilities(rawValue: 1) }
  public static var cursor: Abilities { Abilities(rawValue: 2) }
  public static var state: Abilities { Abilities(rawValue: 4) }
  public static var paramsLive: Abilities { Abilities(rawValue: 8) }
}

extension Plugin {
  public static var abilities: Abilities { [] }
  public mutating func configure(_ configuration: borrowing Configuration) throws(Failure) {}
  public mutating func start() throws(Failure) {}
  public mutating func onBatch(_ batch: borrowing Batch, _ outputs: borrowing Outputs) throws(Failure) {}
  public mutating func onTimer(tag: UInt64, dueNs: Int64, _ outputs: borrowing Outputs) throws(Failure) {}
  public mutating func flush(_ outputs: borrowing Outputs) throws(Failure) {}
  public mutating func stop() throws(Failure) {}
  public mutating func destroy() {}
  public mutating func pull(max: Int, _ outputs: borrowing Outputs) throws(Failure) -> PullResult { .end }
  public func cursor() -> (contentHash: UInt64, row: UInt64) { (0, 0) }
  public static var stateSchema: (name: StaticString, version: UInt32) { ("", 0) }
  public func stateBound() -> Int { 0 }
  public func saveState(_ writer: borrowing StateWriter) throws(Failure) {}
  public mutating func loadState(version: UInt32, _ reader: inout StateReader) throws(Failure) {}
  public mutating func apply(_ values: LiveValues) throws(Failure) {
    throw Failure.unsupported("this plugin takes no parameters while it runs")
  }
}

/// New values of all parameters, in the order of the descriptor.
public struct LiveValues {
  let values: UnsafePointer<gantry_value>
  public let count: Int
  public func value(_ index: Int) -> gantry_value {
    precondition(index >= 0 && index < count)
    return values[index]
  }
}
