import CGantry
import Glibc

/// What one instance sees as its host: captures log lines, failures, notes, metrics and timers,
/// and gives out deterministic times, ids and random numbers.
final class HostSide {
  let keep = Keep()
  let instruments: [HarnessInstrument]
  let currencies: [(code: String, digits: UInt32)]
  let secrets: [String: String]
  let allowsTimers: Bool

  var isStopped = false
  var nowNs: Int64 = 0
  var reason: (status: gantry_status, isRetryable: Bool, text: String)?
  var logLines: [HarnessLogLine] = []
  var notes: [HarnessNote] = []
  var timers: [UInt64: Int64] = [:]
  var models: [String] = []
  var metrics: [(name: String, isCounter: Bool, value: Double)] = []
  /// By the position of the artifact parameter.
  var artifactModels: [UInt32: gantry_model_info] = [:]
  /// Calls that came after stop; each got GANTRY_GONE.
  var lateCalls = 0
  private var randomState: UInt64
  private var lastID: UInt64 = 0
  private let symbolTexts: [(symbol: gantry_string, base: gantry_string, quote: gantry_string)]
  private let currencyTexts: [gantry_string]

  let table: UnsafeMutablePointer<gantry_host>
  private let chain: UnsafeMutablePointer<gantry_chain_host>
  private let model: UnsafeMutablePointer<gantry_model_host>
  private let library: UnsafeMutablePointer<gantry_library_host>

  init(instruments: [HarnessInstrument], secrets: [String: String], seed: UInt64, allowsTimers: Bool) {
    self.instruments = instruments
    self.secrets = secrets
    self.allowsTimers = allowsTimers
    randomState = seed
    var currencies: [(code: String, digits: UInt32)] = []
    for instrument in instruments {
      for (code, digits) in [(instrument.base, instrument.baseDigits), (instrument.quote, instrument.cashDigits)]
      where !currencies.contains(where: { $0.code == code }) {
        currencies.append((code, digits))
      }
    }
    self.currencies = currencies
    let keep = self.keep
    symbolTexts = instruments.map { (keep.string($0.symbol), keep.string($0.base), keep.string($0.quote)) }
    currencyTexts = currencies.map { keep.string($0.code) }
    table = keep.array([gantry_host()])
    chain = keep.array([gantry_chain_host()])
    model = keep.array([gantry_model_host()])
    library = keep.array([gantry_library_host()])
    fillTable()
    fillChain()
    fillModel()
    fillLibrary()
  }

  static func of(_ node: OpaquePointer?) -> HostSide {
    Unmanaged<HostSide>.fromOpaque(UnsafeRawPointer(node!)).takeUnretainedValue()
  }

  var node: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

  /// Whether the instance still counts; a late call is noted.
  private var isLive: Bool {
    if isStopped { lateCalls += 1 }
    return !isStopped
  }

  func takeOver(from other: HostSide) {
    nowNs = other.nowNs
    timers = other.timers
    models = other.models
    randomState = other.randomState
    lastID = other.lastID
  }

  /// splitmix64
  private func nextRandom() -> UInt64 {
    randomState &+= 0x9E37_79B9_7F4A_7C15
    var z = randomState
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private func fillTable() {
    table.pointee.size = UInt32(MemoryLayout<gantry_host>.size)
    table.pointee.abi_major = GANTRY_ABI_MAJOR
    table.pointee.abi_minor = GANTRY_ABI_MINOR
    table.pointee.name = keep.string("plugin-harness")
    table.pointee.version = keep.string("1.0.0")
    table.pointee.get_extension = { node, id in
      let host = HostSide.of(node)
      switch String(id) {
      case GANTRY_EXT_CHAIN: return UnsafeRawPointer(host.chain)
      case GANTRY_EXT_LIBRARY: return UnsafeRawPointer(host.library)
      case GANTRY_EXT_MODEL: return UnsafeRawPointer(host.model)
      default: return nil
      }
    }
    table.pointee.log = { node, severity, text in
      let host = HostSide.of(node)
      if host.isLive { host.logLines.append(HarnessLogLine(severity: severity, text: String(text))) }
    }
    table.pointee.fail = { node, status, retryable, text in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      host.reason = (status, retryable != 0, String(text))
      return status
    }
    table.pointee.now = { HostSide.of($0).nowNs }
    table.pointee.random = { HostSide.of($0).nextRandom() }
    table.pointee.next_id = { node in
      let host = HostSide.of(node)
      guard host.isLive else { return 0 }
      host.lastID += 1
      return host.lastID
    }
    fillTimers()
    fillLookups()
  }

  private func fillTimers() {
    table.pointee.set_timer = { node, due, tag in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard host.allowsTimers else { return -2 }
      guard host.timers[tag] != nil || host.timers.count < 64 else { return -3 }
      host.timers[tag] = due
      return 0
    }
    table.pointee.cancel_timer = { node, tag in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      return host.timers.removeValue(forKey: tag) == nil ? -5 : 0
    }
  }

  private func fillLookups() {
    table.pointee.instrument = { node, id, out in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard id >= 1, Int(id) <= host.instruments.count, let out else { return -5 }
      let instrument = host.instruments[Int(id) - 1]
      let texts = host.symbolTexts[Int(id) - 1]
      out.pointee = gantry_instrument(
        size: UInt32(MemoryLayout<gantry_instrument>.size), id: id, symbol: texts.symbol, base: texts.base,
        quote: texts.quote, price_digits: instrument.priceDigits, quantity_digits: instrument.quantityDigits,
        tick_size: instrument.tickSize, lot_size: instrument.lotSize, contract_units: instrument.contractUnits,
        quote_currency: UInt32(host.currencies.firstIndex { $0.code == instrument.quote } ?? 0),
        base_currency: UInt32(host.currencies.firstIndex { $0.code == instrument.base } ?? 0))
      return 0
    }
    table.pointee.currency = { node, index, out in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard Int(index) < host.currencies.count, let out else { return -5 }
      out.pointee = gantry_currency(
        size: UInt32(MemoryLayout<gantry_currency>.size), digits: host.currencies[Int(index)].digits,
        code: host.currencyTexts[Int(index)])
      return 0
    }
    table.pointee.model_ref = { node, name, version in
      let host = HostSide.of(node)
      let text = String(name) + "@" + String(version)
      if let index = host.models.firstIndex(of: text) { return UInt32(index + 1) }
      host.models.append(text)
      return UInt32(host.models.count)
    }
    table.pointee.secret = { node, name, buffer, capacity, length in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard let value = host.secrets[String(name)] else { return -5 }
      length?.pointee = UInt64(value.utf8.count)
      guard UInt64(value.utf8.count) <= capacity, let buffer else { return -3 }
      for (index, byte) in value.utf8.enumerated() { buffer[index] = byte }
      return 0
    }
    table.pointee.define_metric = { node, kind, name, unit, help in
      let host = HostSide.of(node)
      guard host.isLive, host.metrics.count < 64 else { return 0 }
      host.metrics.append((String(name), kind == GANTRY_METRIC_COUNTER, 0))
      return UInt32(host.metrics.count)
    }
    table.pointee.update_metric = { node, metric, value in
      let host = HostSide.of(node)
      guard host.isLive, metric >= 1, Int(metric) <= host.metrics.count else { return }
      let before = host.metrics[Int(metric) - 1]
      host.metrics[Int(metric) - 1].value = before.isCounter ? before.value + value : value
    }
  }

  private func fillChain() {
    chain.pointee.size = UInt32(MemoryLayout<gantry_chain_host>.size)
    chain.pointee.note = { node, cause, key, value in
      let host = HostSide.of(node)
      if host.isLive { host.notes.append(HarnessNote(cause: Int(cause), key: String(key), value: String(value))) }
    }
    chain.pointee.begin_dependency = { _, _ in 1 }
    chain.pointee.end_dependency = { _, _, _ in }
    chain.pointee.alias = { _, _, _ in }
  }

  private func fillModel() {
    model.pointee.size = UInt32(MemoryLayout<gantry_model_host>.size)
    model.pointee.describe = { node, parameter, out in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard let info = host.artifactModels[parameter], let out else { return -5 }
      out.pointee = info
      return 0
    }
  }

  /// Opens whatever is asked for: grants and trust are a host's.
  private func fillLibrary() {
    library.pointee.size = UInt32(MemoryLayout<gantry_library_host>.size)
    library.pointee.open = { node, path, flags, handle, reason, capacity, length in
      let host = HostSide.of(node)
      guard host.isLive else { return -8 }
      guard let handle, String(path).hasPrefix("/") else { return -2 }
      if let opened = dlopen(String(path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) {
        handle.pointee = opened
        return 0
      }
      let text = Array((dlerror().map { String(cString: $0) } ?? "no reason given").utf8.prefix(Int(clamping: capacity)))
      if let reason { for (index, byte) in text.enumerated() { reason[index] = CChar(bitPattern: byte) } }
      length?.pointee = UInt64(text.count)
      return -4
    }
  }

  /// The model that the artifact parameter at a position comes from.
  func take(_ given: HarnessModel, parameter: UInt32) {
    let columns = keep.array(given.columns.map { keep.string($0) })
    artifactModels[parameter] = gantry_model_info(
      size: UInt32(MemoryLayout<gantry_model_info>.size), reserved: 0, name: keep.string(given.name), version: keep.string(given.version),
      format: keep.string(given.format), sha256: keep.string(String(repeating: "0", count: 64)), training_data: keep.string(given.trainingData),
      library: keep.string(given.library), columns: UnsafePointer(columns), column_count: UInt64(given.columns.count))
  }
}

/// One instrument as the plugin will see it. Ids are 1-based positions in the harness's list.
public struct HarnessInstrument: Sendable {
  public var symbol: String
  public var base: String
  public var quote: String
  public var priceDigits: UInt32
  public var quantityDigits: UInt32
  public var tickSize: Int64
  public var lotSize: Int64
  public var contractUnits: Int64
  /// The digits of cash in the quote and the base currency.
  public var cashDigits: UInt32
  public var baseDigits: UInt32

  public init(
    _ symbol: String, base: String, quote: String, priceDigits: UInt32, quantityDigits: UInt32 = 0,
    tickSize: Int64 = 1, lotSize: Int64 = 1, contractUnits: Int64 = 1, cashDigits: UInt32 = 2, baseDigits: UInt32 = 2
  ) {
    self.symbol = symbol
    self.base = base
    self.quote = quote
    self.priceDigits = priceDigits
    self.quantityDigits = quantityDigits
    self.tickSize = tickSize
    self.lotSize = lotSize
    self.contractUnits = contractUnits
    self.cashDigits = cashDigits
    self.baseDigits = baseDigits
  }

  /// Tick 0.00001, lot 1, cash in cents.
  public static var eurusd: HarnessInstrument { HarnessInstrument("EURUSD", base: "EUR", quote: "USD", priceDigits: 5) }
  /// Tick 0.001, lot 1, cash in whole yen.
  public static var usdjpy: HarnessInstrument { HarnessInstrument("USDJPY", base: "USD", quote: "JPY", priceDigits: 3, cashDigits: 0) }
}

/// What `gantry.model/1` says of an artifact parameter.
public struct HarnessModel: Sendable {
  public var name: String
  public var version: String
  public var format: String
  public var columns: [String]
  public var trainingData: String
  public var library: String

  public init(_ name: String, version: String, format: String, columns: [String] = [], trainingData: String = "", library: String = "") {
    self.name = name
    self.version = version
    self.format = format
    self.columns = columns
    self.trainingData = trainingData
    self.library = library
  }
}

/// One captured `host->log`.
public struct HarnessLogLine: Sendable, Equatable {
  public var severity: UInt32
  public var text: String
}

/// One captured note of `gantry.chain/1`.
public struct HarnessNote: Sendable, Equatable {
  public var cause: Int
  public var key: String
  public var value: String
}
