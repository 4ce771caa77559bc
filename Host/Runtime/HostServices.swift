import CGantry
import GantryBase
import GantryGraph
import Synchronization

/// What the host offers to all instances of a run: instruments, model names, log lines, metrics.
/// Shared by every `NodeContext`; immutable after the run starts, or guarded by its own mutex.
final class HostServices: Sendable {
  let nodeNames: [String]
  let log: LogRing
  let clockMode: Graph.ClockKind
  private let tables: Tables
  private let models = Mutex<[ModelName]>([])
  private let metricNames = Mutex<[MetricKey: [MetricDefinition]]>([:])
  private let secrets: @Sendable (Int, String) -> Result<[UInt8], SecretError>

  struct ModelName: Sendable, Equatable {
    var name: String
    var version: String
  }
  struct MetricKey: Hashable, Sendable { var node: Int }
  struct MetricDefinition: Sendable {
    var name: String
    var unit: String
    var help: String
    var isCounter: Bool
  }
  enum SecretError: Error { case denied, notFound }

  /// The ABI's form of the instrument and currency tables. Constant once built, freed with the run.
  struct Tables: @unchecked Sendable {  // written in init only
    let instruments: UnsafeMutablePointer<gantry_instrument>
    let instrumentCount: Int
    let currencies: UnsafeMutablePointer<gantry_currency>
    let currencyCount: Int
  }

  init(graph: Graph, log: LogRing, secrets: @escaping @Sendable (Int, String) -> Result<[UInt8], SecretError>) {
    nodeNames = graph.nodes.map(\.name)
    self.log = log
    self.secrets = secrets
    clockMode = graph.clock == .live ? .live : .replay
    let instruments = UnsafeMutablePointer<gantry_instrument>.allocate(capacity: max(graph.instruments.count, 1))
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
    let currencies = UnsafeMutablePointer<gantry_currency>.allocate(capacity: max(graph.currencies.count, 1))
    for (index, value) in graph.currencies.enumerated() {
      (currencies + index).initialize(
        to: gantry_currency(
          size: UInt32(MemoryLayout<gantry_currency>.size), digits: value.digits, code: permanentText(value.code)))
    }
    tables = Tables(
      instruments: instruments, instrumentCount: graph.instruments.count, currencies: currencies,
      currencyCount: graph.currencies.count)
  }

  func instrument(_ id: UInt32) -> UnsafePointer<gantry_instrument>? {
    guard id >= 1, Int(id) <= tables.instrumentCount else { return nil }
    return UnsafePointer(tables.instruments + Int(id) - 1)
  }

  func currency(_ index: UInt32) -> UnsafePointer<gantry_currency>? {
    guard Int(index) < tables.currencyCount else { return nil }
    return UnsafePointer(tables.currencies + Int(index))
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

  func secret(node: Int, _ name: String) -> Result<[UInt8], SecretError> { secrets(node, name) }

  func deallocate() {
    for index in 0..<tables.instrumentCount {
      for text in [tables.instruments[index].symbol, tables.instruments[index].base, tables.instruments[index].quote] {
        text.data?.deallocate()
      }
    }
    for index in 0..<tables.currencyCount { tables.currencies[index].code.data?.deallocate() }
    tables.instruments.deallocate()
    tables.currencies.deallocate()
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
