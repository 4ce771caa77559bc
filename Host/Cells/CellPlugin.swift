import CGantry
import GantryBase
import GantryLoader
import GantryRuntime
import Synchronization

/// A plugin's table whose every function goes to a cell: what lanes, swaps and applies get in the place of
/// the plugin's own. One for each node and generation.
///
/// Functions that the plugin leaves null are null here too, from the first `create` on.
final class CellPlugin: @unchecked Sendable {  // the table changes in the first create only
  /// The table, and behind it the way back to this object.
  private struct Box {
    var table: gantry_plugin
    var owner: Unmanaged<CellPlugin>
  }

  let recipe: CellRecipe
  /// Keeps the private copy of the plugin's file.
  private let copy: PluginCopy
  private let box: UnsafeMutablePointer<Box>
  private let state: UnsafeMutablePointer<gantry_state>
  private let pull: UnsafeMutablePointer<gantry_pull>
  private let feed: UnsafeMutablePointer<gantry_feed_source>
  private let live: UnsafeMutablePointer<gantry_params_live>
  private let texts = CellStructures()
  private let functions = Mutex<CellFacts?>(nil)
  private let cells = Mutex<[Cell]>([])

  var raw: UnsafePointer<gantry_plugin> { UnsafeRawPointer(box).assumingMemoryBound(to: gantry_plugin.self) }

  init(recipe: CellRecipe, description: PluginDescription, copy: PluginCopy) {
    self.recipe = recipe
    self.copy = copy
    box = .allocate(capacity: 1)
    state = .allocate(capacity: 1)
    pull = .allocate(capacity: 1)
    feed = .allocate(capacity: 1)
    live = .allocate(capacity: 1)
    state.initialize(to: CellPlugin.stateTable)
    pull.initialize(to: CellPlugin.pullTable)
    feed.initialize(to: CellPlugin.feedTable)
    live.initialize(to: CellPlugin.liveTable)
    var table = CellPlugin.table
    table.kind = UInt32((PluginDescription.Kind.allCases.firstIndex(of: description.kind) ?? 0) + 1)
    table.id = texts.text(description.id)
    table.version = texts.text(description.version)
    table.summary = texts.text(description.summary)
    table.effects = description.effects == .external ? GANTRY_EFFECTS_EXTERNAL : GANTRY_EFFECTS_NONE
    table.flags =
      (description.isStateless ? GANTRY_PLUGIN_STATELESS : 0) | (description.wantsSingle ? GANTRY_PLUGIN_SINGLE : 0)
      | (description.usesTimers ? GANTRY_PLUGIN_TIMERS : 0)
    box.initialize(to: Box(table: table, owner: .passUnretained(self)))
  }

  deinit {
    box.deallocate()
    state.deallocate()
    pull.deallocate()
    feed.deallocate()
    live.deallocate()
  }

  private static func owner(_ plugin: UnsafePointer<gantry_plugin>) -> CellPlugin {
    UnsafeRawPointer(plugin).assumingMemoryBound(to: Box.self).pointee.owner.takeUnretainedValue()
  }

  /// How the first of its cells that did not end as it should have ended; nil when all did.
  var firstEnd: String? { ends.withLock { $0 } }
  private let ends = Mutex<String?>(nil)
  func note(end: String) { ends.withLock { $0 = $0 ?? end } }

  /// The living cells, for status.
  var living: [Cell] {
    cells.withLock { cells in
      cells.removeAll { $0.isClosed }
      return cells
    }
  }

  private func makeCell(_ host: UnsafePointer<gantry_host>, _ node: OpaquePointer?) -> (Cell?, gantry_status) {
    let cell = Cell(recipe: recipe, host: host, node: node, onEnd: { [weak self] in self?.note(end: $0) })
    do throws(GantryError) {
      try cell.open()
    } catch {
      note(end: error.diagnostics.first?.text ?? "did not start")
      return (nil, cell.fail(error.diagnostics.first?.code == "cell.not-loaded" ? GANTRY_INVALID : GANTRY_GONE, error.diagnostics.first?.text ?? "it did not start"))
    }
    adopt(cell.facts)
    let status = cell.create()
    guard status == GANTRY_OK else {
      cell.destroy()
      return (nil, status)
    }
    cells.withLock { $0.append(cell) }
    return (cell, GANTRY_OK)
  }

  /// Takes over which functions the plugin has.
  private func adopt(_ facts: CellFacts) {
    functions.withLock { known in
      guard known == nil else { return }
      known = facts
      let has = facts.functions
      if !has.contains(.start) { box.pointee.table.start = nil }
      if !has.contains(.flush) { box.pointee.table.flush = nil }
      if !has.contains(.onTimer) { box.pointee.table.on_timer = nil }
      if !has.contains(.stop) { box.pointee.table.stop = nil }
      if !has.contains(.onBatch) { box.pointee.table.on_batch = nil }
      if !has.contains(.cursor) { pull.pointee.cursor = nil }
      state.pointee.version = facts.stateVersion
      state.pointee.schema = texts.text(facts.stateSchema)
    }
  }

  private func table(_ id: String) -> UnsafeRawPointer? {
    let has = functions.withLock { $0?.functions ?? [] }
    switch id {
    case "gantry.state/1": return has.contains(.state) ? UnsafeRawPointer(state) : nil
    case "gantry.pull/1": return has.contains(.pull) ? UnsafeRawPointer(pull) : nil
    case "gantry.feed/1": return has.contains(.feed) ? UnsafeRawPointer(feed) : nil
    case "gantry.params-live/1": return has.contains(.live) ? UnsafeRawPointer(live) : nil
    default: return nil
    }
  }

  // MARK: the tables

  /// An instance is a retained cell.
  @inline(__always)
  private static func cell(_ instance: OpaquePointer) -> Unmanaged<Cell> { Unmanaged.fromOpaque(UnsafeRawPointer(instance)) }

  private static var table: gantry_plugin {
    var table = gantry_plugin()
    table.size = UInt32(MemoryLayout<gantry_plugin>.size)
    table.create = { plugin, host, node, instance in
      guard let plugin, let host, let instance else { return GANTRY_MISUSE }
      let (cell, status) = CellPlugin.owner(plugin).makeCell(host, node)
      instance.pointee = cell.map { OpaquePointer(Unmanaged.passRetained($0).toOpaque()) }
      return status
    }
    table.configure = { instance, config in
      guard let instance, let config else { return GANTRY_MISUSE }
      return CellPlugin.cell(instance)._withUnsafeGuaranteedRef { $0.configure(config) }
    }
    table.start = { instance in
      guard let instance else { return GANTRY_MISUSE }
      return CellPlugin.cell(instance)._withUnsafeGuaranteedRef { $0.start() }
    }
    table.on_batch = { instance, batch, outputs in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.batch(batch.unsafelyUnwrapped, outputs.unsafelyUnwrapped) }
    }
    table.on_timer = { instance, timer, outputs in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.timer(timer.unsafelyUnwrapped, outputs.unsafelyUnwrapped) }
    }
    table.flush = { instance, outputs in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.flush(outputs.unsafelyUnwrapped) }
    }
    table.stop = { instance in
      guard let instance else { return GANTRY_MISUSE }
      return CellPlugin.cell(instance)._withUnsafeGuaranteedRef { $0.stop() }
    }
    table.destroy = { instance in
      guard let instance else { return }
      let cell = CellPlugin.cell(instance).takeRetainedValue()
      cell.destroy()
    }
    table.get_extension = { plugin, id in
      guard let plugin, let data = id.data else { return nil }
      let text = String(decoding: UnsafeRawBufferPointer(start: data, count: Int(min(id.length, 256))), as: UTF8.self)
      return CellPlugin.owner(plugin).table(text)
    }
    return table
  }

  private static var stateTable: gantry_state {
    var table = gantry_state()
    table.size = UInt32(MemoryLayout<gantry_state>.size)
    table.bound = { instance in CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.bound() } }
    table.save = { instance, writer in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.save(writer.unsafelyUnwrapped) }
    }
    table.load = { instance, version, bytes in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.load(version, bytes) }
    }
    return table
  }

  private static var pullTable: gantry_pull {
    var table = gantry_pull()
    table.size = UInt32(MemoryLayout<gantry_pull>.size)
    table.pull = { instance, max, outputs in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.pull(max, outputs.unsafelyUnwrapped) }
    }
    table.cursor = { instance, hash, row in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.cursor(hash.unsafelyUnwrapped, row.unsafelyUnwrapped) }
    }
    return table
  }

  private static var feedTable: gantry_feed_source {
    var table = gantry_feed_source()
    table.size = UInt32(MemoryLayout<gantry_feed_source>.size)
    table.run = { instance, feed in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.feed(feed.unsafelyUnwrapped) }
    }
    return table
  }

  private static var liveTable: gantry_params_live {
    var table = gantry_params_live()
    table.size = UInt32(MemoryLayout<gantry_params_live>.size)
    table.apply = { instance, values, count in
      CellPlugin.cell(instance.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.apply(values, count) }
    }
    return table
  }
}
