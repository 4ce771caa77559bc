import CGantry
import GantryBase

/// The functions and extensions of a plugin: present, and code.
extension DescriptorReader {
  /// The extensions that this host asks plugins for.
  static let pluginExtensions = [
    GANTRY_EXT_PULL, GANTRY_EXT_FEED, GANTRY_EXT_STATE, GANTRY_EXT_PARAMS_LIVE, GANTRY_EXT_QUERY, GANTRY_EXT_RECONCILE, GANTRY_EXT_STATE_CONVERT,
  ]

  mutating func checkFunctions(_ table: gantry_plugin) {
    function(table.create, "create", required: "always")
    function(table.configure, "configure", required: "always")
    function(table.destroy, "destroy", required: "always")
    function(table.on_batch, "on_batch", required: table.input_count > 0 ? "where there are inputs" : nil)
    function(table.on_timer, "on_timer", required: table.flags & UInt32(GANTRY_PLUGIN_TIMERS) != 0 ? "with the flag 4 (timers)" : nil)
    function(table.start, "start", required: nil)
    function(table.flush, "flush", required: nil)
    function(table.stop, "stop", required: nil)
    function(table.get_extension, "get_extension", required: nil)
  }

  /// `Function` is an optional C function pointer.
  private mutating func function<Function>(_ pointer: Function, _ field: String, required: String?) {
    let address = unsafeBitCast(pointer, to: UInt.self)
    if address == 0 {
      if let required { mistake(LoaderCode.function, "\(field) is null; it is required \(required)", "implement \(field) as its card in gantry/plugin.h says") }
    } else if !isCode(address) {
      mistake(LoaderCode.function, "\(field) does not point to code", "set it to the address of a function")
    }
  }

  /// Asks for every extension this host knows and checks the tables.
  mutating func extensions(_ plugin: UnsafePointer<gantry_plugin>, _ table: gantry_plugin) -> [String] {
    guard let getExtension = table.get_extension else { return [] }
    var offered: [String] = []
    for id in Self.pluginExtensions {
      let raw = id.withCString { getExtension(plugin, gantry_string(data: $0, length: UInt64(id.utf8.count))) }
      guard let raw else { continue }
      offered.append(id)
      switch id {
      case GANTRY_EXT_PULL:
        if let pull = structure(raw, field: id, known: MemoryLayout<gantry_pull>.size, zero: gantry_pull()) {
          function(pull.pull, "\(id).pull", required: "by the extension")
          function(pull.cursor, "\(id).cursor", required: nil)
        }
      case GANTRY_EXT_FEED:
        if let feed = structure(raw, field: id, known: MemoryLayout<gantry_feed_source>.size, zero: gantry_feed_source()) {
          function(feed.run, "\(id).run", required: "by the extension")
        }
      case GANTRY_EXT_STATE:
        if let state = structure(raw, field: id, known: MemoryLayout<gantry_state>.size, zero: gantry_state()) {
          function(state.bound, "\(id).bound", required: "by the extension")
          function(state.save, "\(id).save", required: "by the extension")
          function(state.load, "\(id).load", required: "by the extension")
          if line(state.schema, "\(id).schema").isEmpty {
            mistake(LoaderCode.ability, "\(id).schema is empty", "name the layout that save writes")
          }
        }
      case GANTRY_EXT_PARAMS_LIVE:
        if let live = structure(raw, field: id, known: MemoryLayout<gantry_params_live>.size, zero: gantry_params_live()) {
          function(live.apply, "\(id).apply", required: "by the extension")
        }
      case GANTRY_EXT_RECONCILE:
        if let table = structure(raw, field: id, known: MemoryLayout<gantry_reconcile>.size, zero: gantry_reconcile()) {
          function(table.reconcile, "\(id).reconcile", required: "by the extension")
        }
      case GANTRY_EXT_STATE_CONVERT:
        if let converter = structure(raw, field: id, known: MemoryLayout<gantry_state_convert>.size, zero: gantry_state_convert()) {
          function(converter.convert, "\(id).convert", required: "by the extension")
        }
      default:
        if let store = structure(raw, field: id, known: MemoryLayout<gantry_query_store>.size, zero: gantry_query_store()) {
          function(store.range, "\(id).range", required: "by the extension")
        }
      }
    }
    return offered
  }

  /// What is declared must be there.
  mutating func checkAbilities(_ description: PluginDescription, _ table: gantry_plugin) {
    let offers = Set(description.extensions)
    if let live = description.parameters.first(where: \.isLive), !offers.contains(GANTRY_EXT_PARAMS_LIVE) {
      mistake(
        LoaderCode.ability, "parameter \(live.name) is declared live, but \(GANTRY_EXT_PARAMS_LIVE) is not offered",
        "implement gantry/ext/params_live.h, or drop GANTRY_PARAM_LIVE")
    }
    if description.kind == .source, !offers.contains(GANTRY_EXT_PULL), !offers.contains(GANTRY_EXT_FEED), !description.usesTimers {
      mistake(
        LoaderCode.ability, "a source without \(GANTRY_EXT_PULL), \(GANTRY_EXT_FEED) or timers can never produce an event",
        "implement one of gantry/ext/pull.h and gantry/ext/feed.h")
    }
    if offers.contains(GANTRY_EXT_PULL) || offers.contains(GANTRY_EXT_FEED), description.outputs.isEmpty {
      mistake(LoaderCode.ability, "it offers events to be read, but declares no output port", "declare the ports it writes")
    }
  }
}
