import CGantry
import GantryBase

/// What the host asks of a cell.
enum CellCall: UInt32 {
  /// Payload of the next call, in pieces.
  case put = 1
  case boot, create, configure, start, batch, timer, flush, stop, destroy
  case bound, save, load, apply, pull, cursor, feed
  /// The answer to what the cell asked.
  case answer

  /// For people: what the node was doing.
  var text: String {
    switch self {
    case .put: "taking its payload"
    case .boot: "loading"
    case .batch: "on_batch"
    case .timer: "on_timer"
    case .bound, .save: "saving its state"
    case .load: "loading a state"
    case .apply: "applying parameters"
    case .feed: "running its feed"
    default: "\(self)"
    }
  }
}

/// What a cell says to the host: that a call is done, or what it wants of the host's functions.
enum CellWord: UInt32 {
  case done = 1
  /// The deferred area is full: make those calls now.
  case relieve
  case random, nextID, now, setTimer, cancelTimer, instrument, currency, modelReference, model, secret, library
  case defineMetric, hasExtension, beginDependency, setColumns, stateBytes, emit, wait
  // Those that want no answer, and stand in the deferred area.
  case log, fail, note, metric, alias, endDependency
}

/// Bits of a request's `flags`.
enum CellFlag {
  /// Save the state after this call, into the slot that `a` names.
  static let snapshot: UInt32 = 1
}

/// What a cell is told when it boots.
struct CellBoot {
  var path = ""
  var sha256 = ""
  var plugin = ""
  var node = ""
  var grants: Set<PluginDescription.Need> = []
  var memoryBytes: UInt64 = 0
  var cpuSeconds: UInt64 = 0
  var readable: [String] = []
  var writable: [String] = []

  init() {}

  var encoded: [UInt8] {
    var writer = CellWriter()
    writer.add(path)
    writer.add(sha256)
    writer.add(plugin)
    writer.add(node)
    writer.add(grants.map(\.rawValue).sorted())
    writer.add(memoryBytes)
    writer.add(cpuSeconds)
    writer.add(readable)
    writer.add(writable)
    return writer.bytes
  }

  init?(_ bytes: [UInt8]) {
    var reader = CellReader(bytes)
    path = reader.text()
    sha256 = reader.text()
    plugin = reader.text()
    node = reader.text()
    grants = Set(reader.texts().compactMap { PluginDescription.Need(rawValue: $0) })
    memoryBytes = reader.number()
    cpuSeconds = reader.number()
    readable = reader.texts()
    writable = reader.texts()
    if reader.isDamaged { return nil }
  }
}

/// What a cell says of itself once its plugin is loaded.
struct CellFacts {
  struct Functions: OptionSet {
    let rawValue: UInt32
    static let start = Functions(rawValue: 1)
    static let flush = Functions(rawValue: 2)
    static let onTimer = Functions(rawValue: 4)
    static let stop = Functions(rawValue: 8)
    static let onBatch = Functions(rawValue: 16)
    static let state = Functions(rawValue: 32)
    static let pull = Functions(rawValue: 64)
    static let cursor = Functions(rawValue: 128)
    static let feed = Functions(rawValue: 256)
    static let live = Functions(rawValue: 512)
  }
  var functions: Functions = []
  var stateVersion: UInt32 = 0
  var stateSchema = ""
  /// CLINUX_WALL_ bits.
  var walls: UInt32 = 0
  var landlock: UInt32 = 0

  init() {}

  var encoded: [UInt8] {
    var writer = CellWriter()
    writer.add(functions.rawValue)
    writer.add(stateVersion)
    writer.add(stateSchema)
    writer.add(walls)
    writer.add(landlock)
    return writer.bytes
  }

  init?(_ bytes: [UInt8]) {
    var reader = CellReader(bytes)
    functions = Functions(rawValue: reader.number())
    stateVersion = reader.number()
    stateSchema = reader.text()
    walls = reader.number()
    landlock = reader.number()
    if reader.isDamaged { return nil }
  }
}
