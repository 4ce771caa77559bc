import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// What the host offers to all instances of a run: instruments, model names, log lines, metrics.
/// Shared by every `NodeContext`; each part is immutable, atomic, or guarded by its own mutex. A changed
/// graph adds instruments behind those there are, and nodes behind theirs.
final class HostServices: Sendable {
  let log: LogRing
  let contexts = NodeContexts()
  let clockMode: Graph.ClockKind
  /// The newest of `allTables`, for any thread.
  private let tables: Atomic<UInt>
  private let allTables = Mutex<[UInt]>([])
  private let names = Mutex<[String]>([])
  private let models = Mutex<[ModelName]>([])
  private let metricNames = Mutex<[MetricKey: [MetricDefinition]]>([:])
  private let secrets: @Sendable (String) -> [UInt8]?

  struct MetricKey: Hashable, Sendable { var node: Int }
  struct MetricDefinition: Sendable {
    var name: String
    var unit: String
    var help: String
    var isCounter: Bool
  }

  /// The ABI's form of the instrument and currency tables. Constant once built, freed with the run.
  private struct Tables {
    let instruments: UnsafeMutablePointer<gantry_instrument>
    let instrumentCount: Int
    let currencies: UnsafeMutablePointer<gantry_currency>
    let currencyCount: Int

    init(_ graph: Graph) {
      instruments = .allocate(capacity: max(graph.instruments.count, 1))
      instrumentCount = graph.instruments.count
      for (index, value) in graph.instruments.enumerated() {
        (instruments + index).initialize(
          to: gantry_instrument(
            size: UInt32(MemoryLayout<gantry_instrument>.size), id: UInt32(index + 1),
            symbol: permanentText(value.symbol), base: permanentText(value.base), quote: permanentText(value.quote),
            price_digits: value.priceDigits, quantity_digits: value.quantityDigits, tick_size: value.tickSize,
            lot_size: value.lotSize, contract_units: value.contractUnits,
            quote_currency: UInt32(graph.currencies.firstIndex { $0.code == value.quote } ?? 0),
            base_currency: UInt32(graph.currencies.firstIndex { $0.code == value.base } ?? 0)))
      }
      currencies = .allocate(capacity: max(graph.currencies.count, 1))
      currencyCount = graph.currencies.count
      for (index, value) in graph.currencies.enumerated() {
        (currencies + index).initialize(
          to: gantry_currency(
            size: UInt32(MemoryLayout<gantry_currency>.size), digits: value.digits, code: permanentText(value.code)))
      }
    }

    func deallocate() {
      for index in 0..<instrumentCount {
        for text in [instruments[index].symbol, instruments[index].base, instruments[index].quote] { text.data?.deallocate() }
      }
      for index in 0..<currencyCount { currencies[index].code.data?.deallocate() }
      instruments.deallocate()
      currencies.deallocate()
    }
  }

  /// - Parameter nodes: their names, by number
  init(
    graph: Graph, nodes: [String], log: LogRing, secrets: @escaping @Sendable (String) -> [UInt8]?
  ) {
    self.log = log
    self.secrets = secrets
    clockMode = graph.clock == .live ? .live : .replay
    tables = Atomic(0)
    take(nodes: nodes)
    take(instrumentsOf: graph)
  }

  /// The names of all nodes the run has had, by number.
  func take(nodes: [String]) { names.withLock { $0 = nodes } }

  /// The instruments of a changed graph, those that there were first. Rows that somebody holds stay.
  func take(instrumentsOf graph: Graph) {
    let made = UnsafeMutablePointer<Tables>.allocate(capacity: 1)
    made.initialize(to: Tables(graph))
    allTables.withLock { $0.append(UInt(bitPattern: made)) }
    tables.store(UInt(bitPattern: made), ordering: .releasing)
  }

  func nodeName(_ number: Int) -> String { names.withLock { $0.indices.contains(number) ? $0[number] : "host" } }

  private var current: UnsafePointer<Tables> { UnsafePointer(bitPattern: tables.load(ordering: .acquiring)).unsafelyUnwrapped }

  func instrument(_ id: UInt32) -> UnsafePointer<gantry_instrument>? {
    let tables = current
    guard id >= 1, Int(id) <= tables.pointee.instrumentCount else { return nil }
    return UnsafePointer(tables.pointee.instruments + Int(id) - 1)
  }

  func currency(_ index: UInt32) -> UnsafePointer<gantry_currency>? {
    let tables = current
    guard Int(index) < tables.pointee.currencyCount else { return nil }
    return UnsafePointer(tables.pointee.currencies + Int(index))
  }

  /// The 1-based number of a model's name and version; 0 when the table is full.
  func modelReference(name: String, version: String) -> UInt32 {
    models.withLock { list in
      let model = ModelName(name: name, version: version)
      if let known = list.firstIndex(of: model) { return UInt32(known + 1) }
      guard list.count < 65_535 else { return 0 }
      list.append(model)
      return UInt32(list.count)
    }
  }

  var modelNames: [ModelName] { models.withLock { $0 } }

  /// In a replay: the numbers that models had when the journal was written, also those of candidates that
  /// came to nothing.
  func take(models names: [ModelName]) {
    models.withLock { list in if names.count > list.count, Array(names.prefix(list.count)) == list { list = names } }
  }

  /// The 1-based number of a new metric of `node`, or 0.
  func defineMetric(node: Int, _ definition: MetricDefinition) -> UInt32 {
    metricNames.withLock { table in
      var list = table[MetricKey(node: node), default: []]
      if let known = list.firstIndex(where: { $0.name == definition.name }) { return UInt32(known + 1) }
      guard list.count < metricsPerNode, !definition.name.isEmpty else { return 0 }
      list.append(definition)
      table[MetricKey(node: node)] = list
      return UInt32(list.count)
    }
  }

  func metricDefinitions(node: Int) -> [MetricDefinition] { metricNames.withLock { $0[MetricKey(node: node)] ?? [] } }

  func secret(_ name: String) -> [UInt8]? { secrets(name) }

  func deallocate() {
    contexts.deallocate()
    allTables.withLock {
      for address in $0 {
        guard let tables = UnsafeMutablePointer<Tables>(bitPattern: address) else { continue }
        tables.pointee.deallocate()
        tables.deallocate()
      }
      $0 = []
    }
  }
}

/// An unmanaged copy of a text in the ABI's form. The owner frees `data`.
func permanentText(_ text: String) -> gantry_string {
  var copy = text
  return copy.withUTF8 { bytes in
    guard bytes.count > 0 else { return gantry_string(data: nil, length: 0) }
    let data = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    UnsafeMutableRawPointer(data).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    return gantry_string(data: UnsafePointer(data), length: UInt64(bytes.count))
  }
}

/// A Swift string of ABI text; nil when it is no UTF-8 or absurdly long.
func swiftText(_ text: gantry_string, limit: Int = 65_536) -> String? {
  guard text.length > 0 else { return "" }
  guard let data = text.data, text.length <= UInt64(limit) else { return nil }
  let bytes = UnsafeBufferPointer(start: UnsafeRawPointer(data).assumingMemoryBound(to: UInt8.self), count: Int(text.length))
  return String(validating: bytes, as: UTF8.self)
}
